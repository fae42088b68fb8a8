"""Static label perturbation over alpha and beta."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline_src.analysis.facts import PROTOCOL_NAMES, Facts
from pipeline_src.figures import style
from pipeline_src.figures.panels import draw_lines
from pipeline_src.figures.types import DataFrame, FigureType, Painted, Picture, Results, Sources

FEWEST = 3  # strengths that make a sweep
# Light to dark with beta, and a marker each, which show the order in gray.
SHADES = ("#7fb2d9", "#3f86c1", "#0b4f86", "#c2410c", "#7a2a08", "#444444")


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per protocol if static methods have several strengths."""
    strengths = {round(perturbation.s, 9) for perturbation in facts.static.values()}
    for protocol in facts.protocols if facts.tests and len(strengths) >= FEWEST else ():
        caption = f"ECE, OE and accuracy of static label perturbation over s = 2αβ, {PROTOCOL_NAMES[protocol]}."
        yield Picture(FIGURE, (protocol,), "Static perturbation by strength", caption, protocol, wide=True)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """The static methods on all test sets, the baseline as a dashed line."""
    facts, protocol = results.facts, picture.protocol
    table, reference = prepare(results, protocol), {}
    if facts.baseline:
        reference = {
            (part, metric): results.estimate(metric, protocol, facts.baseline, part).value
            for part in facts.tests
            for metric in style.AXES
        }
    lines = [f"{PROTOCOL_NAMES[protocol]} · {style.error_bars(facts)}" + " · dashed: baseline" * bool(reference)]
    names = list(dict.fromkeys(table["line"]))
    looks = {name: _look(k, name) for k, name in enumerate(names)}
    spread = 0.012 * table["s"].max() * len(names)
    return Painted(
        draw_lines(table, looks, ("part", "line", "s"), "s = 2αβ", spread, picture.title, lines, reference), {"": table}
    )


def prepare(results: Results, protocol: str) -> DataFrame:
    """A row per static method, test set and metric: `line` (beta and variant), `alpha`, `beta`, `s`, `value`, `low`,
    `high`."""
    import pandas as pd

    rows = []
    for method, static in results.facts.static.items():
        line = ", ".join(filter(None, [f"β = {static.beta:.3g}", static.variant]))
        line = static.variant if static.alpha == 1 and static.variant else line
        for part in results.facts.tests:
            for metric in style.AXES:
                number = results.estimate(metric, protocol, method, part)
                row = {"method": method, "part": part, "line": line, "alpha": static.alpha, "beta": static.beta}
                row |= {"s": static.s, "metric": metric}
                rows.append(row | {"value": number.value, "low": number.low, "high": number.high})
    order = {metric: k for k, metric in enumerate(style.AXES)}
    table = pd.DataFrame(rows).sort_values(["line", "s", "method"], kind="stable")
    return table.sort_values("metric", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def _look(place: int, name: str) -> dict[str, Any]:
    """Color and marker of a line; one that is named by its variant and not by a beta is hollow."""
    color, marker = SHADES[place % len(SHADES)], style.METHOD_MARKERS[place % len(style.METHOD_MARKERS)]
    return {"color": color, "marker": marker, "markerfacecolor": color if "β" in name else style.PAPER}


FIGURE = FigureType(
    "sweep",
    "Static label perturbation",
    "A row of panels per metric, a column per test set, a line per β over s = 2αβ, the share of the uniform label in "
    "the expected label. Methods of equal s have equal expected labels.",
    pictures,
    paint,
)
