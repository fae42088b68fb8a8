"""T14: every method beside the baseline, and beside its temperature scaling, paired by image and seed."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pipeline_src.analysis.estimate import estimate
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.metric import Difference
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.captions import about, heading, notes
from pipeline_src.tables.paper_table import PaperTable, Row

QUANTITIES = {name: Difference.of(METRICS[name]) for name in ("ece", "brier", "nll", "accuracy")}
ABOUT = (
    "Of two methods with the same data and seeds: the mean of the first less that of the second. Each interval stands "
    "for itself: of twenty differences of equal methods about one is marked by chance. With fewer than three seeds one "
    "of ECE has no interval, because near 0 it would cover the true value too rarely. It is marked where its own "
    "interval and that of the squared error exclude 0."
)


def differences(results: Results) -> PaperTable:
    """Pairs of methods by metrics; groups by data set."""
    facts, parts = results.facts, list(results.facts.tests)
    rows = [
        {**row, "group": heading(results, part), "protocol": protocol, "part": part, "role": facts.parts[part]}
        for protocol in facts.protocols
        for part in parts
        for row in _rows(results, protocol, part)
    ]
    text = f"{about(facts)} {ABOUT}"
    return PaperTable("Differences between methods", rows, text, notes(results, (), parts), quantities=QUANTITIES)


def _rows(results: Results, protocol: str, part: str) -> Iterator[Row]:
    facts, measured = results.facts, results.measured(protocol, part)
    principal = map(facts.principal, ("baseline", "temperature"))
    references = [name for name in principal if name in measured]
    for number, reference in enumerate(references):
        for method in (name for name in measured if name not in references[: number + 1]):
            for name, quantity in QUANTITIES.items():
                if of := estimate(name, (measured[method], 1.0), (measured[reference], -1.0)):
                    yield {
                        "row": f"{method} − {reference}",
                        "column": quantity.column,
                        "method": method,
                        "reference": reference,
                        "metric": name,
                        "mean": of.value,
                        "low": of.low,
                        "high": of.high,
                        "seeds": " ".join(map(str, of.by_seed)),
                        "images": measured[method].images,
                        "mark": of.direction,
                        "own_low": of.own.low if of.own else math.nan,
                        "own_high": of.own.high if of.own else math.nan,
                        "decided_by": METRICS[name].decided_by if of.decided else "",
                        "decided_low": of.decided.low if of.decided else math.nan,
                        "decided_high": of.decided.high if of.decided else math.nan,
                    }
