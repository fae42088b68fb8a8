"""T10: how well confidence and entropy detect what is out of distribution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.ood_detection import QUANTITIES, SCORES, detection
from pipeline_src.analysis.results import Results
from pipeline_src.tables.captions import about, not_run, notes
from pipeline_src.tables.paper_table import PaperTable, Row, rows

NOTE = (
    "Positive class: {sets} together. AUROC is the probability that it scores above the dataset out of distribution; "
    "at 50 % a score separates nothing. AUPR depends on the sizes of both. FPR: share of the dataset above the "
    "threshold that keeps 95 % of the positive class."
)
PIXELS_NOTE = {
    False: "With two classes, the entropy of pixels ranks as their confidence does.",
    True: "The entropy of pixels is undefined: the counts of several classes do not hold it.",
}


def ood_detection(results: Results) -> PaperTable:
    """Methods by sets out of distribution; groups by score."""
    facts, inside, outside = results.facts, results.facts.parts_of(["id"]), results.facts.parts_of(["ood"])
    title, caption = "Detection of images out of distribution", about(facts, binned=False)
    if not inside or not outside:
        lacking = "id" if not inside else "ood"
        change = f"add one to “data: {lacking}:” of the experiment"
        return PaperTable(title, [], caption, [not_run(facts.experiment, f"a test set “{lacking}”", change)])
    found = [
        {**cell, "group": group, "row": cell["method"], "column": f"{part}: {QUANTITIES[cell['metric']].column}"}
        for protocol in facts.protocols
        for score, group in SCORES.items()
        for part in outside
        for cell in _cells(results, protocol, score, inside, part)
    ]
    below = [NOTE.format(sets=" and ".join(inside)), PIXELS_NOTE[facts.classes > 2]]
    below += notes(results, (), [*inside, *outside])
    return PaperTable(title, found, caption, below, quantities=QUANTITIES)


def _cells(results: Results, protocol: str, score: str, inside: list[str], part: str) -> Iterator[Row]:
    detections = _detections(results, protocol, score, inside, part)
    place = {"protocol": protocol, "part": part, "role": results.facts.parts[part], "score": score}
    for metric in QUANTITIES:
        yield from rows(place, metric, detections, QUANTITIES)


def _detections(results: Results, protocol: str, score: str, inside: list[str], part: str) -> Mapping[str, Measurement]:
    """Method -> its detection of a data set, for those that were run on all that it needs."""
    measured = {name: results.measured(protocol, name) for name in [*inside, part]}
    common = [method for method in results.facts.methods if all(method in on_set for on_set in measured.values())]
    detections = {
        method: detection(score, {name: measured[name][method] for name in inside}, {part: measured[part][method]})
        for method in common
    }
    return {method: found for method, found in detections.items() if found}
