"""OE of every method, in distribution against out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline_src.analysis.facts import ROLES, Facts
from pipeline_src.figures import style
from pipeline_src.figures.names import shortened
from pipeline_src.figures.types import DataFrame, Estimate, Figure, FigureType, Painted, Picture, Results, Sources

LINE = 0.065  # inches between the data sets of a method


def pictures(facts: Facts) -> Iterator[Picture]:
    """One in every protocol where test sets have several roles."""
    for protocol in facts.protocols if len(set(facts.tests.values())) > 1 else ():
        how = f"{protocol} protocol, {facts.bins} bins; {style.averaged(facts)}; {style.intervals(facts)}"
        caption = f"OE of each method on the test sets in and out of distribution, {how}."
        yield Picture(FIGURE, (protocol,), "OE in and out of distribution", caption, protocol)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All methods on all test sets."""
    facts, protocol = results.facts, picture.protocol
    oe = {
        (method, part): results.estimate("oe", protocol, method, part)
        for method in facts.methods
        for part in facts.tests
    }
    table = prepare(oe, facts.tests)
    how = f"{protocol} protocol · {facts.bins} bins · {style.averaged(facts)}"
    over = style.intervals(facts, style.units(results, facts.tests))
    lines = [how, f"strokes: {over}", "vertical strokes: means over the data sets of a role"]
    return Painted(draw(table, picture.title, lines), {"": table})


def prepare(oe: Mapping[tuple[str, str], Estimate], roles: Mapping[str, str]) -> DataFrame:
    """A row per method and test set: `oe`, `low`, `high`; from their estimates by (method, data set)."""
    import pandas as pd

    rows = [
        {"method": method, "part": part, "role": roles[part], "oe": one.value, "low": one.low, "high": one.high}
        for (method, part), one in oe.items()
    ]
    return pd.DataFrame(rows)


def draw(table: DataFrame, heading: str, lines: Sequence[str]) -> Figure:
    """Draw from `prepare`: a row per method, in it a line per data set, and a stroke at the mean of each role."""
    roles = list(style.ROLE_STYLES)
    sets = table.drop_duplicates("part").sort_values("role", key=lambda of: of.map(roles.index), kind="stable")
    fills = sets.groupby("role").cumcount().map(_fill)
    of_role = [style.ROLE_STYLES[role] for role in sets["role"]]
    looks = {part: look | fill for part, look, fill in zip(sets["part"], of_role, fills, strict=True)}
    methods = table["method"].unique()
    keys = _key_rows(sets)
    row = LINE * len(looks) + 0.07
    high = row * len(methods)
    figure, used = style.new_figure(high + 0.14 * len(keys) + 0.6, heading, lines)
    for k, (role, parts) in enumerate(keys):
        y = used + 0.08 + 0.14 * k
        style.write(figure, 0.1, y, role)
        style.key(figure, [(shortened(part, 17, looks), looks[part]) for part in parts], 1.3, y, 1.1)
    axes = style.place(figure, 1.3, used + 0.14 * len(keys) + 0.08, 2.05, high)
    for k, method in enumerate(methods):
        of_method = table[table["method"] == method].set_index("part")
        at = {part: k + LINE / row * (place - (len(looks) - 1) / 2) for place, part in enumerate(looks)}
        for part, y in at.items():
            one, look = of_method.loc[part], looks[part]
            axes.hlines([y], 100 * one["low"], 100 * one["high"], color=look["color"], linewidth=0.8)
            axes.plot([100 * one["oe"]], [y], **look, linestyle="none", markersize=2.6, clip_on=False)
        for _, parts in sets.groupby("role", sort=False)["part"]:
            if len(parts) > 1:
                mean = 100 * of_method.loc[list(parts), "oe"].mean()
                ends = at[parts.iloc[0]] - LINE / row / 2, at[parts.iloc[-1]] + LINE / row / 2
                axes.plot([mean, mean], ends, color=style.INK, linewidth=1, clip_on=False)
    style.name_rows(axes, methods)
    axes.set_xlim(left=0)
    axes.grid(True, axis="x")
    axes.grid(False, axis="y")
    axes.set_xlabel(style.AXES["oe"])
    return figure


def _fill(place: int) -> dict[str, object]:
    """Marks that tell the sets of a role apart: filled, hollow, and halves."""
    return {"fillstyle": ("full", "none", "left", "bottom", "right", "top")[place % 6], "markeredgewidth": 0.7}


def _key_rows(sets: DataFrame) -> list[tuple[str, list[str]]]:
    """The sets, two in a row, after the words for their role."""
    rows = []
    for role, parts in sets.groupby("role", sort=False)["part"]:
        named = list(parts)
        rows += [(ROLES[role] * (k == 0), named[k : k + 2]) for k in range(0, len(named), 2)]
    return rows


FIGURE = FigureType(
    "overconfidence",
    "Over-confidence in and out of distribution",
    "OE of every method, a mark per data set with its 95 % interval; the vertical strokes are the means over "
    "the data sets of a role.",
    pictures,
    paint,
)
