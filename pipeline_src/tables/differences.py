"""T14: every method compared with the baseline and with its temperature scaling, paired by image and seed."""

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
NOTES = (
    "First method minus second, paired by image and seed. About one of twenty differences of equal methods is marked "
    "by chance.",
    "With fewer than three seeds, a difference of ECE has no interval, which would be too narrow near 0. It is marked "
    "if its own interval and that of the squared error exclude 0.",
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
    below = [*NOTES, *notes(results, (), parts)]
    return PaperTable("Differences between methods", rows, about(facts), below, quantities=QUANTITIES)


def _rows(results: Results, protocol: str, part: str) -> Iterator[Row]:
    facts, measured = results.facts, results.measured(protocol, part)
    principal = map(facts.principal, ("baseline", "temperature"))
    references = [name for name in principal if name in measured]
    for number, reference in enumerate(references):
        for method in (name for name in measured if name not in references[: number + 1]):
            for name, quantity in QUANTITIES.items():
                if change := estimate(name, (measured[method], 1.0), (measured[reference], -1.0)):
                    yield {
                        "row": f"{method} − {reference}",
                        "column": quantity.column,
                        "method": method,
                        "reference": reference,
                        "metric": name,
                        "mean": change.value,
                        "low": change.low,
                        "high": change.high,
                        "seeds": " ".join(map(str, change.by_seed)),
                        "images": measured[method].images,
                        "mark": change.direction,
                        "own_low": change.interval()[0] if change.decided else math.nan,
                        "own_high": change.interval()[1] if change.decided else math.nan,
                        "decided_by": METRICS[name].decided_by if change.decided else "",
                        "decided_low": change.decided.low if change.decided else math.nan,
                        "decided_high": change.decided.high if change.decided else math.nan,
                    }
