"""Colors, headings, panels, text and saving, which all figures share besides `house.mplstyle`."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from pipeline_src.analysis.facts import PROTOCOL_NAMES, Facts
from pipeline_src.files import atomic, write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from pipeline_src.analysis.results import Results
    from pipeline_src.figures.types import Picture

INK, MUTED, GRID, PAPER = "#1d2530", "#66707c", "#d9dee4", "#ffffff"
# Over- and underconfidence differ in hue (safe for color-blind readers), in lightness and in hatch.
OVER, UNDER, CALIBRATED = "#c2410c", "#2f73b3", "#aeb6c0"
FAINT = (
    "#8a939e"  # of lines behind others; a line with a meaning needs a contrast of 3 to the paper
)
HATCH = {OVER: "/////", UNDER: "\\\\\\\\\\"}  # dots would make an SVG ten times as large
DASHED: dict[str, Any] = {"color": MUTED, "linewidth": 0.8, "linestyle": (0, (4, 2))}
# Of methods, in every report the same: --c1 to --c8 of the page. The methods of docs/results.md
# have one each.
COLORED = (
    "baseline",
    "slp",
    "aslp_mei",
    "aslp_mc",
    "aslp_cl",
    "temperature",
    "averaged",
    "temperature_averaged",
)
METHOD_COLORS = (
    "#5b6570",
    "#0072b2",
    "#d55e00",
    "#00845f",
    "#b0417f",
    "#8a6d00",
    "#6247aa",
    "#a3212b",
)
WIDTH, WIDE = 3.5, 7.0  # inches: a column, and the page
# Small multiples, in inches: before the first panel, after the last, between panels, above and
# below each row.
LEFT, RIGHT, GAP, TITLE, BOTTOM = 0.52, 0.12, 0.13, 0.4, 0.46
ACROSS = 7  # most panels in a row
METADATA: dict[str, dict[str, None]] = {  # without date and version equal figures have equal bytes
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    ".png": {"Software": None},
}
Panel = tuple["Axes", bool, bool]


def house() -> AbstractContextManager[None]:
    """Return a context in which figures have the house style; settings outside of it stay as they were."""
    import matplotlib

    return matplotlib.rc_context(fname=Path(__file__).with_name("house.mplstyle"))


def color_number(method: str) -> int:
    """Return the place in `METHOD_COLORS` of the color of a method entry, by its name only.

    Names that are not `COLORED` share seven colors: all but the baseline's.
    """
    if method in COLORED:
        return COLORED.index(method)
    return 1 + crc32(method.encode()) % (len(METHOD_COLORS) - 1)


def is_wide(panels: int) -> bool:
    """Return whether so many small multiples need two columns."""
    return panels > 2


def new_figure(
    body: float, heading: str, lines: Sequence[str], width: float = WIDTH
) -> tuple[Figure, float]:
    """Return a figure with a bold heading, quieter lines, and `body` inches below them; and the inches they take."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = width / WIDTH
    texts = [(text, True) for text in textwrap.wrap(heading, int(40 * columns))]
    texts += [(text, False) for line in lines for text in textwrap.wrap(line, int(58 * columns))]
    used = 0.08 + sum(0.2 if bold else 0.15 for _, bold in texts)
    y, figure = 0.08, Figure(figsize=(width, used + body))
    FigureCanvasAgg(figure)
    for text, bold in texts:
        look = {"fontsize": 9.5, "fontweight": "bold", "color": INK} if bold else {}
        # Names are the user's: a $ in them is a $.
        look = dict[str, Any](va="top", fontsize=7, color=MUTED, parse_math=False) | look
        figure.text(0.1 / figure.get_figwidth(), 1 - y / figure.get_figheight(), text, **look)
        y += 0.2 if bold else 0.15
    return figure, used


