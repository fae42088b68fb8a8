"""Colors, headings, text and saving: what all figures share besides `house.mplstyle`."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_src.analysis.facts import PROTOCOL_NAMES, Facts
from pipeline_src.files import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pipeline_src.analysis.results import Results
    from pipeline_src.figures.types import Picture

INK, MUTED, GRID, PAPER = "#1d2530", "#66707c", "#d9dee4", "#ffffff"
# Over- and underconfidence differ in hue (safe for color-blind readers), in lightness and in hatch.
OVER, UNDER, CALIBRATED = "#c2410c", "#2f73b3", "#aeb6c0"
FAINT = "#8a939e"  # of lines behind others; a line with a meaning needs a contrast of 3 to the paper
HATCH = {OVER: "/////", UNDER: "\\\\\\\\\\"}  # dots would make an SVG ten times as large
ACCENT = UNDER
DASHED: dict[str, Any] = {"color": MUTED, "linewidth": 0.8, "linestyle": (0, (4, 2))}
AXES = {"ece": "ECE, %", "oe": "OE, %", "accuracy": "Accuracy, %"}  # their titles
# A method keeps its color, by its place in the experiment: cyclically, as --c1 to --c8 of the report.
METHOD_COLORS = ("#5b6570", "#0072b2", "#d55e00", "#00845f", "#b0417f", "#8a6d00", "#6247aa", "#a3212b")
METHOD_MARKERS = ("o", "s", "^", "D", "*", "P", "v")
WIDTH, WIDE = 3.5, 7.0  # inches: a column, and the page


def house() -> AbstractContextManager[None]:
    """Context in which figures have the house style; settings outside of it stay as they were."""
    import matplotlib

    return matplotlib.rc_context(fname=Path(__file__).with_name("house.mplstyle"))


def method_looks(methods: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Color and marker of each method of an experiment, by its place among all of them."""
    return {
        method: {"color": METHOD_COLORS[k % len(METHOD_COLORS)], "marker": METHOD_MARKERS[k % len(METHOD_MARKERS)]}
        for k, method in enumerate(methods)
    }


def is_wide(panels: int) -> bool:
    """Whether so many small multiples need two columns."""
    return panels > 2


def new_figure(body: float, heading: str, lines: Sequence[str], width: float = WIDTH) -> tuple[Figure, float]:
    """A figure with a bold heading, quieter lines, and `body` inches below them; and the inches that they take."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = width / WIDTH
    texts = [(part, True) for part in textwrap.wrap(heading, int(40 * columns))]
    texts += [(part, False) for line in lines for part in textwrap.wrap(line, int(58 * columns))]
    used = 0.08 + sum(0.2 if bold else 0.15 for _, bold in texts)
    y, figure = 0.08, Figure(figsize=(width, used + body))
    FigureCanvasAgg(figure)
    for text, bold in texts:
        look = {"fontsize": 9.5, "fontweight": "bold", "color": INK} if bold else {}
        write(figure, 0.1, y, text, va="top", **look)
        y += 0.2 if bold else 0.15
    return figure, used


def write(figure: Figure, x: float, y: float, text: str, **look: Any) -> None:
    """Text that begins `x` inches from the left and whose middle is `y` from the top; `look` as in `Figure.text`."""
    # Names are the user's: a $ in them is a $.
    look = dict[str, Any](va="center", fontsize=7, color=MUTED, parse_math=False) | look
    figure.text(x / figure.get_figwidth(), 1 - y / figure.get_figheight(), text, **look)


def place(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Axes at `x`, `y` inches from the upper left corner."""
    across, down = figure.get_size_inches()
    return figure.add_axes((x / across, 1 - (y + height) / down, width / across, height / down))


def show_image(figure: Figure, image: Any, x: float, y: float, width: float, height: float) -> Axes:
    """An image (uint8, RGB, at most 128 pixels long when drawn) whose upper left corner is at `x`, `y` inches."""
    import cv2

    factor = min(1.0, 128 / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))
    axes = place(figure, x, y, width, height)
    axes.imshow(cv2.resize(image, size, interpolation=cv2.INTER_AREA), interpolation="none", aspect="auto")
    axes.axis("off")
    return axes


def key(figure: Figure, text: str, look: Mapping[str, Any], x: float, y: float) -> None:
    """A marker with its name, `x`, `y` inches from the upper left corner."""
    from matplotlib.lines import Line2D

    across, down = figure.get_size_inches()
    figure.add_artist(Line2D([x / across], [1 - y / down], linestyle="none", markersize=4.5, **look))
    write(figure, x + 0.09, y, text)


def short_names(names: Collection[str], letters: int) -> dict[str, str]:
    """Names in at most `letters` characters that differ where the full names do, by leaving out the middle."""
    for head in (letters // 2, letters // 4, 3 * letters // 4):
        tail = letters - 1 - head
        shown = {name: name if len(name) <= letters else f"{name[:head]}…{name[len(name) - tail :]}" for name in names}
        if len(set(shown.values())) == len(shown):
            return shown
    return {name: name if len(name) <= letters else f"{name[: letters - 3]}…{k}" for k, name in enumerate(names, 1)}


def name_rows(axes: Axes, names: Collection[str], letters: int = 20) -> None:
    """Rows 0, 1, ... from the top, each with a name of at most so many letters."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), list(short_names(names, letters).values()))
    for text in axes.get_yticklabels():
        text.set_parse_math(False)


def percent(value: float, digits: int = 1) -> str:
    """0.0123 -> "1.2 %"."""
    return f"{100 * value:.{digits}f} %"


def count(number: int) -> str:
    """A count that can be read at a glance: 311_040 -> "311,040", 73_214_000 -> "73.2 M"."""
    return f"{number / 1e6:,.1f} M" if number >= 1_000_000 else f"{number:,}"


def size(picture: Picture, results: Results) -> str:
    """Protocol, images and pixels of a picture of one dataset, as text."""
    measurement = next(iter(results.measured(picture.protocol, picture.part).values()))
    return f"{PROTOCOL_NAMES[picture.protocol]} · {measurement.size} · {count(measurement.pixels)} pixels"


def error_bars(facts: Facts, seeds: Sequence[int] | None = None) -> str:
    """Return a text that explains error bars and bands; `seeds` are those of a single method."""
    several = len(facts.seeds if seeds is None else seeds) > 1
    return f"error bars: 95 % CI over images{' and training seeds' * several}"


def averaged(facts: Facts) -> str:
    """Which networks estimates are of, as text: of several seeds, they are means."""
    seeds = ", ".join(map(str, facts.seeds))
    return f"means over seeds {seeds}" if len(facts.seeds) > 1 else f"seed {seeds}"


METADATA: dict[str, dict[str, None]] = {  # without date and version equal figures have equal bytes
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    ".png": {"Software": None},
}


def save(figure: Figure, stem: Path, suffixes: Iterable[str] = tuple(METADATA)) -> None:
    """Write <stem>.svg, .pdf and .png."""
    for suffix in suffixes:
        with atomic(stem.with_name(stem.name + suffix)) as path:
            figure.savefig(path, metadata=METADATA[suffix])


def save_for_page(figure: Figure, stem: Path) -> None:
    """Write <stem>.png, which a page shows."""
    save(figure, stem, [".png"])
