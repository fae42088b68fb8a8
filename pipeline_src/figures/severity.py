"""Calibration error and accuracy against the severity of corruptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.names import labels, shortened
from pipeline_src.figures.types import DataFrame, Estimate, Figure, FigureType, Painted, Picture, Results, Sources

METRICS = ("ece", "accuracy")
LEFT, GAP, RIGHT, HIGH, BELOW = 0.55, 0.36, 0.12, 1.15, 0.14  # inches
APART = 0.45  # of the distance between two severities, which the methods take up side by side


def pictures(facts: Facts) -> Iterator[Picture]:
    """One of every corrupted set in every protocol."""
    for line in dict.fromkeys(corruption.line for corruption in facts.corrupted.values()):
        names = {corruption.name for corruption in facts.corrupted.values() if corruption.line == line}
        for protocol in facts.protocols:
            title = f"{line}: calibration and accuracy by severity"
            how = f"{protocol} protocol, {facts.bins} bins; {style.averaged(facts)}; {style.intervals(facts)}"
            caption = f"ECE and accuracy on {line} by corruption and severity, {how}."
            yield Picture(FIGURE, (protocol, line), title, caption, protocol, wide=style.is_wide(len(names)))


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All methods; severity 0 is the test set of the same images as they are."""
    facts, protocol, line = results.facts, picture.protocol, picture.key[1]
    here = {part: corruption for part, corruption in facts.corrupted.items() if corruption.line == line}
    places = {part: (corruption.name, corruption.severity) for part, corruption in here.items()}
    clean = next(iter(here.values())).clean
    names = list(dict.fromkeys(name for name, _ in places.values()))
    shown = [(clean, (name, 0)) for name in names if clean] + list(places.items())
    estimates = {
        (method, part, *place, metric): results.estimate(metric, protocol, method, part)
        for method in facts.methods
        for part, place in shown
        for metric in METRICS
    }
    table = prepare(estimates)
    over = style.intervals(facts, style.units(results, dict(shown)))
    lines = [f"{protocol} protocol · strokes: {over}" + f" · 0: {clean}" * bool(clean)]
    return Painted(draw(table, picture.title, lines), {"": table})


def prepare(estimates: Mapping[tuple[str, str, str, int, str], Estimate]) -> DataFrame:
    """A row per method, corruption, severity and metric: the data set, and `value`, `low`, `high`.

    Args:
        estimates: by (method, data set, corruption, severity, metric).
    """
    import pandas as pd

    keys = ("method", "part", "corruption", "severity", "metric")
    rows = [
        dict(zip(keys, place, strict=True)) | {"value": number.value, "low": number.low, "high": number.high}
        for place, number in estimates.items()
    ]
    return pd.DataFrame(rows)


def draw(table: DataFrame, heading: str, lines: Sequence[str]) -> Figure:
    """Draw from `prepare`: a row of panels per metric, a column per corruption, a line per method over severity."""
    columns, methods = table["corruption"].unique(), table["method"].unique()
    width, across = (style.WIDE, 4) if style.is_wide(len(columns)) else (style.WIDTH, 2)
    keys = -(-len(methods) // across) * 0.17
    figure, used = style.new_figure(keys + 2 * (HIGH + BELOW) + 0.75, heading, lines, width)
    wide = (width - LEFT - RIGHT - GAP * (len(columns) - 1)) / len(columns)
    looks = {
        method: {"color": style.METHOD_COLOURS[k % 8], "marker": style.METHOD_MARKERS[k % 7]}
        for k, method in enumerate(methods)
    }
    for k, (method, label) in enumerate(zip(methods, labels(methods, 24, lines=1), strict=True)):
        at = 0.2 + k % across * 1.7, used + 0.08 + k // across * 0.17
        style.key(figure, [(label, looks[method])], *at, 1)
    severities = sorted(set(table["severity"]))
    for r, metric in enumerate(METRICS):
        of_metric = table[table["metric"] == metric]
        for c, corruption in enumerate(columns):
            y = used + keys + 0.36 + r * (HIGH + BELOW)
            axes = style.place(figure, LEFT + c * (wide + GAP), y, wide, HIGH)
            for k, (method, look) in enumerate(looks.items()):
                here = of_metric[(of_metric["corruption"] == corruption) & (of_metric["method"] == method)]
                here = here.sort_values("severity")
                x = here["severity"] + APART * ((k + 0.5) / len(looks) - 0.5)
                colour, marker = look["color"], look["marker"]
                axes.vlines(x, 100 * here["low"], 100 * here["high"], color=colour, linewidth=0.7)
                axes.plot(x, 100 * here["value"], color=colour, marker=marker, linewidth=0.9, markersize=2.8)
            axes.set_xticks(severities)
            axes.set_xlim(severities[0] - 0.5, severities[-1] + 0.5)
            axes.margins(y=0.08)
            axes.locator_params("y", nbins=4)
            axes.tick_params(labelbottom=r == len(METRICS) - 1, labelsize=6.5)
            if c == 0:
                axes.set_ylabel(style.AXES[metric])
            if r == len(METRICS) - 1:
                axes.set_xlabel("Severity")
            else:
                title = shortened(corruption.replace("_", " "), int(wide / 0.065))
                axes.set_title(title, fontsize=7, fontweight="bold", loc="left", parse_math=False)
    return figure


FIGURE = FigureType(
    "severity",
    "Corruptions by severity",
    "ECE and accuracy of each method as the images of a test set are corrupted more and more; 0 is the set as it is, "
    "and the strokes are 95 % intervals. A method whose ECE stays low while its accuracy falls knows what "
    "it no longer sees.",
    pictures,
    paint,
)
