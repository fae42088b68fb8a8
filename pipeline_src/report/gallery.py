"""The figures of an experiment as elements of its page: images, and the numbers of its interactive diagrams."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from pipeline_src.analysis.estimate import or_none
from pipeline_src.analysis.facts import Facts
from pipeline_src.analysis.results import Results
from pipeline_src.figures import reliability
from pipeline_src.figures.bin_tables import reliability_tables
from pipeline_src.figures.registry import FIGURE_TYPES
from pipeline_src.figures.types import Picture

INTERACTIVE = reliability.FIGURE  # drawn by the page itself, for all methods and datasets
ROW = ["pixels", "share", "confidence", "accuracy", "low", "high"]  # of a bin, after its place from 0


def sections(facts: Facts, folder: Path) -> list[dict[str, Any]]:
    """Return one section per figure type: `heading`, `reading`, and `figures`, each with its `picture` and `html`.

    Args:
        folder: what `figures.registry.draw` wrote.
    """
    shown = {kind: list(kind.pictures(facts)) for kind in FIGURE_TYPES if kind != INTERACTIVE}
    return [
        {
            "heading": kind.heading,
            "reading": kind.reading,
            "figures": [{"picture": picture, "html": image(folder, picture)} for picture in pictures],
        }
        for kind, pictures in shown.items()
        if pictures
    ]


def image(folder: Path, picture: Picture) -> Markup:
    """Return a figure as an `img` that holds its pixels, lossless, with its size and its caption for screen readers."""
    from PIL import Image

    content = io.BytesIO()
    with Image.open(folder / f"{picture.name}.png") as drawing:
        wide, high = drawing.size
        drawing.convert("RGB").save(content, "WEBP", lossless=True, quality=50)
    source = f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"
    size = f'width="{wide}" height="{high}"'  # or the page would jump when the image is loaded
    return Markup(f'<img src="{source}" {size} alt="{escape(picture.caption)}" loading="lazy">')


def diagram_data(results: Results) -> dict[str, Any]:
    """Return what the interactive diagrams show, for JSON: `cells` by protocol, dataset and method.

    A cell has ECE and OE as means over seeds, and accuracy, confidence and `rows` of all seeds' pixels: for each bin
    with pixels its place and `ROW`.
    """
    facts = results.facts
    cells: dict[str, dict[str, dict[str, Any]]] = {}
    for part in facts.parts:
        for (protocol, method), table in reliability_tables(results, part).items():
            cell = {name: or_none(results.estimate(name, protocol, method, part).value) for name in ("ece", "oe")}
            cells.setdefault(protocol, {}).setdefault(part, {})[method] = cell | _pooled(table)
    return {"bins": facts.bins, "floor": 1 / facts.classes, "methods": list(facts.methods), "cells": cells}


def _pooled(table: np.recarray) -> dict[str, Any]:
    """Return the bins of a `reliability_table`, and its last row."""
    rounded = pd.DataFrame(table)[ROW].round(6).to_dict("split")["data"]
    numbers = [[or_none(number) for number in row] for row in rounded]
    _, _, confidence, accuracy, *_ = numbers.pop()
    rows = [[place, *row] for place, row in enumerate(numbers) if row[0]]
    return {"accuracy": accuracy, "confidence": confidence, "rows": rows}
