"""Published experiments of made-up maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from made_statistics import counted, varied

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.counting.loading import save_compact
from pipeline_src.counting.statistic import TwoClassStatistic
from pipeline_src.publishing import published
from pipeline_src.publishing.published import Publication, source_digests

FACTS = Facts(
    "small", {"baseline": MethodFacts("baseline"), "slp": MethodFacts("slp", {"alpha": 0.1})}, {"photos": "id"}
)


def maps(method: str, seed: int, part: str) -> TwoClassStatistic:
    """Over-confident maps of 12 images, the baseline's more so; the same images for all methods and seeds."""
    sharp = {"baseline": 2.0, "slp": 1.2}.get(method, 1.5) + seed / 10
    return counted(varied(12, sharp=sharp), whole=False)


def publish(
    name: str,
    facts: Facts = FACTS,
    statistic: Callable[[str, int, str], TwoClassStatistic] = maps,
    made: Mapping[str, str] | None = None,
    **more: Any,
) -> Path:
    """Write results/published/`name` into the working folder, as `publish` does; returns the folder."""
    folder = published.FOLDER / name
    for method, seed in facts.runs:
        for part in facts.parts:
            file = published.statistic_file(folder, method, seed, part)
            file.parent.mkdir(parents=True, exist_ok=True)
            save_compact(statistic(method, seed, part), file, facts.bins)
        run = published.run_folder(folder, method, seed)
        run.mkdir(parents=True, exist_ok=True)
        (run / "history.csv").write_text("epoch\n1\n")
    params = {"image_size": 96, "training": {"epochs": 60, "device": "auto"}} | more.pop("params", {})
    data = [{"part": part, "hash": "a"} for part in facts.parts]
    fields = {"notes": {}, "groups": {}, "costs": [], "params": params, "data": data} | more
    of = Publication(facts, made=made or {"torch": "2.9.0"}, files=source_digests(facts, folder), **fields)
    (folder / published.EXPERIMENT).write_text(of.text())
    return folder
