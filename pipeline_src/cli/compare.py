"""The command `compare`: two experiments, or two models by their saved maps."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline_src.analysis.differences import DIFFERENT, SAME, UNDECIDED, MetricDifference
from pipeline_src.analysis.facts import PROTOCOL_NAMES
from pipeline_src.cli.options import (
    Bins,
    Cores,
    Groups,
    Ignore,
    Logits,
    SkipUnpaired,
    start_log,
)
from pipeline_src.errors import UserError, listed
from pipeline_src.files import Content
from pipeline_src.metrics.metric import Difference, Metric, with_ends
from pipeline_src.metrics.registry import METRICS, SUMMARY
from pipeline_src.text_tables import UNDEFINED, aligned

if TYPE_CHECKING:
    from pipeline_src.publishing.compare import Comparison

MARKS = {SAME: "=", DIFFERENT: "≠", UNDECIDED: "?"}  # verdict -> its sign in tables
MOST_EXAMPLES = 5  # runs that one experiment lacks, by name
FITTED = " (validation images, to which post-hoc methods were fitted)"
# Direction of a change: 1 towards better values, -1 towards worse ones, 0 where neither is better.
QUALITIES = {1: ", which is better", -1: ", which is worse", 0: ""}
INTERVALS = (
    "In brackets: 95 % confidence intervals over images, paired by image. They speak of these two "
    "models only: they contain no training variance.\n"
    "One in twenty equal metrics is called different by chance.\n"
    "AP and AUC have 256 thresholds, so a mere stretch of finer maps changes them."
)


def compare(
    a: Annotated[
        str,
        typer.Argument(
            help="results/published/NAME, an experiment of params.yaml, or NAME:METHOD; a folder "
            "that judge wrote; or, with --mask, a folder of maps"
        ),
    ],
    b: Annotated[str, typer.Argument(help="The same; differences are B - A")],
    mask: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Masks of the maps in A and B, as of judge"),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder to write into, of saved maps")
    ] = Path("results/compared"),
    ignore: Ignore = None,
    bins: Bins = 10,
    groups: Groups = "",
    logits: Logits = False,
    skip_unpaired: SkipUnpaired = False,
    cores: Cores = None,
) -> None:
    """Compare two models on the same images by their saved maps, or two experiments or methods.

    Example: dense-calibration compare maps-a maps-b --mask masks
    Example: dense-calibration compare results/published/mini_seeds results/mini_seeds
    Example: dense-calibration compare mini_seeds:baseline mini_seeds:aslp_cl
    """
    start_log()
    first = Path(a)
    second = Path(b)
    options: dict[str, Any] = {
        "bins": bins,
        "ignore": ignore,
        "groups": groups,
        "logits": logits,
        "skip_unpaired": skip_unpaired,
    }
    from pipeline_src.maps.compare import compare_judged, compare_maps

    if mask is not None:
        typer.echo(models_text(compare_maps(first, second, mask, out, **options), out))
        return
    _check_unused(options)
    if any((side / "counts.npz").exists() for side in (first, second)):
        typer.echo(models_text(compare_judged(first, second, out), out))
        return
    from pipeline_src.publishing.compare import compare_experiments

    typer.echo(summary_text(compare_experiments(a, b, cores or os.cpu_count() or 1)))


def _check_unused(options: Mapping[str, Any]) -> None:
    """Raise a UserError if an option that only folders of maps use has another value than its
    default.

    Args:
        options: name of a parameter of `compare` -> its value.
    """
    parameters = signature(compare).parameters
    given = [name for name, value in options.items() if value != parameters[name].default]
    if given:
        raise UserError(
            "these options are of maps, and need --mask",
            found=", ".join(f"--{name.replace('_', '-')}" for name in given),
            fix="give --mask and two folders of maps, or give these options to judge",
        )


# Two experiments


def summary_text(comparison: Comparison) -> str:
    """Return the text for the terminal: the differences of the main metrics of all methods, how
    many metrics differ, and possible reasons.
    """
    cells = comparison.cells  # a difference for each dataset, protocol, method and metric
    lines = [f"A: {comparison.a.name}", f"B: {comparison.b.name}"]
    for side, runs in comparison.lacking.items():
        if runs:
            lines.append(f"{side} lacks{listed(runs, MOST_EXAMPLES)}")
    lines += [
        "B - A with 95 % intervals:  = same  ≠ different  ? inconclusive",
        "ECE and OE of fewer than three seeds have none; their squared error decides.",
    ]
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
    """Return the table of differences on a dataset: a row per method, a column per main metric.

    Args:
        cells: the differences of all metrics on one dataset in one protocol.
    """
    found = {(cell.method, cell.metric): cell for cell in cells}
    measured = {cell.metric for cell in cells}
    names = [name for name in SUMMARY if name in measured]
    rows = [["", *(METRICS[name].column for name in names)]]
    for method in dict.fromkeys(cell.method for cell in cells):
        rows.append([method, *(_text(found.get((method, name))) for name in names)])
    return rows


def _text(cell: MetricDifference | None) -> str:
    """Return the cell of the table with the sign of the verdict (`MARKS`) and the difference, with
    the interval if there is one and the numbers are not the same.
    """
    if cell is None or math.isnan(cell.b - cell.a):
        return UNDEFINED
    difference = Difference.of(METRICS[cell.metric])
    limits = None
    if cell.effect and cell.verdict != SAME:
        limits = (cell.effect.low, cell.effect.high)
    return f"{MARKS[cell.verdict]} {with_ends(difference, cell.b - cell.a, limits)}"


def _number_of_verdicts(cells: Sequence[MetricDifference]) -> str:
    """Return the sentences that say how many numbers got each verdict, and how often equal numbers
    are called different by chance.
    """
    number = Counter(cell.verdict for cell in cells)
    counts = ", ".join(f"{number[verdict]} {verdict}" for verdict in MARKS)
    text = f"All {len(cells)} numbers: {counts}."
    if number[DIFFERENT] or number[UNDECIDED]:
        text += " One in twenty equal ones is called different by chance."
    return text


# Two models


def models_text(result: Content, out: Path) -> str:
    """Return the text for the terminal: a line for each metric of the unnormalized maps, warnings,
    and where the files are.

    Args:
        result: the content of comparison.json (`maps.compare.compare_judged`).
    """
    lines = [
        *result["models"],
        f"{result['n_images']} images, {result['n_pixels']:,} pixels, {result['bins']} bins",
    ]
    for name, score in result["differences"]["raw"].items():
        lines.append(f"  {_sentence(METRICS[name], score)}")
    lines.append(INTERVALS)
    lines += [f"warning: {text}" for text in result["warnings"]]
    lines += [
        f"diagram: {out / 'reliability.svg'}",
        f"all numbers, also min-max normalized: {out / 'comparison.json'}",
    ]
    return "\n".join(lines)


def _sentence(metric: Metric, score: Content) -> str:
    """Return the line on the difference of two models in a metric: verdict, values, difference.

    Args:
        score: the values A and B, the `intervals`, and whether the value `changed` ("lower",
            "higher" or empty), as `maps.compare.paired_scores` returns them.
    """
    change = score["B"] - score["A"]
    verdict = "inconclusive"
    if not change:
        verdict = "the same"
    elif score["changed"]:
        quality = QUALITIES[metric.better if change > 0 else -metric.better]
        verdict = f"B is {score['changed']}{quality}"
    difference = with_ends(Difference.of(metric), change, score["intervals"]["difference"])
    values = f"A {metric.number(score['A'])}, B {metric.number(score['B'])}"
    return f"{metric.column}: {verdict}; {values}, B − A {difference}"
