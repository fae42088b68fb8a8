"""T14: all methods against the baseline and its temperature scaling, paired by image and seed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import product

from pipeline_src.analysis.estimate import UNDEFINED_ESTIMATE, effective_units, estimate
from pipeline_src.analysis.facts import Facts
from pipeline_src.analysis.intervals import NAN
from pipeline_src.analysis.measurement import COMPARED, Measurement
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.metric import Difference
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.captions import about, heading, notes
from pipeline_src.tables.paper_table import FEW_SIGN, FEW_UNITS, PaperTable, Row

# Metric -> how a difference of it is printed.
QUANTITIES = {name: Difference.of(METRICS[name]) for name in COMPARED}
NOTES = (
    "First method minus second, paired by image and seed. With three seeds or more, about one of "
    "twenty differences of equal methods is marked by chance; with fewer more are, because "
    "training variance is left out.",
    "With fewer than three seeds, a difference of ECE has no interval, which would be too narrow "
    "near 0. It is marked if its own interval and that of the squared error exclude 0.",
    f"{FEW_SIGN} few images carry the difference, so its interval is too narrow: of its "
    f"differences d by image, (Σ|d|)² / Σd² is below {FEW_UNITS}.",
)


def differences(results: Results) -> PaperTable:
    """Return T14: a row per pair of methods, a column per metric, a group per dataset."""
    facts = results.facts
    rows: list[Row] = []
    for protocol, split in product(facts.protocols, facts.tests):
        place = {"protocol": protocol, "part": split, "role": facts.splits[split]}
        place["group"] = heading(results, split)
        measured = results.measured(protocol, split)
        for method, reference in _pairs(facts, measured):
            pair = {"row": f"{method} − {reference}", "method": method, "reference": reference}
            for row in _rows(measured[method], measured[reference]):
                rows.append(place | pair | row)
    below = list(NOTES) + notes(results, (), facts.tests)
    return PaperTable(
        "Differences between methods",
        rows,
        about=about(facts),
        notes=below,
        quantities=QUANTITIES,
    )


def _pairs(facts: Facts, methods: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each pair (method, reference), where the reference is the baseline or its temperature
    scaling.

    Temperature scaling is also compared with the baseline, but not the baseline with it again.
    """
    references = []
    for code in ("baseline", "temperature"):
        reference = facts.principal(code)
        if reference is not None and reference in methods:
            references.append(reference)
            for method in methods:
                if method not in references:
                    yield method, reference


def _rows(method: Measurement, reference: Measurement) -> Iterator[Row]:
    """Yield a row per metric with the difference `method` minus `reference`. The caller adds
    protocol, dataset and methods.

    With few seeds, the interval of an error near 0, such as ECE, is too narrow. Whether the methods
    differ then also depends on the difference of the squared errors (`Estimate.decided`), and the
    row has both intervals: `own_low` and `own_high` of the error, `decided_low` and `decided_high`
    of its square.
    """
    for name, quantity in QUANTITIES.items():
        change = estimate(name, (method, 1.0), (reference, -1.0))
        if change is None:
            continue
        decided = change.decided or UNDEFINED_ESTIMATE
        own_low, own_high = change.interval() if change.decided else NAN
        yield {
            "column": quantity.column,
            "metric": name,
            "mean": change.value,
            "low": change.low,
            "high": change.high,
            "seeds": " ".join(map(str, change.by_seed)),
            "images": method.images,
            "mark": change.direction,
            "own_low": own_low,
            "own_high": own_high,
            "decided_by": METRICS[name].decided_by if change.decided else "",
            "decided_low": decided.low,
            "decided_high": decided.high,
            "effective_images": effective_units(change, name, method, reference),
        }
