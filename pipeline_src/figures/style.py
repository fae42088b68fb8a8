"""Colours, headings and saving: what all figures share beside `house.mplstyle`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline_src.files import atomic

# The report swaps these, and the two below, for its own, so that figures follow a light or a dark page.
INK, MUTED, GRID, PAPER = "#1d2530", "#66707c", "#d9dee4", "#ffffff"
# Over- and under-confidence differ in hue (safe for colour-blind readers), in lightness and in hatch.
OVER, UNDER, CALIBRATED = "#c2410c", "#2f73b3", "#aeb6c0"
HATCH = {OVER: "/////", UNDER: "\\\\\\\\\\"}  # dots would make an SVG ten times as large
# Tol's "vibrant" scheme, led by a neutral for the method that others are compared with; marker and dash tell them apart
# in grey.
COLOURS = (MUTED, "#0077bb", "#ee7733", "#009988", "#cc3311", "#33bbee", "#ee3377", "#997700")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", (0, (5, 1.5)), (0, (3, 1.2)), (0, (1, 1)))
WIDTH = 3.5


def house() -> AbstractContextManager:
    """Context in which figures have the house style; settings outside of it stay as they were."""
    return matplotlib.rc_context(fname=Path(__file__).with_name("house.mplstyle"))


def look(position: int) -> dict[str, object]:
    """Colour, marker and dash of the method at `position` (0-based) in the experiment's list."""
    return {
        "color": COLOURS[position % len(COLOURS)],
        "marker": MARKERS[position % len(MARKERS)],
        "linestyle": DASHES[(position + position // len(COLOURS)) % len(DASHES)],
    }


def new_figure(height: float, heading: str, lines: Sequence[str]) -> tuple[Figure, float]:
    """A figure (height in inches) with a bold heading and quieter lines below it; and the inches they take."""
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    y = 0.08
    for row, (text, wrap_at) in enumerate([(heading, 40), *((line, 58) for line in lines)]):
        for part in wrapped(text, wrap_at):
            bold = row == 0
            figure.text(
                0.1 / WIDTH,
                1 - y / height,
                part,
                va="top",
                fontsize=9.5 if bold else 7,
                fontweight="bold" if bold else "normal",
                color=INK if bold else MUTED,
                parse_math=False,  # names are the user's: a $ in them is a $
            )
            y += 0.2 if bold else 0.15
    return figure, y


def wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` characters, long words broken."""
    return textwrap.wrap(text, width) or [""]


def percent(value: float, digits: int = 1) -> str:
    """0.0123 -> "1.2 %"."""
    return f"{100 * value:.{digits}f} %"


def count(number: int) -> str:
    """A count that can be read at a glance: 311_040 -> "311,040", 73_214_000 -> "73.2 M"."""
    return f"{number / 1e6:,.1f} M" if number >= 1_000_000 else f"{number:,}"


def save(figure: Figure, stem: Path) -> None:
    """Write <stem>.svg, .pdf and .png; none holds a date or a version, so the same figure has the same bytes."""
    for suffix, metadata in (
        (".svg", {"Date": None, "Creator": None}),
        (".pdf", {"CreationDate": None, "Creator": None, "Producer": None}),
        (".png", {"Software": None}),
    ):
        with atomic(stem.with_name(stem.name + suffix)) as path:
            figure.savefig(path, metadata=metadata)


def shortened(text: str, width: int) -> str:
    """`text`, its middle left out where it is longer than `width` characters."""
    half = (width - 1) // 2
    return text if len(text) <= width else f"{text[:half]}…{text[-half:]}"
