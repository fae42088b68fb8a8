"""Where the ECE of every method on every data set comes from: the signed share of each bin in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline_src.figures import style
from pipeline_src.figures.reliability import LEAST, drawn, split

LABEL, NUMBER, EDGE = 1.28, 0.34, 0.1  # inches for the methods' names, the numbers, and the right edge


def prepare(tables: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """A row per method, part and bin with pixels: `contribution` is share x (confidence - accuracy), whose absolute
    values sum to the ECE.

    Args:
        tables: (method, part) -> table as `numbers.Measured.reliability`.
    """
    found = []
    for (method, part), table in tables.items():
        bins = drawn(split(table)[0])[["lower", "upper", "share", "gap"]]
        found.append(bins.assign(method=method, part=part, contribution=bins["share"] * bins["gap"]))
    columns = ["method", "part", "lower", "upper", "share", "gap", "contribution"]
    return pd.concat(found, ignore_index=True)[columns]


def draw(table: pd.DataFrame, labels: Mapping[str, str], heading: str, lines: Sequence[str]) -> Figure:
    """Draw the matrix from `prepare`; `labels`: method -> printed name, in the order of the rows."""
    parts = list(dict.fromkeys(table["part"]))
    high = 0.26 if len(labels) > 8 else 0.36
    figure, used = style.new_figure(0.5 + len(labels) * high + 0.62, heading, lines, style.WIDE)
    column = (style.WIDE - LABEL - EDGE) / len(parts)
    wide = min(column - NUMBER - 0.1, 1.6)
    foot = used + 0.45 + len(labels) * high
    for c, part in enumerate(parts):
        here = table[table["part"] == part]
        reach = max(float(here["contribution"].abs().max()), 1e-6)
        x = LABEL + c * column
        figure.text(
            x / style.WIDE,
            1 - (used + 0.22) / figure.get_figheight(),
            style.shortened(part, int(column / 0.068)),
            fontweight="bold",
            fontsize=7,
            va="center",
            parse_math=False,
        )
        for r, method in enumerate(labels):
            axes = style.place(figure, x, used + 0.42 + r * high, wide, high - 0.05)
            bins = here[here["method"] == method]
            left = bins["lower"].clip(lower=LEAST)
            colours = np.where(bins["contribution"] > 0, style.OVER, style.UNDER)
            axes.bar(left, bins["contribution"], bins["upper"] - left, align="edge", color=colours, linewidth=0)
            axes.axhline(0, color=style.MUTED, linewidth=0.6)
            axes.set_xlim(LEAST, 1)
            axes.set_ylim(-1.05 * reach, 1.05 * reach)
            axes.axis("off")
            axes.annotate(
                f"{100 * bins['contribution'].abs().sum():.2f}",
                (1, 0.5),
                xytext=(4, 0),
                xycoords="axes fraction",
                textcoords="offset points",
                va="center",
                fontsize=7,
            )
            if c == 0:
                axes.annotate(
                    style.shortened(labels[method], 21),
                    (0, 0.5),
                    xytext=((0.1 - LABEL) * 72, 0),
                    xycoords="axes fraction",
                    textcoords="offset points",
                    va="center",
                    fontsize=7,
                    parse_math=False,
                )
        for at, text, align in ((0, "0.5", "left"), (1, "1", "right"), (0.5, "confidence", "center")):
            figure.text(
                (x + at * wide) / style.WIDE,
                1 - (foot + 0.08) / figure.get_figheight(),
                text,
                fontsize=6.5,
                color=style.MUTED,
                ha=align,
                va="center",
            )
    entries = [
        ("over-confident", {"marker": "s", "color": style.OVER}),
        ("under-confident", {"marker": "s", "color": style.UNDER}),
    ]
    style.key(figure, entries, LABEL + 0.04, foot + 0.34, 1.1)
    figure.text(
        (LABEL + 2.3) / style.WIDE,
        1 - (foot + 0.34) / figure.get_figheight(),
        "numbers: ECE in %; heights are comparable within a column",
        va="center",
        fontsize=7,
        color=style.MUTED,
    )
    return figure
