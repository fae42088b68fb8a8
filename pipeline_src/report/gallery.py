"""The gallery: every figure of the experiment's catalogue, in the page itself."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from pipeline_src.errors import UserError, listed
from pipeline_src.figures.catalogue import Picture
from pipeline_src.figures.kinds import KINDS
from pipeline_src.report.inline import inline_svg

INTERACTIVE = "reliability"  # drawn by the page itself, for all methods and data sets
LARGEST_SVG = 250_000  # bytes; an image is then smaller, and soon drawn


def gallery(pictures: Sequence[Picture], folder: Path) -> list[dict[str, Any]]:
    """A section per kind: `heading`, `reading`, and `figures`, each with its `picture` in the catalogue and its `html`.

    Raises:
        UserError: a figure is missing in `folder`.
    """
    shown = [picture for picture in pictures if picture.kind != INTERACTIVE]
    missing = [
        file
        for picture in shown
        for file in (f"{picture.name}.svg", f"{picture.name}.png")
        if not (folder / file).is_file()
    ]
    if missing:
        raise UserError(f"figures are missing in {folder}{listed(missing)}", do="run `python -m pipeline_src figures`")
    serial = count(1)
    sections = []
    for kind, about in KINDS.items():
        figures = [{"picture": p, "html": _html(folder, p, serial)} for p in shown if p.kind == kind]
        if figures:
            sections.append({"kind": kind, "heading": about.heading, "reading": about.reading, "figures": figures})
    return sections


def _html(folder: Path, picture: Picture, serial: Iterator[int]) -> Markup:
    drawing = folder / f"{picture.name}.svg"
    if drawing.stat().st_size <= LARGEST_SVG:
        return inline_svg(drawing, next(serial), picture.caption)
    data = base64.b64encode((folder / f"{picture.name}.png").read_bytes()).decode()
    return Markup(f'<img src="data:image/png;base64,{data}" alt="{escape(picture.caption)}" loading="lazy">')
