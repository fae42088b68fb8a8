"""ECE and accuracy of all methods on one data set, with intervals: a row per method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.types import DataFrame, Estimate, Figure, FigureType, Painted, Picture, Results, Sources

METRICS = ("ece", "accuracy")
BETTER = {"ece": "less is better", "accuracy": "more is better"}
ROW, LEFT, GAP, RIGHT = 0.2, 1.3, 0.22, 0.2  # inches


def pictures(facts: Facts) -> Iterator[Picture]:
    """One of every test set in every protocol."""
    for part, protocol in product(facts.tests, facts.protocols):
        how = f"{protocol} protocol, {facts.bins} bins; {style.averaged(facts)}; {style.intervals(facts)}"
        caption = f"ECE and accuracy of all methods on {part}, {how}."
        yield Picture(FIGURE, (protocol, part), f"ECE and accuracy on {part}", caption, protocol, part)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All methods, the baseline also a dashed line."""
    facts = results.facts
    estimates = {
        (method, metric): results.estimate(metric, picture.protocol, method, picture.part)
        for method in facts.methods
        for metric in METRICS
    }
    table = prepare(estimates, {method: facts.family(method) for method in facts.methods})
    dashed = " · dashed: baseline" * bool(facts.baseline)
    over = style.intervals(facts, style.units(results, [picture.part]))
    lines = [style.size(picture, results), style.averaged(facts) + dashed, f"strokes: {over}"]
    if "accuracy" not in drawn_metrics(table):
        lines.append(f"accuracy of every method: {style.percent(table['accuracy'].iloc[0], 2)}")
    return Painted(draw(table, picture.title, lines), {"": table})


def prepare(estimates: Mapping[tuple[str, str], Estimate], families: Mapping[str, str]) -> DataFrame:
    """A row per method: its family, and ECE and accuracy with the ends of their intervals.

    Args:
        estimates: by (method, metric).
        families: method -> what kind of method it is; their order is that of the rows.
    """
    import pandas as pd

    rows = []
    for method, family in families.items():
        row: dict[str, object] = {"method": method, "family": family}
        for metric in METRICS:
            number = estimates[method, metric]
            row |= {metric: number.value, f"{metric}_low": number.low, f"{metric}_high": number.high}
        rows.append(row)
    return pd.DataFrame(rows)


def drawn_metrics(table: DataFrame) -> list[str]:
    """ECE; and accuracy, unless it is the same for all methods without any interval, as where no pixel can be right."""
    seen = table[["accuracy", "accuracy_low", "accuracy_high"]].stack()
    return [metric for metric in METRICS if metric == "ece" or seen.nunique() > 1]


def draw(table: DataFrame, heading: str, lines: Sequence[str]) -> Figure:
    """Draw from `prepare`: a row per method, a panel per metric, the baseline's values as dashed lines."""
    metrics, high = drawn_metrics(table), ROW * len(table) + 0.06
    figure, used = style.new_figure(high + 0.7, heading, lines)
    wide = (style.WIDTH - LEFT - RIGHT - GAP * (len(metrics) - 1)) / len(metrics)
    baseline = table[table["family"] == "baseline"]
    for c, metric in enumerate(metrics):
        axes = style.place(figure, LEFT + c * (wide + GAP), used + 0.22, wide, high)
        shown = 100 * table[[metric, f"{metric}_low", f"{metric}_high"]]
        for at in 100 * baseline[metric]:
            axes.axvline(at, color=style.MUTED, linewidth=0.8, linestyle=(0, (4, 2)))
        axes.hlines(table.index, shown[f"{metric}_low"], shown[f"{metric}_high"], color=style.ACCENT, linewidth=1.1)
        axes.plot(shown[metric], table.index, "o", color=style.INK, markersize=3.2, clip_on=False)
        style.name_rows(axes, table["method"])
        axes.tick_params(labelleft=c == 0)
        axes.grid(True, axis="x")
        axes.grid(False, axis="y")
        axes.set_xlim(*limits(shown, metric == "ece"))
        axes.locator_params("x", nbins=3 if len(metrics) > 1 else 6)
        axes.set_xlabel(style.AXES[metric])
        axes.set_title(BETTER[metric], fontsize=6.5, loc="left", color=style.MUTED)
    return figure


def limits(values: DataFrame, from_zero: bool) -> tuple[float, float]:
    """Ends of an axis for values in %: room around them, but none below 0 or above 100."""
    low, high = 0.0 if from_zero else values.min(axis=None), values.max(axis=None)
    room = max(0.08 * (high - low), 0.01)
    return max(low - room, 0.0), min(high + room, 100.0)


FIGURE = FigureType(
    "tradeoff",
    "Calibration and accuracy",
    "ECE and accuracy of every method, a row each; the strokes are 95 % intervals. A method that is calibrated at no "
    "cost lies to the left in the first panel and not left of the baseline in the second.",
    pictures,
    paint,
)
