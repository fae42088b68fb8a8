"""Calibration error and accuracy against the severity of corruptions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline_src.analysis.facts import PROTOCOL_NAMES, Facts
from pipeline_src.figures import style
from pipeline_src.figures.panels import small_multiples
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Painted, Picture, Results, Sources

METRICS = ("ece", "accuracy")
SPREAD = 0.45  # of a severity, over which the methods stand side by side


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per corrupted set and protocol."""
    for line in dict.fromkeys(corruption.line for corruption in facts.corrupted.values()):
        names = {corruption.name for corruption in facts.corrupted.values() if corruption.line == line}
        for protocol in facts.protocols:
            caption = f"ECE and accuracy on {line} by corruption and severity, {PROTOCOL_NAMES[protocol]}."
            title, wide = f"{line}: calibration and accuracy by severity", style.is_wide(2 * len(names))
            yield Picture(FIGURE, (protocol, line), title, caption, protocol, wide=wide)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All methods; severity 0 is the test set of the same images without corruption."""
    import pandas as pd

    facts, protocol, line = results.facts, picture.protocol, picture.key[1]
    corrupted = {part: corruption for part, corruption in facts.corrupted.items() if corruption.line == line}
    clean = next(iter(corrupted.values())).clean
    shown = [(clean, name, 0) for name in dict.fromkeys(corruption.name for corruption in corrupted.values()) if clean]
    shown += [(part, corruption.name, corruption.severity) for part, corruption in corrupted.items()]
    rows = []
    for method in facts.methods:
        for part, name, severity in shown:
            for metric in METRICS:
                number = results.estimate(metric, protocol, method, part)
                row = {"method": method, "part": part, "corruption": name, "severity": severity, "metric": metric}
                rows.append(row | {"value": number.value, "low": number.low, "high": number.high})
    table = pd.DataFrame(rows)
    lines = [f"{PROTOCOL_NAMES[protocol]} · {style.error_bars(facts)} · severity 0: {clean or 'none'}"]
    return Painted(draw(table, style.method_looks(facts.methods), picture.title, lines), table)


def draw(table: DataFrame, looks: Mapping[str, Mapping[str, Any]], heading: str, lines: Sequence[str]) -> Figure:
    """Draw a row of panels per metric, a column per corruption and a line per method, as `paint` tabulates them.

    Args:
        looks: method -> color and marker, in the order of the legend.
    """
    columns = list(dict.fromkeys(table["corruption"]))
    number = len(columns) * len(METRICS)
    across = 4 if style.is_wide(number) else 2
    head = 0.15 * math.ceil(len(looks) / across)
    sizes = {"inches": 1.1, "gap": 0.36, "title": 0.2, "head": head}
    figure, panels = small_multiples(number, heading, lines, across=len(columns), **sizes)
    top = (1 - panels[0][0].get_position().y1) * figure.get_figheight() - 0.2 - head
    for k, (name, shown) in enumerate(style.short_names(looks, 24).items()):
        style.key(figure, shown, looks[name], 0.2 + k % across * 1.7, top + 0.07 + k // across * 0.15)
    titles = style.short_names([name.replace("_", " ") for name in columns], 24)
    for k, (axes, first, last) in enumerate(panels):
        row, column = divmod(k, len(columns))
        chosen = table[(table["corruption"] == columns[column]) & (table["metric"] == METRICS[row])]
        for place, (name, look) in enumerate(looks.items()):
            line = chosen[chosen["method"] == name].sort_values("severity")
            xs = line["severity"] + SPREAD * ((place + 0.5) / len(looks) - 0.5)
            axes.vlines(xs, 100 * line["low"], 100 * line["high"], color=look["color"], linewidth=0.7)
            axes.plot(xs, 100 * line["value"], linewidth=1, markersize=3, **look)
        axes.margins(y=0.1)
        axes.locator_params("y", nbins=4)
        axes.tick_params(labelbottom=last, labelsize=6.5)
        axes.set_ylabel(style.AXES[METRICS[row]] if first else "")
        axes.set_xlabel("Severity" if last else "")
        if row == 0:
            title = titles[columns[column].replace("_", " ")]
            axes.set_title(title, fontsize=7, fontweight="bold", loc="left", parse_math=False)
    return figure


FIGURE = FigureType(
    "severity",
    "Corruptions by severity",
    "ECE and accuracy over severity, 0 to 5. A method whose ECE stays low while its accuracy falls recognizes what it "
    "can no longer segment.",
    pictures,
    paint,
)
