"""T14: every method compared with the baseline and with its temperature scaling, paired by image and seed."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pipeline_src.analysis.estimate import effective_units, estimate
from pipeline_src.analysis.intervals import NAN
from pipeline_src.analysis.measurement import COMPARED
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.metric import Difference
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.captions import about, heading, notes
from pipeline_src.tables.paper_table import FEW_SIGN, FEW_UNITS, PaperTable, Row

QUANTITIES = {name: Difference.of(METRICS[name]) for name in COMPARED}
NOTES = (
    "First method minus second, paired by image and seed. About one of twenty differences of equal methods is marked "
    "by chance.",
    "With fewer than three seeds, a difference of ECE has no interval, which would be too narrow near 0. It is marked "
    "if its own interval and that of the squared error exclude 0.",
    f"{FEW_SIGN} few images carry the difference, so its interval is too narrow: of its differences d by image, "
    f"(Σ|d|)² / Σd² is below {FEW_UNITS}.",
)


def differences(results: Results) -> PaperTable:
    """Return pairs of methods by metrics; groups by dataset."""
    facts, parts = results.facts, list(results.facts.tests)
    rows = [
        row
        for protocol in facts.protocols
        for part in parts
        for row in _rows(results, protocol, part)
    ]
    below = [*NOTES, *notes(results, (), parts)]
    return PaperTable("Differences between methods", rows, about(facts), below, QUANTITIES)


def _rows(results: Results, protocol: str, part: str) -> Iterator[Row]:
    facts, measured = results.facts, results.measured(protocol, part)
    references = [
        n
        for n in map(facts.principal, ("baseline", "temperature"))
        if n is not None and n in measured
    ]
    place = {"protocol": protocol, "part": part, "role": facts.parts[part]}
    for number, reference in enumerate(references):
        for method in (name for name in measured if name not in references[: number + 1]):
            for name, quantity in QUANTITIES.items():
                change = estimate(name, (measured[method], 1.0), (measured[reference], -1.0))
                if change is None:
                    continue
                decided = change.decided
                own_low, own_high = change.interval() if decided else NAN
                yield place | {
                    "group": heading(results, part),
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
                    "own_low": own_low,
                    "own_high": own_high,
                    "decided_by": METRICS[name].decided_by if decided else "",
                    "decided_low": decided.low if decided else math.nan,
                    "decided_high": decided.high if decided else math.nan,
                    "effective_images": effective_units(
                        change, name, measured[method], measured[reference]
                    ),
                }
