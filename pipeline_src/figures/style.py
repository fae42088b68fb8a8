"""Colours, headings, words and saving: what all figures share besides `house.mplstyle`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_src.analysis.facts import ROLES, Facts
from pipeline_src.figures import letters
from pipeline_src.figures.names import labels
from pipeline_src.figures.small_svg import smaller
from pipeline_src.files import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pipeline_src.analysis.results import Results
    from pipeline_src.figures.types import Picture

# The report swaps these, and the two below, for its own, so that figures follow a light or a dark page.
INK, MUTED, GRID, PAPER = "#1d2530", "#66707c", "#d9dee4", "#ffffff"
# Over- and under-confidence differ in hue (safe for colour-blind readers), in lightness and in hatch.
OVER, UNDER, CALIBRATED = "#c2410c", "#2f73b3", "#aeb6c0"
FAINT = "#8a939e"  # of lines behind others: what has a meaning needs a contrast of 3 to the paper
HATCH = {OVER: "/////", UNDER: "\\\\\\\\\\"}  # dots would make an SVG ten times as large
ACCENT = UNDER
AXES = {"ece": "ECE, %", "oe": "OE, %", "accuracy": "Accuracy, %"}  # their titles
# In distribution, under shift and out of distribution, distinguished by marker too.
ROLE_STYLES = {
    "id": {"color": "#2f73b3", "marker": "o"},
    "shifted": {"color": "#009988", "marker": "^"},
    "ood": {"color": "#c2410c", "marker": "D"},
}
# Of the methods in their order, and from the beginning again: --c1 to --c8 of the report, so that a method has the same
# colour in the page's own diagrams. Markers distinguish them in grey.
METHOD_COLOURS = ("#5b6570", "#0072b2", "#d55e00", "#00845f", "#b0417f", "#8a6d00", "#6247aa", "#a3212b")
METHOD_MARKERS = ("o", "s", "^", "D", "*", "P", "v")
WIDTH, WIDE = 3.5, 7.0  # inches: a column, and the page
LARGEST_SVG = 150_000  # bytes, of a drawing in a page; an image is then smaller, and soon drawn
COLOURS = 64  # of an image in a page: ink, its tints and what lies between these and the paper


def house() -> AbstractContextManager:
    """Context in which figures have the house style; settings outside of it stay as they were."""
    import matplotlib

    letters.add_font()
    return matplotlib.rc_context(fname=Path(__file__).with_name("house.mplstyle"))


def is_wide(panels: int) -> bool:
    """Whether so many small multiples need two columns."""
    return panels > 2


def new_figure(body: float, heading: str, lines: Sequence[str], width: float = WIDTH) -> tuple[Figure, float]:
    """A figure with a bold heading, quieter lines, and `body` inches below them; and the inches that they take."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    letters = width / WIDTH
    texts = [(part, True) for part in wrapped(heading, int(40 * letters))]
    texts += [(part, False) for line in lines for part in wrapped(line, int(58 * letters))]
    used = 0.08 + sum(0.2 if bold else 0.15 for _, bold in texts)
    height, y = used + body, 0.08
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    for text, bold in texts:
        look = {"fontsize": 9.5, "fontweight": "bold", "color": INK} if bold else {}
        write(figure, 0.1, y, text, va="top", **look)
        y += 0.2 if bold else 0.15
    return figure, used


def only_words(heading: str, lines: Sequence[str]) -> Figure:
    """In the place of a figure that would show nothing: the last of `lines` says so."""
    return new_figure(0.08, heading, lines)[0]


def write(figure: Figure, x: float, y: float, text: str, **look: Any) -> None:
    """Text that begins `x` inches from the left and whose middle is `y` from the top; `look` as in `Figure.text`."""
    # Names are the user's: a $ in them is a $.
    look = dict[str, Any](va="center", fontsize=7, color=MUTED, parse_math=False) | look
    figure.text(x / figure.get_figwidth(), 1 - y / figure.get_figheight(), text, **look)


