"""The Workflow Run RO-Crate of a finished experiment."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline_src.errors import UserError
from pipeline_src.files import sha256
from pipeline_src.publishing.crate import KINDS, METADATA, write
from pipeline_src.steps.build import chosen


def test_the_crate_lists_the_real_results(clone: Path, monkeypatch):
    monkeypatch.chdir(clone)
    Path("params.yaml").rename("mine.yaml")
    monkeypatch.setenv("ASLP_PARAMS", "mine.yaml")
    shutil.rmtree("workflow")  # the package's own is as good
    graph = chosen()
    root = write(graph).parent
    entities = {of["@id"]: of for of in json.loads((root / METADATA).read_text())["@graph"]}
    made = {path.relative_to(root).as_posix() for job in graph.of_kinds(*KINDS) for path in job.paths}
    assert {of["@id"] for of in entities["#run"]["result"]} == made
    files = {name: of for name, of in entities.items() if of["@type"] == "File"}
    assert files.keys() == made | {"mine.yaml", "settings.json"}
    for name, of in files.items():
        assert (of["sha256"], of["contentSize"]) == (sha256(root / name), str((root / name).stat().st_size)), name
    run, crate = entities["#run"], entities["./"]
    assert run["startTime"] < run["endTime"] == crate["datePublished"]
    assert {of["@id"] for of in crate["hasPart"]} == {*files, "Snakefile"}
    named = {of["@id"] for one in entities.values() for key in ("conformsTo", "license") for of in _list(one.get(key))}
    outside = {"https://w3id.org/ro/crate/1.1", "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"}
    assert named <= entities.keys() | outside

    (root / "tables/main.csv").write_text("altered\n")
    with pytest.raises(UserError, match=r"tiny has no crate(.|\n)*main\.csv"):
        write(chosen())


def _list(value):
    return value if isinstance(value, list) else [value] if value else []