def small_multiples(
    number: int, heading: str, lines: Sequence[str], ratio: float = 1.0
) -> tuple[Figure, list[Panel]]:
    """Return a figure with `number` panels of equal size in rows.

    Args:
        ratio: height of a panel by its width.

    Returns:
        the figure, and per panel its axes and whether it is the first of its row and the last of
        its column.
    """
    width = WIDE if is_wide(number) else WIDTH
    rows = math.ceil(number / (ACROSS if number > 2 else 2))
    columns = math.ceil(number / rows)
    wide = (width - LEFT - RIGHT - GAP * (columns - 1)) / columns
    high = ratio * wide
    first = 0.34  # nothing but a name is above the first row
    body = first + (rows - 1) * TITLE + rows * high + BOTTOM + 0.06
    figure, used = new_figure(body, heading, lines, width)
    down, panels = figure.get_figheight(), []
    for k in range(number):
        row, column = divmod(k, columns)
        x, y = LEFT + column * (wide + GAP), used + 0.06 + first + row * (TITLE + high)
        axes = figure.add_axes((x / width, 1 - (y + high) / down, wide / width, high / down))
        panels.append((axes, column == 0, k + columns >= number))
    return figure, panels


def name_panel(axes: Axes, name: str, note: str, names: Collection[str]) -> None:
    """Write the name of a panel, different from those of the other panels, and a quieter note below it."""
    inches = axes.get_position().width * axes.figure.figure.get_figwidth()
    texts = (
        short_names(names, int(inches / 0.057))[name],
        short_names([note], int(inches / 0.052))[note],
    )
    for text, y, weight, color in ((texts[0], 12, "bold", INK), (texts[1], 3, "normal", MUTED)):
        look: dict[str, Any] = {
            "fontsize": 6 if weight == "bold" else 6.5,
            "fontweight": weight,
            "color": color,
        }
        look |= {"xycoords": "axes fraction", "textcoords": "offset points", "parse_math": False}
        axes.annotate(text, (0, 1), (0, y), **look)


def outer_labels(axes: Axes, first: bool, last: bool, x_label: str = "", y_label: str = "") -> None:
    """Show ticks and labels at the outer panels only."""
    axes.tick_params(labelleft=first, labelbottom=last, labelsize=6.5)
    if last:
        outer = axes.get_xticklabels()
        outer[0].set_horizontalalignment("left")  # or numbers of neighboring panels would meet
        outer[-1].set_horizontalalignment("right")
        axes.set_xlabel(x_label, labelpad=3)
    axes.set_ylabel(y_label if first else "", labelpad=3)


def short_names(names: Collection[str], letters: int) -> dict[str, str]:
    """Return names in at most `letters` characters that differ where the full names do, without their middle."""
    for head in (letters // 2, letters // 4, 3 * letters // 4):
        tail = letters - 1 - head
        shown = {
            name: name if len(name) <= letters else f"{name[:head]}…{name[len(name) - tail :]}"
            for name in names
        }
        if len(set(shown.values())) == len(shown):
            return shown
    return {
        name: name if len(name) <= letters else f"{name[: letters - 3]}…{k}"
        for k, name in enumerate(names, 1)
    }


def count(number: int) -> str:
    """Return a count that can be read at a glance: 311_040 -> "311,040", 73_214_000 -> "73.2 M"."""
    return f"{number / 1e6:,.1f} M" if number >= 1_000_000 else f"{number:,}"


def size(picture: Picture, results: Results) -> str:
    """Return protocol, images and pixels of a picture of one dataset, as text."""
    measurement = next(iter(results.measured(picture.protocol, picture.part).values()))
    return f"{PROTOCOL_NAMES[picture.protocol]} · {measurement.size} · {count(measurement.pixels)} pixels"


def averaged(facts: Facts) -> str:
    """Return which networks estimates are of, as text: of several seeds, they are means."""
    seeds = ", ".join(map(str, facts.seeds))
    return f"means over seeds {seeds}" if len(facts.seeds) > 1 else f"seed {seeds}"


def save(figure: Figure, stem: Path, suffixes: Iterable[str] = tuple(METADATA)) -> None:
    """Write the figure as <stem> with each of the suffixes."""
    for suffix in suffixes:
        with atomic(stem.with_name(stem.name + suffix)) as path:
            figure.savefig(path, metadata=METADATA[suffix])


def save_picture(
    stem: Path, figure: Figure, table: DataFrame, suffixes: Sequence[str] = tuple(METADATA)
) -> None:
    """Write a figure as <stem> with each of the suffixes, and its numbers as <stem>.csv."""
    numbers = table.to_csv(index=False, float_format="%.5g", lineterminator="\n")
    write_text(stem.with_name(f"{stem.name}.csv"), numbers)
    save(figure, stem, suffixes)
