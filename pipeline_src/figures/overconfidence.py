"""OE of every method, in distribution against out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline_src.analysis.facts import ROLES, Facts
from pipeline_src.figures import style
from pipeline_src.figures.figure_types import FigureType, Painted, Picture, Sources

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from pipeline_src.analysis.estimate import Estimate
    from pipeline_src.analysis.results import Results


def pictures(facts: Facts) -> Iterator[Picture]:
    """One in every protocol where test sets have several roles."""
    for protocol in facts.protocols if len(set(facts.tests.values())) > 1 else ():
        how = f"{protocol} protocol, {facts.bins} bins; {facts.networks_in_words()}"
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
    lines = [f"{protocol} protocol · {facts.bins} bins · strokes: 95 % over images", *style.sets_by_role(facts)]
    return Painted(draw(table, picture.title, lines), {"": table})


def prepare(oe: Mapping[tuple[str, str], Estimate], roles: Mapping[str, str]) -> pd.DataFrame:
    """A row per method and test set: `oe`, `low`, `high`; from their estimates by (method, data set)."""
    import pandas as pd

    rows = [
        {"method": method, "part": part, "role": roles[part], "oe": one.value, "low": one.low, "high": one.high}
        for (method, part), one in oe.items()
    ]
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, heading: str, lines: Sequence[str]) -> Figure:
    """Draw from `prepare`: a row per method, a point per data set, a stroke at the mean of each role."""
    methods = table["method"].unique()
    high = 0.2 * len(methods) + 0.1
    figure, used = style.new_figure(high + 0.8, heading, lines)
    axes = style.place(figure, 1.3, used + 0.28, 2.05, high)
    looks = {role: look for role, look in style.ROLE_STYLES.items() if role in set(table["role"])}
    for k, method in enumerate(methods):
        for r, (role, look) in enumerate(looks.items()):
            here = table[(table["method"] == method) & (table["role"] == role)]
            y = k + 0.34 * (r - (len(looks) - 1) / 2) / max(len(looks) - 1, 1)
            axes.hlines([y] * len(here), 100 * here["low"], 100 * here["high"], color=look["color"], linewidth=0.8)
            axes.plot(
                100 * here["oe"],
                [y] * len(here),
                **look,
                linestyle="none",
                markersize=3.6,
                markeredgecolor=style.PAPER,
                markeredgewidth=0.4,
                clip_on=False,
            )
            if len(here) > 1:
                axes.plot([100 * here["oe"].mean()], [y], marker="|", color=style.INK, markersize=6, markeredgewidth=1)
    style.name_rows(axes, methods)
    axes.set_xlim(left=0)
    axes.grid(True, axis="x")
    axes.grid(False, axis="y")
    axes.set_xlabel("OE, %")
    style.key(figure, [(ROLES[role], look) for role, look in looks.items()], 3.2 - 0.97 * len(looks), used + 0.14, 0.97)
    return figure


FIGURE = FigureType(
    "overconfidence",
    "Over-confidence in and out of distribution",
    "OE of every method, a point per data set with its 95 % interval; the upright stroke is the mean over "
    "the data sets.",
    pictures,
    paint,
)
