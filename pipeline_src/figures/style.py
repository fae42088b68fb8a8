"""Colors, headings, panels, text and saving, which all figures share besides `house.mplstyle`."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from pipeline_src.analysis.facts import PROTOCOL_NAMES
from pipeline_src.figures.types import Axes, DataFrame, Figure, Picture, Results, is_wide
from pipeline_src.files import atomic, write_text

# What `Facts.networks_text` returns for estimates, which are means over several seeds.
MEANS = "means over seeds {}"
# Colors of text, of quieter text, of grids and of the background.
INK = "#1d2530"
MUTED = "#66707c"
GRID = "#d9dee4"
PAPER = "#ffffff"
FAINT = "#8a939e"  # lines behind others; a line with a meaning needs a contrast of 3 to the paper
# Over- and underconfidence differ in hue (safe for color-blind readers), in lightness and in hatch.
OVER = "#c2410c"
UNDER = "#2f73b3"
CALIBRATED = "#aeb6c0"
HATCH = {OVER: "/////", UNDER: "\\\\\\\\\\"}  # dots would make an SVG ten times as large
DASHED: dict[str, Any] = {"color": MUTED, "linewidth": 0.8, "linestyle": (0, (4, 2))}
# Methods with a color of their own: those of docs/results.md. Other methods share colors
# (`color_number`).
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
# Colors of methods, the same in every figure and report: --c1 to --c8 of the page's style sheet.
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
# Widths of figures in inches: one column of a page, and two.
WIDTH = 3.5
WIDE = 7.0
# Spaces of small multiples, in inches.
LEFT = 0.52  # before the first panel of a row
RIGHT = 0.12  # after the last panel of a row
GAP = 0.13  # between panels of a row
TITLE = 0.4  # between rows, for tick labels and the names of panels
BOTTOM = 0.46  # below the last row
FIRST = 0.34  # above the first row, for the names of panels only
SPACE = 0.06  # between the text above and `FIRST`
ACROSS = 7  # most panels in a row
# Suffix -> metadata that are left out of a file: without date and version, equal figures have equal
# bytes.
METADATA: dict[str, dict[str, None]] = {
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    ".png": {"Software": None},
}


class Panel(NamedTuple):
    """Axes of small multiples, and whether they are the first of a row and the last of a column.

    Only such axes have labels (`outer_labels`).
    """

    axes: Axes
    first: bool
    last: bool


def house() -> AbstractContextManager[None]:
    """Return a context in which figures have the house style; other settings stay as they were."""
    import matplotlib

    return matplotlib.rc_context(fname=Path(__file__).with_name("house.mplstyle"))


def color_number(method: str) -> int:
    """Return the place in `METHOD_COLORS` of the color of a method entry. It depends on the name of
    the entry only, so the color is the same in all reports.

    Names that are not `COLORED` share seven colors, by a checksum of the name: all but the first,
    which is the baseline's.
    """
    if method in COLORED:
        return COLORED.index(method)
    return 1 + crc32(method.encode()) % (len(METHOD_COLORS) - 1)


def new_figure(
    body: float, heading: str, lines: Sequence[str], width: float = WIDTH
) -> tuple[Figure, float]:
    """Return a figure with a bold heading and quieter lines at its top, and the height of these
    texts in inches. The caller draws below them.

    Args:
        body: the height below the texts, in inches.
        lines: texts below the heading; each is wrapped to the width.
        width: of the figure in inches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = width / WIDTH
    # In the font sizes below, 40 and 58 characters fit into a column, and a line is 0.2 and 0.15
    # inches high. The texts begin 0.08 inches below the top.
    headings = textwrap.wrap(heading, int(40 * columns))
    quieter = [text for line in lines for text in textwrap.wrap(line, int(58 * columns))]
    heights = [0.2] * len(headings) + [0.15] * len(quieter)
    used = 0.08 + sum(heights)
    height = used + body
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    y = 0.08  # inches from the top
    for number, text in enumerate(headings + quieter):
        shown = figure.text(
            0.1 / width,
            1 - y / height,
            text,
            va="top",
            fontsize=7,
            color=MUTED,
            parse_math=False,  # names are the user's: a $ in them is a $
        )
        if number < len(headings):
            shown.set(fontsize=9.5, fontweight="bold", color=INK)
        y += heights[number]
    return figure, used


