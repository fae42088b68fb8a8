"""Experiments that cannot be compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from made_published import FACTS, publish
from made_statistics import counted, varied
from project import copy

from pipeline_src.errors import UserError
from pipeline_src.publishing.compare import compare_experiments

ONE, TWO = "results/published/one", "results/published/two"


def quick(method: str, seed: int, part: str):
    return counted(varied(2), whole=False)


def two(**other) -> Callable[[Path], None]:
    """Writes two published experiments, the second with other facts."""

    def write(folder: Path) -> None:
        publish("one", statistic=quick)
        publish("two", replace(FACTS, **other), quick)

    return write


def damaged(folder: Path) -> None:
    two()(folder)
    (folder / TWO / "runs.zip").write_bytes(b"PK")


@pytest.mark.parametrize(
    ("write", "experiments", "named"),
    [
        (copy, (ONE, "tiny"), f"{ONE} is not a published experiment"),
        (copy, ("tinny", "tiny"), r"tinny is neither(.|\n)*tiny"),
        (copy, ("workflow", "tiny"), "workflow is neither"),
        (copy, ("tiny", "tiny"), r"tiny has no(.|\n)*experiment=tiny"),
        (damaged, (ONE, TWO), r"two/runs\.zip"),
        (two(), (f"{ONE}:slpp", f"{ONE}:slp"), "'slpp'(.|\n)*baseline"),
        (two(), (f"{ONE}:slp", ONE), "EXPERIMENT:METHOD"),
        (two(), (ONE, f"{ONE}/"), f"both sides are {ONE}"),
        (two(), (f"{ONE}:slp", f"{ONE}:slp"), f"both sides are {ONE}"),
        (two(bins=15), (ONE, TWO), r"bins(.|\n)*10 and 15"),
        (two(splits={"others": "id"}), (ONE, TWO), r"photos(.|\n)*others"),
    ],
)
def test_it_is_refused(tmp_path, monkeypatch, write, experiments, named):
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    with pytest.raises(UserError, match=named):
        compare_experiments(*experiments)