def name_rows(axes: Axes, methods: Iterable[str], letters: int = 20) -> None:
    """Rows 0, 1, ... from the top, each with a name of at most so many letters; a longer one makes all of them smaller,
    in two lines if need be."""
    methods = list(methods)
    look: dict[str, float] = {}
    shown = labels(methods, letters)
    if any("\n" in text for text in shown):
        shown = labels(methods, letters * 7 // 6)  # house.mplstyle has 7 points
        look = {"fontsize": 5.5, "linespacing": 0.95} if any("\n" in text for text in shown) else {"fontsize": 6}
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_yticks(range(len(shown)), shown)
    for text in axes.get_yticklabels():
        text.set(parse_math=False, **look)


def place(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Axes at `x`, `y` inches from the upper left corner."""
    whole = figure.get_figwidth(), figure.get_figheight()
    return figure.add_axes((x / whole[0], 1 - (y + height) / whole[1], width / whole[0], height / whole[1]))


def key(figure: Figure, entries: Sequence[tuple[str, Mapping[str, Any]]], x: float, y: float, step: float) -> None:
    """Markers with their names in a row, the first `x`, `y` inches from the upper left corner, `step` inches apart."""
    from matplotlib.lines import Line2D

    wide, high = figure.get_figwidth(), figure.get_figheight()
    for k, (text, look) in enumerate(entries):
        at = (x + k * step) / wide
        figure.add_artist(Line2D([at], [1 - y / high], linestyle="none", markersize=4.5, **look))
        write(figure, x + k * step + 0.09, y, text)


def wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` characters, long words broken."""
    return textwrap.wrap(text, width) or [""]


def percent(value: float, digits: int = 1) -> str:
    """0.0123 -> "1.2 %"."""
    return f"{100 * value:.{digits}f} %"


def count(number: int) -> str:
    """A count that can be read at a glance: 311_040 -> "311,040", 73_214_000 -> "73.2 M"."""
    return f"{number / 1e6:,.1f} M" if number >= 1_000_000 else f"{number:,}"


def size(picture: Picture, results: Results) -> str:
    """Protocol, images and pixels of a picture of one data set, in words."""
    measurement = next(iter(results.measured(picture.protocol, picture.part).values()))
    return f"{picture.protocol} protocol · {measurement.size} · {count(measurement.pixels)} pixels"


def sets_by_role(facts: Facts) -> list[str]:
    """Which test sets stand for which role, in words."""
    roles = dict.fromkeys(facts.tests.values())
    return [f"{ROLES[role]}: {', '.join(facts.parts_of([role]))}" for role in roles]


def intervals(facts: Facts, units: str = "images or their groups") -> str:
    """What is in the intervals of estimates, in words; `units` are what is resampled (`units`)."""
    return f"95 % intervals over {units}{' and seeds' * (len(facts.seeds) > 1)}"


def whiskers(seeds: Sequence[int]) -> str:
    """What the intervals of accuracies by bin are over, in words, of a method with these `seeds`."""
    return f"95 % intervals over images or their groups{' and training' * (len(seeds) > 1)}"


def units(results: Results, parts: Iterable[str]) -> str:
    """What is resampled on some data sets, in words."""
    grouped = {results.groups(part) is not None for part in parts}
    return "images or their groups" if len(grouped) > 1 else "groups of images" if True in grouped else "images"


def averaged(facts: Facts) -> str:
    """Which networks estimates are of, in words: of several seeds, they are means."""
    seeds = ", ".join(map(str, facts.seeds))
    return f"means over seeds {seeds}" if len(facts.seeds) > 1 else f"seed {seeds}"


METADATA: dict[str, dict[str, None]] = {  # no date and no version, so that the same figure has the same bytes
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    ".png": {"Software": None},
}


def save(figure: Figure, stem: Path) -> None:
    """Write <stem>.svg, .pdf and .png."""
    for suffix in METADATA:
        _write(figure, stem, suffix)


def save_for_page(figure: Figure, stem: Path) -> None:
    """Write what a page shows: <stem>.svg, and <stem>.png where that is large."""
    _write(figure, stem, ".svg")
    if in_page(stem).suffix == ".png":
        _write(figure, stem, ".png")
        _with_palette(in_page(stem))


def _with_palette(file: Path) -> None:
    """Give an image `COLOURS` colours, which a drawing can spare: a quarter of its size."""
    from PIL import Image

    with Image.open(file) as image:
        drawn = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    with atomic(file) as path:
        drawn.save(path, "PNG", optimize=True)


def in_page(stem: Path) -> Path:
    """The file of a saved figure that a page shows."""
    svg, png = (stem.with_name(stem.name + suffix) for suffix in (".svg", ".png"))
    return png if svg.exists() and svg.stat().st_size > LARGEST_SVG else svg


def _write(figure: Figure, stem: Path, suffix: str) -> None:
    with atomic(stem.with_name(stem.name + suffix)) as path:
        figure.savefig(path, metadata=METADATA[suffix])
        if suffix == ".svg":
            path.write_text(smaller(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