def small_multiples(
    notes: Mapping[str, str], heading: str, lines: Sequence[str], ratio: float = 1.0
) -> tuple[Figure, list[Panel]]:
    """Return a figure with named panels of equal size in rows, and the empty panels.

    Args:
        notes: name of each panel -> a quieter note below its name.
        heading, lines: the texts above all panels (`new_figure`).
        ratio: height of a panel, as a multiple of its width.
    """
    number = len(notes)
    width = WIDE if is_wide(number) else WIDTH
    rows = math.ceil(number / (ACROSS if number > 2 else 2))
    columns = math.ceil(number / rows)
    wide = (width - LEFT - RIGHT - GAP * (columns - 1)) / columns  # width of a panel, inches
    high = ratio * wide
    body = FIRST + (rows - 1) * TITLE + rows * high + BOTTOM + SPACE
    figure, used = new_figure(body, heading, lines, width)
    height = figure.get_figheight()
    # Letters of a name are 0.057 inches wide, letters of a note 0.052.
    names = short_names(notes, int(wide / 0.057))
    letters = int(wide / 0.052)
    panels = []
    for place, (name, note) in enumerate(notes.items()):
        row, column = divmod(place, columns)
        x = LEFT + column * (wide + GAP)  # inches from the left, and from the top
        y = used + SPACE + FIRST + row * (TITLE + high)
        axes = figure.add_axes((x / width, 1 - (y + high) / height, wide / width, high / height))
        _annotate(axes, names[name], points=12, fontsize=6, fontweight="bold", color=INK)
        shown = _shortened(note, letters, letters // 2)
        _annotate(axes, shown, points=3, fontsize=6.5, color=MUTED)
        panels.append(Panel(axes, first=column == 0, last=place + columns >= number))
    return figure, panels


def _annotate(axes: Axes, text: str, points: float, **look: Any) -> None:
    """Write a text above axes.

    Args:
        points: distance from the upper edge of the axes, in points.
        look: properties of the text, such as its color.
    """
    axes.annotate(
        text,
        (0, 1),
        (0, points),
        xycoords="axes fraction",
        textcoords="offset points",
        parse_math=False,
        **look,
    )


def outer_labels(axes: Axes, panel: Panel, x_label: str, y_label: str) -> None:
    """Show tick labels and labels of `axes` only at the left of a row and at the foot of a column,
    because all panels have the same range.

    Args:
        axes: those of the panel, or axes inside it.
        panel: tells where the axes are (`Panel.first`, `Panel.last`).
    """
    axes.tick_params(labelleft=panel.first, labelbottom=panel.last, labelsize=6.5)
    if panel.last:
        labels = axes.get_xticklabels()
        # Otherwise numbers of neighboring panels would meet.
        labels[0].set_horizontalalignment("left")
        labels[-1].set_horizontalalignment("right")
        axes.set_xlabel(x_label, labelpad=3)
    if panel.first:
        axes.set_ylabel(y_label, labelpad=3)


def short_names(names: Collection[str], letters: int) -> dict[str, str]:
    """Return each name in at most `letters` characters: full name -> short name. Short names differ
    from each other.

    An ellipsis replaces the middle of long names. Three lengths of the beginning are tried. If some
    short names are equal with each, a number replaces the end of long names.
    """
    for head in (letters // 2, letters // 4, 3 * letters // 4):
        shown = {name: _shortened(name, letters, head) for name in names}
        if len(set(shown.values())) == len(shown):
            return shown
    for number, name in enumerate(names, 1):
        if len(name) > letters:
            shown[name] = f"{name[: letters - 3]}…{number}"
    return shown


def _shortened(text: str, letters: int, head: int) -> str:
    """Return a text in at most `letters` characters: its first `head` ones, an ellipsis and its
    end.
    """
    if len(text) <= letters:
        return text
    return f"{text[:head]}…{text[len(text) - letters + 1 + head :]}"


def count(number: int) -> str:
    """Return a count as text: 311_040 -> "311,040", 73_214_000 -> "73.2 M"."""
    return f"{number / 1e6:,.1f} M" if number >= 1_000_000 else f"{number:,}"


def size(picture: Picture, results: Results) -> str:
    """Return protocol, images and pixels of a picture of one dataset, as text."""
    run = next(iter(results.measured(picture.protocol, picture.split).values()))
    return f"{PROTOCOL_NAMES[picture.protocol]} · {run.size} · {count(run.pixels)} pixels"


def save(figure: Figure, stem: Path, suffixes: Iterable[str] = METADATA) -> None:
    """Write the figure as <stem> with each of the suffixes."""
    for suffix in suffixes:
        with atomic(stem.with_name(stem.name + suffix)) as path:
            figure.savefig(path, metadata=METADATA[suffix])


def save_picture(
    stem: Path, figure: Figure, table: DataFrame, suffixes: Iterable[str] = METADATA
) -> None:
    """Write a figure as <stem> with each of the suffixes, and its numbers as <stem>.csv."""
    numbers = table.to_csv(index=False, float_format="%.5g", lineterminator="\n")
    write_text(stem.with_name(f"{stem.name}.csv"), numbers)
    save(figure, stem, suffixes)
