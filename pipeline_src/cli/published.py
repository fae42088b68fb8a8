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
from pipeline_src.cli.options import ExperimentName, Log, experiment_graph, flag, start_log
from pipeline_src.errors import listed
from pipeline_src.metrics.metric import Difference, with_ends
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
    from pipeline_src.pipeline.upkeep import size
    from pipeline_src.publishing import publish as step

    folder = step.publish(experiment_graph(experiment), cores or os.cpu_count() or 1)
    typer.echo(f"{folder}: {size(folder) / 1e6:.1f} MB. Commit it.")


def rebuild(
    experiment: Annotated[
        str | None, typer.Option("--experiment", "-e", help="A published one (default: all)")
    ] = None,
    write: Annotated[
        bool,
        flag("--write", help="Replace the published tables, claims and metrics"),
    ] = False,
    report: Annotated[
        bool,
        flag("--report", help="Also write report.html to results/published-rebuilt/"),
    ] = False,
    cores: Cores = None,
    log: Log = None,
) -> None:
    """Recompute tables and claims of published experiments from their counts; compare the numbers.

    Example: dense-calibration rebuild --experiment mini_seeds
    """
    from pipeline_src.publishing import published
    from pipeline_src.publishing import rebuild as step

    start_log(log)
    names = [experiment] if experiment else published.names()
    if not names:
        text = "%s holds no experiment; `dense-calibration publish` writes a finished one there"
        logger.info(text, published.FOLDER)
    step.rebuild_all(names, cores or os.cpu_count() or 1, write, report)


def compare(
    a: Annotated[
        str,
        typer.Argument(help="results/published/NAME, an experiment of params.yaml, or NAME:METHOD"),
    ],
    b: Annotated[str, typer.Argument(help="The same; differences are B - A")],
    cores: Cores = None,
) -> None:
    """Compare two experiments or methods: equal, different or inconclusive, and possible reasons.

    Example: dense-calibration compare results/published/mini_seeds mini_seeds
    Example: dense-calibration compare mini_seeds:baseline mini_seeds:aslp_cl
    """
    from pipeline_src.publishing.compare import compare_experiments

    start_log()
    typer.echo(summary_text(compare_experiments(a, b, cores or os.cpu_count() or 1)))


def summary_text(comparison: Comparison) -> str:
    """Return the main metrics of all methods, how many metrics differ, and possible reasons."""
    cells = comparison.cells
    lines = [f"A: {comparison.a.name}", f"B: {comparison.b.name}"]
    for side, runs in comparison.lacking.items():
        if runs:
            lines.append(f"{side} lacks{listed(runs, MOST_EXAMPLES)}")
    lines.append("B - A with 95 % intervals:  = same  ≠ different  ? inconclusive")
    for split, protocol in dict.fromkeys((cell.split, cell.protocol) for cell in cells):
        note = FITTED if comparison.a.facts.splits.get(split) == "val" else ""
        lines += ["", f"{split}, {PROTOCOL_NAMES[protocol]}{note}"]
        shown = [cell for cell in cells if (cell.split, cell.protocol) == (split, protocol)]
        lines += [f"  {line}" for line in aligned(_table(shown))]
    lines += ["", _number_of_verdicts(cells)]
    lines += [f"Warning: {text}" for text in comparison.warnings]
    if any(cell.verdict != SAME for cell in cells):
        reasons = comparison.explanations or [
            "nothing that is recorded: neither seeds, settings, images nor versions"
        ]
        lines.append(f"What may explain differences (A / B):{listed(reasons)}")
    return "\n".join(lines)


def _table(cells: Sequence[MetricDifference]) -> list[list[str]]:
    """Return the main metrics of the cells, a row per method and a column per metric."""
    by_method: dict[str, dict[str, MetricDifference]] = {}
    for cell in cells:
        by_method.setdefault(cell.method, {})[cell.metric] = cell
    measured = {cell.metric for cell in cells}
    names = [name for name in SUMMARY if name in measured]
    rows = [["", *(METRICS[name].column for name in names)]]
    for method, by_metric in by_method.items():
        rows.append([method, *(_text(by_metric.get(name)) for name in names)])
    return rows


def _text(cell: MetricDifference | None) -> str:
    """Return the difference, with its interval if it has one and the numbers are not the same."""
    if cell is None or math.isnan(cell.b - cell.a):
        return UNDEFINED
    difference = Difference.of(METRICS[cell.metric])
    limits = None
    if cell.effect and cell.verdict != SAME:
        limits = (cell.effect.low, cell.effect.high)
    return f"{MARKS[cell.verdict]} {with_ends(difference, cell.b - cell.a, limits)}"


def _number_of_verdicts(cells: Sequence[MetricDifference]) -> str:
    """Return how many numbers got each verdict, and how many of them chance makes different."""
    number = Counter(cell.verdict for cell in cells)
    counts = ", ".join(f"{number[verdict]} {verdict}" for verdict in MARKS)
    text = f"All {len(cells)} numbers: {counts}."
    if number[DIFFERENT] or number[UNDECIDED]:
        text += " One in twenty equal ones is called different by chance."
    return text
