"""The commands about published results: `publish`, `rebuild` and `compare`."""

from __future__ import annotations

import logging
import math
import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline_src.analysis.differences import DIFFERENT, SAME, UNDECIDED, MetricDifference
from pipeline_src.analysis.facts import PROTOCOL_NAMES
from pipeline_src.cli.options import ExperimentName, Log, experiment_graph, start_log
from pipeline_src.errors import listed
from pipeline_src.metrics.metric import Difference
from pipeline_src.metrics.registry import METRICS, SUMMARY
from pipeline_src.text_tables import UNDEFINED, aligned

if TYPE_CHECKING:
    from pipeline_src.publishing.compare import Comparison

logger = logging.getLogger(__name__)
MARKS = {SAME: "=", DIFFERENT: "≠", UNDECIDED: "?"}
MOST_EXAMPLES = 5
FITTED = " (validation images, to which post-hoc methods were fitted)"
Cores = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Processes (default: one per core)")
]


def publish(experiment: ExperimentName = None, cores: Cores = None) -> None:
    """Write the results of a finished experiment to results/published/, for the repository.

    Example: dense-calibration publish --experiment mini
    """
    from pipeline_src.publishing import publish as step

    folder = step.publish(experiment_graph(experiment), cores or os.cpu_count() or 1)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    typer.echo(f"{folder}: {size / 1e6:.1f} MB. Commit it.")


def rebuild(
    experiment: Annotated[
        str | None, typer.Option("--experiment", "-e", help="A published one (default: all)")
    ] = None,
    write: Annotated[
        bool,
        typer.Option(
            "--write", metavar="", help="Replace the published tables, claims and metrics"
        ),
    ] = False,
    report: Annotated[
        bool,
        typer.Option(
            "--report", metavar="", help="Also write report.html to results/published-rebuilt/"
        ),
    ] = False,
    cores: Cores = None,
    log: Log = None,
) -> None:
    """Recompute tables and claims of published experiments from their counts, and compare the
    numbers.

    Example: dense-calibration rebuild --experiment mini_seeds
    """
    from pipeline_src.publishing import published
    from pipeline_src.publishing import rebuild as step

    start_log(log)
    names = [experiment] if experiment else published.names()
    if not names:
        logger.info(
            "%s holds no experiment; `dense-calibration publish` writes a finished one there",
            published.FOLDER,
        )
    step.rebuild_all(names, cores or os.cpu_count() or 1, write, report)


def compare(
    a: Annotated[
        str,
        typer.Argument(help="results/published/NAME, an experiment of params.yaml, or NAME:METHOD"),
    ],
    b: Annotated[str, typer.Argument(help="The same; differences are B - A")],
    cores: Cores = None,
) -> None:
    """Compare the numbers of two experiments or two methods: equal, different or inconclusive, and
    possible reasons.

    Example: dense-calibration compare results/published/mini_seeds mini_seeds
    Example: dense-calibration compare mini_seeds:baseline mini_seeds:aslp_cl
    """
    from pipeline_src.publishing.compare import compare_experiments

    start_log()
    typer.echo(summary_text(compare_experiments(a, b, cores or os.cpu_count() or 1)))


def summary_text(comparison: Comparison) -> str:
    """Return the main metrics of all methods, how many metrics differ, and possible reasons."""
    lines = [*_head(comparison), "B - A with 95 % intervals:  = same  ≠ different  ? inconclusive"]
    by_place: dict[str, dict[str, dict[str, MetricDifference]]] = {}
    for cell in comparison.cells:
        place = f"{cell.part}, {PROTOCOL_NAMES[cell.protocol]}"
        by_place.setdefault(place, {}).setdefault(cell.method, {})[cell.metric] = cell
    for heading, rows in by_place.items():
        names = [name for name in SUMMARY if any(name in cells for cells in rows.values())]
        table = [["", *(METRICS[name].column for name in names)]]
        table += [
            [method, *(_text(cells.get(name)) for name in names)] for method, cells in rows.items()
        ]
        note = FITTED if comparison.a.facts.parts.get(heading.rpartition(", ")[0]) == "val" else ""
        lines += ["", f"{heading}{note}", *(f"  {line}" for line in aligned(table))]
    lines += ["", _counts(comparison.cells), *(f"Warning: {text}" for text in comparison.warnings)]
    if any(cell.verdict != SAME for cell in comparison.cells):
        reasons = comparison.explanations or [
            "nothing that is recorded: neither seeds, settings, images nor versions"
        ]
        lines.append(f"What may explain differences (A / B):{listed(reasons)}")
    return "\n".join(lines)


def _head(comparison: Comparison) -> list[str]:
    lines = [f"A: {comparison.a.name}", f"B: {comparison.b.name}"]
    for side, runs in comparison.lacking.items():
        if runs:
            lines.append(f"{side} lacks{listed(runs, MOST_EXAMPLES)}")
    return lines


def _text(cell: MetricDifference | None) -> str:
    """Return the difference, with its interval if it has one and the numbers are not the same."""
    if cell is None or math.isnan(cell.b - cell.a):
        return UNDEFINED
    metric, effect = Difference.of(METRICS[cell.metric]), cell.effect
    low, high = (
        (effect.low, effect.high) if effect and cell.verdict != SAME else (math.nan, math.nan)
    )
    return f"{MARKS[cell.verdict]} {metric.text(cell.b - cell.a, low=low, high=high)}"


def _counts(cells: Sequence[MetricDifference]) -> str:
    number = Counter(cell.verdict for cell in cells)
    tested = number[DIFFERENT] + number[UNDECIDED]
    text = ", ".join(f"{number[verdict]} {verdict}" for verdict in MARKS)
    chance = " One in twenty equal ones is called different by chance." if tested else ""
    return f"All {len(cells)} numbers: {text}.{chance}"
