"""SVG files made part of a page: no name clashes, and colours that follow its light or dark theme."""

from __future__ import annotations

import re
from pathlib import Path

from markupsafe import Markup, escape

from pipeline_src.figures import style

THEMED = {
    style.INK: "--ink",
    style.MUTED: "--muted",
    style.GRID: "--grid",
    style.PAPER: "--paper",
    style.OVER: "--over",
    style.UNDER: "--under",
}


def inline_svg(path: Path, number: int, title: str) -> Markup:
    """The picture of an SVG file written by matplotlib, as an element for HTML.

    Args:
        number: of the figure on its page; ids get it as a prefix, since all figures share one document.
        title: what a screen reader says.
    """
    text = path.read_text(encoding="utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r'\bid="([^"]+)"', rf'id="f{number}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#f{number}-\1)", text)
    text = re.sub(r'xlink:href="#([^"]+)"', rf'href="#f{number}-\1"', text)
    text = re.sub(r"\s*\n\s*", " ", text).replace("> <", "><")
    for colour, variable in THEMED.items():
        text = text.replace(colour, f"var({variable})")
    head, rest = text.split(">", 1)
    view = re.findall(r'viewBox="[^"]+"', head)[0]
    return Markup(f'<svg {view} role="img" aria-label="{escape(title)}">{rest}')
