"""T10: how well confidence and entropy detect what is out of distribution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.ood_detection import QUANTITIES, SCORES, detection
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.inputs import FEW
from pipeline_src.tables.captions import about, not_run, notes
from pipeline_src.tables.cells import rows
from pipeline_src.tables.paper_table import PaperTable, Row

ABOUT = (
    "{sets} taken together against each set out of distribution; what is in distribution is the positive class. AUROC: "
    "how often it scores above the other; 50 % is chance, and below it the network is surer of the other, of "
    "textures than of photographs, however methods rank. AUPR depends on how many there are of both. FPR: share of the "
    "other that a threshold lets pass that keeps 95 % of it. "
    "Each set is drawn by itself. "
)
PIXELS_NOTE = {
    False: "Of two classes the entropy of pixels ranks as their confidence does.",
    True: "The entropy of pixels is undefined: the counts of several classes do not hold it.",
}


def ood_detection(results: Results) -> PaperTable:
    """Methods by sets out of distribution; groups by score."""
    facts, inside, outside = results.facts, results.facts.parts_of(["id"]), results.facts.parts_of(["ood"])
    title, said = "Detection of what is out of distribution", about(facts, binned=False, resamples=FEW)
    if not inside or not outside:
        lacking = "id" if not inside else "ood"
        change = f"add one to “data: {lacking}:” of the experiment"
        return PaperTable(title, [], said, [not_run(facts.experiment, f"a test set “{lacking}”", change)])
    made = [
        {**cell, "group": group, "row": cell["method"], "column": f"{part}: {QUANTITIES[cell['metric']].column}"}
        for protocol in facts.protocols
        for score, group in SCORES.items()
        for part in outside
        for cell in _cells(results, protocol, score, inside, part)
    ]
    text = f"{said} {ABOUT.format(sets=' and '.join(inside))}{PIXELS_NOTE[facts.classes > 2]}"
    return PaperTable(title, made, text, notes(results, (), [*inside, *outside]), quantities=QUANTITIES)


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
    return {method: one for method, one in detections.items() if one}
