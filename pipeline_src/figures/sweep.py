"""Static label perturbation over alpha and beta."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline_src.analysis.facts import Facts, Perturbation
from pipeline_src.figures import style
from pipeline_src.figures.names import shortened
from pipeline_src.figures.types import DataFrame, Estimate, Figure, FigureType, Painted, Picture, Results, Sources

FEWEST = 3  # strengths that make a sweep
LEFT, GAP, RIGHT, HIGH = 0.55, 0.42, 0.12, 1.05  # inches
# Light to dark with beta, and a marker each, so that the order shows in grey.
SHADES = ("#7fb2d9", "#3f86c1", "#0b4f86", "#c2410c", "#7a2a08", "#444444")
OTHER = {"color": style.METHOD_COLOURS[5], "markerfacecolor": style.PAPER}
MARKERS = ("o", "s", "^", "D", "v", "P")


def pictures(facts: Facts) -> Iterator[Picture]:
    """One in every protocol where static methods have several strengths."""
    strengths = {round(perturbation.s, 9) for perturbation in facts.static.values()}
    for protocol in facts.protocols if facts.tests and len(strengths) >= FEWEST else ():
        how = f"{protocol} protocol, {facts.bins} bins; {style.averaged(facts)}"
        caption = f"Static label perturbation over s = 2αβ, a line per β, {how}."
        yield Picture(FIGURE, (protocol,), "Static perturbation by strength", caption, protocol, wide=True)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """The static methods on all test sets, the baseline a dashed line."""
    facts, protocol = results.facts, picture.protocol
    estimates = {
        (method, part, metric): results.estimate(metric, protocol, method, part)
        for method in facts.static
        for part in facts.tests
        for metric in style.AXES
    }
    table, baseline = prepare(estimates, facts.static), {}
    if facts.baseline:
        baseline = {
            (part, metric): results.estimate(metric, protocol, facts.baseline, part).value
            for part in facts.tests
            for metric in style.AXES
        }
    over = style.intervals(facts, style.units(results, facts.tests))
    lines = [f"{protocol} protocol · strokes: {over}" + " · dashed: baseline" * bool(baseline)]
    return Painted(draw(table, baseline, picture.title, lines), {"": table})


def prepare(estimates: Mapping[tuple[str, str, str], Estimate], static: Mapping[str, Perturbation]) -> DataFrame:
    """A row per static method, part and metric: `line` (beta and variant), `alpha`, `beta`, `s`, and
    `value`, `low`, `high`.

    Args:
        estimates: by (method, data set, metric).
        static: perturbation of each method.
    """
    import pandas as pd

    rows = []
    for (method, part, metric), number in estimates.items():
        one = static[method]
        line = one.variant if one.alpha == 1 and one.variant else ", ".join([f"β = {one.beta:.3g}", one.variant])
        place: dict[str, str | float] = {"method": method, "part": part, "line": line.removesuffix(", ")}
        place |= {"alpha": one.alpha, "beta": one.beta, "s": one.s}
        rows.append(place | {"metric": metric, "value": number.value, "low": number.low, "high": number.high})
    return pd.DataFrame(rows).sort_values(["line", "s", "method"], kind="stable", ignore_index=True)


def draw(table: DataFrame, baseline: Mapping[tuple[str, str], float], heading: str, lines: Sequence[str]) -> Figure:
    """Draw from `prepare`: a row of panels per metric, a column per data set, a line per beta over s = 2 alpha beta.

    Args:
        baseline: (part, metric) -> its value, a dashed line; empty if there is no baseline.
    """
    parts, names = list(dict.fromkeys(table["part"])), list(dict.fromkeys(table["line"]))
    across = 5
    keys = -(-len(names) // across) * 0.17
    figure, used = style.new_figure(keys + 3 * (HIGH + 0.12) + 0.75, heading, lines, style.WIDE)
    wide = (style.WIDE - LEFT - RIGHT - GAP * (len(parts) - 1)) / len(parts)
    looks, beside = _looks(names), _beside(names, table["s"].max())
    for k, name in enumerate(names):
        at = LEFT + k % across * 1.28, used + 0.08 + k // across * 0.17
        style.key(figure, [(shortened(name, 20, names), looks[name])], *at, 1)
    for r, (metric, text) in enumerate(style.AXES.items()):
        for c, part in enumerate(parts):
            y = used + keys + 0.36 + r * (HIGH + 0.12)
            axes = style.place(figure, LEFT + c * (wide + GAP), y, wide, HIGH)
            if (part, metric) in baseline:
                axes.axhline(100 * baseline[part, metric], color=style.MUTED, linewidth=0.8, linestyle=(0, (4, 2)))
            for name, look in looks.items():
                here = table[(table["part"] == part) & (table["line"] == name) & (table["metric"] == metric)]
                at = here["s"] + beside[name]
                axes.vlines(at, 100 * here["low"], 100 * here["high"], color=look["color"], linewidth=0.7)
                axes.plot(at, 100 * here["value"], linewidth=1, markersize=3.4, **look)
            axes.set_xlim(0, 1.08 * table["s"].max())
            axes.margins(y=0.12)
            axes.locator_params(nbins=4)
            axes.tick_params(labelbottom=r == 2, labelsize=6.5)
            if c == 0:
                axes.set_ylabel(text)
            if r == 2:
                axes.set_xlabel("s = 2αβ")
            if r == 0:
                title = shortened(part, int(wide / 0.07), parts)
                axes.set_title(title, fontsize=7, fontweight="bold", loc="left", parse_math=False)
    return figure


def _looks(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of the lines: what is named by its variant and not by a beta is hollow, and of another hue."""
    looks: dict[str, dict[str, Any]] = {
        name: {"color": SHADES[k % len(SHADES)], "marker": MARKERS[k % len(MARKERS)]} for k, name in enumerate(names)
    }
    return {name: look | ({} if "β" in name else OTHER) for name, look in looks.items()}


def _beside(names: Sequence[str], widest: float) -> dict[str, float]:
    """How far a line is moved along s, so that methods of equal s do not hide each other: less than the steps of s."""
    return {name: 0.012 * widest * (k - (len(names) - 1) / 2) for k, name in enumerate(names)}


FIGURE = FigureType(
    "sweep",
    "Static label perturbation",
    "ECE, OE and accuracy over s = 2αβ, the share of the uniform label in the expected label. Equal s means equal "
    "expected labels, whatever β: such methods stand beside each other.",
    pictures,
    paint,
)
