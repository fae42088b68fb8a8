"""T13: masks with a bound on a risk: thresholds from the validation images, and what they deliver elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline_src.analysis.conformal import QUANTITIES, Bound, controlled
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.inputs import FEW
from pipeline_src.tables.captions import about, heading, not_run, notes
from pipeline_src.tables.cells import rows
from pipeline_src.tables.paper_table import BROKEN, PaperTable, Row

RISK_BOUNDS = (Bound("fnr", 0.1), Bound("fpr", 0.05))
TITLE = "Masks with a bound on a risk, by conformal risk control"
ABOUT = (
    "The mask is f ≥ threshold. FNR: share of an image's object that it misses; FPR: share of its background in it; "
    "means over images. The threshold is the least cautious one that keeps the bound in expectation, by the {images} "
    "images of {part}, for images exchangeable with these. Nothing is promised of other data sets, under shift and "
    "out of distribution; the table says what was delivered. Intervals are of the test images, at the "
    "threshold as it is."
)


def promised_risk(results: Results) -> PaperTable:
    """Methods by data sets; groups by bound."""
    facts, (fitted, *_) = results.facts, [*results.facts.parts_of(["val"]), None]
    first = next(iter(results.measured("raw", fitted).values()), None) if fitted else None
    said = about(facts, binned=False, resamples=FEW)
    if facts.classes > 2:
        return PaperTable(TITLE, [], said, ["None for several classes: the risks are of masks of one object."])
    if fitted is None or first is None:
        return PaperTable(TITLE, [], said, [not_run(facts.experiment, "the validation images")])
    made = [
        {**cell, "group": f"{bound}, {heading(results, part)}", "row": cell["method"]}
        for protocol in facts.protocols
        for bound in RISK_BOUNDS
        for part in facts.tests
        for cell in _cells(results, protocol, bound, fitted, part)
    ]
    few = [bound for bound in RISK_BOUNDS if first.images < bound.needs]
    missing = [f"{bound} needs {bound.needs} validation images, and there are {first.images}." for bound in few]
    text = f"{said} {ABOUT.format(images=first.images, part=fitted)}"
    return PaperTable(TITLE, made, text, [*missing, *notes(results, (), list(facts.tests))], quantities=QUANTITIES)


def _cells(results: Results, protocol: str, bound: Bound, fitted: str, part: str) -> Iterator[Row]:
    of_fitted, unseen = results.measured(protocol, fitted), results.measured(protocol, part)
    by_method: dict[str, Measurement] = {}
    for method in (name for name in unseen if name in of_fitted):
        if one := controlled(bound, of_fitted[method], unseen[method]):
            by_method[method] = one
    place = {"protocol": protocol, "part": part, "role": results.facts.parts[part]}
    for metric, quantity in QUANTITIES.items():
        for cell in rows(place, metric, by_method, QUANTITIES):
            broken = metric == bound.risk and cell["low"] > bound.alpha
            yield {**cell, "column": quantity.column, "risk": bound.risk, "alpha": bound.alpha, "mark": BROKEN * broken}
