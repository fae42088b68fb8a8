"""The figures in the page itself: the gallery of all sorts, and the two diagrams that the page opens with."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from pipeline_src.analysis.facts import Facts
from pipeline_src.errors import UserError, listed
from pipeline_src.figures import reliability, style
from pipeline_src.figures.catalogue import FIGURE_TYPES
from pipeline_src.figures.types import Picture

INTERACTIVE = reliability.FIGURE  # drawn by the page itself, for all methods and data sets
THEMED = {
    style.INK: "--ink",
    style.MUTED: "--muted",
    style.GRID: "--grid",
    style.PAPER: "--paper",
    style.OVER: "--over",
    style.UNDER: "--under",
    **{colour: f"--c{k}" for k, colour in enumerate(style.METHOD_COLOURS, 1)},
}

GLYPH = re.compile(r'<path id="([^"]*-[^"]*)"[^>]*/>')  # the font and the number in it; other ids have no hyphen


class Gallery:
    """The figures of an experiment, made part of one page.

    Args:
        folder: what `figures.write.write_figures` wrote.
    """

    def __init__(self, facts: Facts, folder: Path):
        self.facts, self.folder = facts, folder
        self._serial = count(1)
        self._glyphs: dict[str, str] = {}

    def sections(self) -> list[dict[str, Any]]:
        """One per sort: `heading`, `reading`, `count` in words, and `figures`, each with its `picture` and its `html`.

        Raises:
            UserError: a figure is missing.
        """
        pictures = {sort: list(sort.pictures(self.facts)) for sort in FIGURE_TYPES if sort != INTERACTIVE}
        self._check(picture for of_sort in pictures.values() for picture in of_sort)
        return [
            {
                "heading": of.heading,
                "reading": of.reading,
                "count": self._count(shown),
                "figures": [{"picture": picture, "html": self.html(picture)} for picture in shown],
            }
            for of, shown in pictures.items()
            if shown
        ]

    def diagrams(self, methods: Iterable[str], part: str, protocol: str) -> list[Markup]:
        """The reliability diagrams of some methods on a data set, which the page shows where it cannot draw its own."""
        by_place = {(p.method, p.part, p.protocol): p for p in INTERACTIVE.pictures(self.facts)}
        pictures = [by_place[method, part, protocol] for method in methods]
        self._check(pictures)
        return [self.html(picture) for picture in pictures]

    def html(self, picture: Picture) -> Markup:
        """A figure as an element of the page."""
        drawing = style.in_page(self.folder / picture.name)
        if drawing.suffix == ".svg":
            return inline_svg(drawing, next(self._serial), picture.caption, self._glyphs)
        png = drawing.read_bytes()
        wide, high = struct.unpack(">2I", png[16:24])  # or the page would jump when the picture is loaded
        source = f'src="data:image/png;base64,{base64.b64encode(png).decode()}"'
        size = f'width="{wide}" height="{high}"'
        return Markup(f'<img {source} {size} alt="{escape(picture.caption)}" loading="lazy">')

    def glyphs(self) -> Markup:
        """The outlines of the letters of all figures so far, for the page to have once: a figure that had them could be
        hidden, and the letters of others with it."""
        return Markup("".join(self._glyphs.values()))

    def _count(self, shown: list[Picture]) -> str:
        """How many there are; where each is of a protocol, how many a reader of one protocol sees."""
        protocols = len({picture.protocol for picture in shown})
        return f"{len(shown) // protocols} in each protocol" if protocols > 1 else str(len(shown))

    def _check(self, pictures: Iterable[Picture]) -> None:
        files = [style.in_page(self.folder / picture.name) for picture in pictures]
        missing = [file.name for file in files if not file.is_file()]
        if missing:
            do = "run `dense-calibration figures`"
            raise UserError(f"figures are missing in {self.folder}{listed(missing)}", do=do)


def inline_svg(path: Path, number: int, title: str, glyphs: dict[str, str]) -> Markup:
    """The picture of an SVG file written by matplotlib, as an element for HTML in colours that follow the theme.

    Args:
        number: of the figure on its page; ids get it as a prefix, since all figures share one document.
        title: what a screen reader says.
        glyphs: gets the outlines of letters by their ids, which figures share.
    """
    text = path.read_text(encoding="utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    glyphs |= {glyph[1]: glyph[0] for glyph in GLYPH.finditer(text)}
    text = GLYPH.sub("", text)
    text = re.sub(r'\bid="([^"-]+)"', rf'id="f{number}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#f{number}-\1)", text)
    text = re.sub(r'xlink:href="#([^"-]+)"', rf'href="#f{number}-\1"', text).replace("xlink:href", "href")
    text = re.sub(r"\s*\n\s*", " ", text).replace("> <", "><").replace("<defs></defs>", "")
    for colour, variable in THEMED.items():
        text = text.replace(colour, f"var({variable})")
    head, rest = text.split(">", 1)
    view = re.findall(r'viewBox="[^"]+"', head)[0]
    return Markup(f'<svg {view} role="img" aria-label="{escape(title)}">{rest}')
