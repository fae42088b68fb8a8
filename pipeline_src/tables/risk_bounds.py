"""T13: masks with a guaranteed risk: thresholds from the validation images, and the empirical risk elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline_src.analysis.conformal import QUANTITIES, Bound, controlled
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.results import Results
from pipeline_src.tables.captions import about, heading, not_run, notes
from pipeline_src.tables.paper_table import BROKEN, PaperTable, Row, rows

RISK_BOUNDS = (Bound("fnr", 0.1), Bound("fpr", 0.05))
TITLE = "Masks with a guaranteed risk, by conformal risk control"
NOTE = (
    "The mask is f ≥ threshold. FNR: share of an image's object that it misses; FPR: share of its background in it; "
    "means over images. The threshold guarantees the bound in expectation for images exchangeable with the {images} of "
    "{part}, and for no others. Intervals cover the test images at a fixed threshold."
)


def risk_bounds(results: Results) -> PaperTable:
    """Methods by data sets; groups by bound."""
    facts, (fitted, *_) = results.facts, [*results.facts.parts_of(["val"]), None]
    first = next(iter(results.measured("raw", fitted).values()), None) if fitted else None
    caption = about(facts, binned=False)
    if facts.classes > 2:
        return PaperTable(TITLE, [], caption, ["None for several classes: the risks need masks of one object."])
    if fitted is None or first is None:
        return PaperTable(TITLE, [], caption, [not_run(facts.experiment, "the validation images")])
    found = [
        {**cell, "group": f"{bound}, {heading(results, part)}", "row": cell["method"]}
        for protocol in facts.protocols
        for bound in RISK_BOUNDS
        for part in facts.tests
        for cell in _cells(results, protocol, bound, fitted, part)
    ]
    few = [bound for bound in RISK_BOUNDS if first.images < bound.needs]
    below = [NOTE.format(images=first.images, part=fitted)]
    below += [f"{bound} needs {bound.needs} validation images, and there are {first.images}." for bound in few]
    return PaperTable(TITLE, found, caption, [*below, *notes(results, (), list(facts.tests))], quantities=QUANTITIES)


def _cells(results: Results, protocol: str, bound: Bound, fitted: str, part: str) -> Iterator[Row]:
    of_fitted, unseen = results.measured(protocol, fitted), results.measured(protocol, part)
    by_method: dict[str, Measurement] = {}
    for method in (name for name in unseen if name in of_fitted):
        if run := controlled(bound, of_fitted[method], unseen[method]):
            by_method[method] = run
    place = {"protocol": protocol, "part": part, "role": results.facts.parts[part]}
    for metric, quantity in QUANTITIES.items():
        for cell in rows(place, metric, by_method, QUANTITIES):
            broken = metric == bound.risk and cell["low"] > bound.alpha
            yield {**cell, "column": quantity.column, "risk": bound.risk, "alpha": bound.alpha, "mark": BROKEN * broken}
