"""ECE, OE and accuracy of all methods with confidence intervals: a row per method, a panel per test set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline_src.analysis.facts import PROTOCOL_NAMES, ROLES, Facts
from pipeline_src.figures import style
from pipeline_src.figures.panels import name_panel, small_multiples
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Painted, Picture, Results, Sources


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per metric and protocol."""
    for protocol in facts.protocols if facts.tests else ():
        for metric, label in style.AXES.items():
            title = f"{label.removesuffix(', %')} of all methods"
            caption = f"{title} on all test sets, {PROTOCOL_NAMES[protocol]}."
            wide = style.is_wide(len(facts.tests))
            yield Picture(FIGURE, (protocol, metric), title, caption, protocol, metric=metric, wide=wide)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All methods on all test sets, the baseline also as a dashed line."""
    facts = results.facts
    table = prepare(results, picture.protocol, picture.metric)
    lines = [
        f"{PROTOCOL_NAMES[picture.protocol]} · {style.averaged(facts)} · {style.error_bars(facts)}"
        + " · dashed: baseline" * bool(facts.baseline)
    ]
    return Painted(draw(table, facts.baseline, style.AXES[picture.metric], picture.title, lines), table)


def prepare(results: Results, protocol: str, metric: str) -> DataFrame:
    """A row per method and test set: `method`, `part`, `role`, `value`, `low`, `high`."""
    import pandas as pd

    rows = []
    for part, role in results.facts.tests.items():
        for method in results.facts.methods:
            number = results.estimate(metric, protocol, method, part)
            interval = {"value": number.value, "low": number.low, "high": number.high}
            rows.append({"method": method, "part": part, "role": role, **interval})
    return pd.DataFrame(rows)


def draw(table: DataFrame, baseline: str | None, label: str, heading: str, lines: Sequence[str]) -> Figure:
    """Draw from `prepare`; `label` names the axis."""
    parts, methods = list(dict.fromkeys(table["part"])), list(dict.fromkeys(table["method"]))
    colors = [look["color"] for look in style.method_looks(methods).values()]
    rows = range(len(methods))
    figure, panels = small_multiples(
        len(parts), heading, lines, inches=0.17 * len(methods) + 0.06, across=4, left=1.3, gap=0.2, title=0.66
    )
    for part, (axes, first, _) in zip(parts, panels, strict=True):
        values = table[table["part"] == part].set_index("method").loc[methods]
        shown = 100 * values[["value", "low", "high"]]
        if baseline in shown.index:
            axes.axvline(shown.loc[baseline, "value"], **style.DASHED)
        axes.hlines(rows, shown["low"], shown["high"], color=colors, linewidth=1.1)
        axes.scatter(shown["value"], rows, color=colors, s=10, zorder=3, clip_on=False)
        style.name_rows(axes, methods)
        axes.tick_params(labelleft=first)
        axes.grid(True, axis="x")
        axes.grid(False, axis="y")
        low, high = shown.min(axis=None), shown.max(axis=None)
        margin = max(0.08 * (high - low), 0.01)
        axes.set_xlim(max(low - margin, 0.0), min(high + margin, 100.0))
        axes.locator_params("x", nbins=3)
        axes.set_xlabel(label)
        name_panel(axes, part, ROLES[values["role"].iloc[0]], parts)
    return figure


FIGURE = FigureType(
    "estimates",
    "Calibration and accuracy",
    "A row per method, a panel per test set. Lower is better for ECE and OE, higher for accuracy. A method calibrates "
    "at no cost if its ECE lies left of the dashed line of the baseline and its accuracy does not.",
    pictures,
    paint,
)
