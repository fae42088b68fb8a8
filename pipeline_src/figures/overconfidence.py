"""OE of every method, in distribution against out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from pipeline_src.analysis.results import ROLES
from pipeline_src.figures import style


def prepare(oe: Mapping[tuple[str, str], tuple[float, float, float]], roles: Mapping[str, str]) -> pd.DataFrame:
    """A row per method and test set: `oe`, `low`, `high`; from (method, part) -> these three."""
    rows = [
        {"method": method, "part": part, "role": roles[part], "oe": of[0], "low": of[1], "high": of[2]}
        for (method, part), of in oe.items()
    ]
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, labels: Mapping[str, str], heading: str, lines: Sequence[str]) -> Figure:
    """Draw from `prepare`: a row per method, a point per data set, a stroke at the mean of each role."""
    high = 0.2 * len(labels) + 0.1
    figure, used = style.new_figure(high + 0.8, heading, lines)
    axes = style.place(figure, 1.3, used + 0.28, 2.05, high)
    looks = {role: look for role, look in style.ROLES.items() if role in set(table["role"])}
    for k, method in enumerate(labels):
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
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), [style.shortened(label, 21) for label in labels.values()])
    for text in axes.get_yticklabels():
        text.set_parse_math(False)
    axes.set_xlim(left=0)
    axes.grid(True, axis="x")
    axes.grid(False, axis="y")
    axes.set_xlabel("OE, %")
    style.key(figure, [(ROLES[role], look) for role, look in looks.items()], 3.2 - 0.97 * len(looks), used + 0.14, 0.97)
    return figure
