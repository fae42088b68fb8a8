"""One page that shows an experiment: recommendation, claims, tables, figures and provenance.

It works offline.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape
from PIL import Image

from pipeline_src.analysis.estimate import Estimate, or_none
from pipeline_src.analysis.facts import PROTOCOL_NAMES, ROLES
from pipeline_src.analysis.intervals import FEW_GROUPS
from pipeline_src.analysis.recommendation import RULE, ProtocolComparison, recommend, sentences
from pipeline_src.analysis.results import Results
from pipeline_src.claims import write as claim_texts
from pipeline_src.figures import gallery
from pipeline_src.figures.bin_tables import reliability_tables
from pipeline_src.figures.registry import FIGURE_TYPES
from pipeline_src.figures.style import color_number
from pipeline_src.figures.types import Picture
from pipeline_src.files import write_text
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.captions import LEGEND, SYNTHETIC
from pipeline_src.tables.differences import QUANTITIES
from pipeline_src.tables.paper_table import SIGNS
from pipeline_src.tables.write import printed_tables

HERE = Path(__file__).parent
SCRIPTS = ("vendor/d3.min.js", "vendor/plot.min.js", "diagram.js")
GALLERY = 2_000_000  # bytes of all images of predictions, which base64 makes a third longer
# Columns of a `reliability_table` that a bin of the interactive diagram has, after its place.
ROW = ["pixels", "share", "confidence", "accuracy", "low", "high"]


def write_report(
    results: Results,
    *,
    figures: Path,
    out: Path,
    claims: Mapping[str, Any],
    params: Mapping[str, Any],
    provenance: Mapping[str, str],
    data: Sequence[Mapping[str, Any]],
    described: Mapping[str, Mapping[str, str]],
    task: str,
    command: str,
    predictions: Path | None = None,
) -> None:
    """Write the report of an experiment, an HTML page.

    Args:
        figures: folder that `figures.registry.draw` wrote.
        out: the HTML file.
        claims: the content of claims.json.
        params: the resolved experiment; printed as YAML.
        provenance: name -> text for date, commit and versions.
        data: a row per dataset, column -> value; all rows have the same columns.
        described: method -> its `title` and its `idea` in a sentence.
        task: what the training images show, as text; empty if it is not known.
        command: the command that reproduces the page.
        predictions: folder of the figures of predictions; published experiments have none.
    """
    facts = results.facts
    kinds = list(FIGURE_TYPES.values())
    if predictions:
        kinds.append(gallery.FIGURE)

    def image(picture: Picture) -> str:
        """Return the image of a figure as a data URL."""
        if predictions and picture.type is gallery.FIGURE:
            share = GALLERY // len(facts.tests)
            return _image(predictions / f"{picture.name}.png", limit=share)
        return _image(figures / f"{picture.name}.png")

    roles = ["id"] + [role for role in ("shifted", "ood") if facts.splits_of([role])]
    comparisons: dict[str, list[ProtocolComparison]] = {}
    choices = {}
    for protocol in facts.protocols:
        comparisons[protocol] = []
        for role in roles:
            measured = {
                split: results.measured(protocol, split) for split in facts.splits_of([role])
            }
            comparisons[protocol].append(ProtocolComparison(facts, measured, role))
        choices[protocol] = recommend(comparisons[protocol][0])
    html = _template().render(
        change=QUANTITIES["ece"],
        choices=choices,
        claim_texts=claim_texts,
        claims=claims,
        command=command,
        comparisons=comparisons,
        data=data,
        described=described,
        diagrams=diagram_data(results),
        facts=facts,
        few=FEW_GROUPS,
        image=image,
        kinds=kinds,
        legend=[*LEGEND, *RULE],
        made=provenance,
        metrics=METRICS,
        params=params,
        protocol_names=PROTOCOL_NAMES,
        roles=ROLES,
        scripts=SCRIPTS,
        sentences=sentences,
        settings=yaml.safe_dump(dict(params), sort_keys=False, allow_unicode=True),
        signs=SIGNS,
        synthetic=SYNTHETIC,
        tables=printed_tables(results),
        task=task,
    )
    write_text(out, html + "\n")


def _template() -> Template:
    """Return the template of the page, with the filters that it uses. All content is escaped, and
    an undefined name is an error.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        extensions=["jinja2.ext.do"],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    environment.filters["ends"] = _ends
    environment.filters["small"] = _small
    environment.filters["source"] = _source
    return environment.get_template("report.html.j2")


def _breakable(name: str) -> Markup:
    """Return a name with a possible line break after each of its words, for narrow columns."""
    return Markup("<wbr>").join(re.split(r"(?<=[_-])", name))


def _ends(estimate: Estimate) -> tuple[float, float]:
    """Return the confidence limits of an estimate, or its value twice where there are none: a bar
    of no length.
    """
    if math.isnan(estimate.low):
        return estimate.value, estimate.value
    return estimate.low, estimate.high


def _small(cell: str) -> Markup:
    """Return a cell of a table whose spread and interval are in small print."""
    return Markup(re.sub(r" [±\[].*", r"<small>\g<0></small>", str(escape(cell))))


def _source(name: str) -> Markup:
    """Return a file of this folder without escaping: a style sheet or a script, which the page
    contains because it works offline.
    """
    return Markup((HERE / name).read_text(encoding="utf-8"))


def _image(file: Path, limit: int = 0) -> str:
    """Return an image as a data URL, because a page that works offline contains its images.

    Args:
        limit: the most bytes of a figure of images, whose resolution is reduced until it fits;
            0 for a drawing, which is stored without loss.
    """
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    content = _webp(image, lossless=not limit)  # a drawing has half the size of PNG
    while limit and len(content) > limit:  # four fifths of the size at a time
        image = image.resize((4 * image.width // 5, 4 * image.height // 5))
        content = _webp(image, lossless=False)
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"


def _webp(image: Image.Image, lossless: bool) -> bytes:
    """Return an image as the bytes of a WebP file."""
    content = io.BytesIO()
    image.save(content, "WEBP", lossless=lossless, quality=80)
    return content.getvalue()


def diagram_data(results: Results) -> dict[str, Any]:
    """Return what the interactive diagrams show, for JSON.

    `splits` are the datasets, and `cells` are protocol -> dataset -> method -> cell. A cell has ECE
    and OE as means over seeds, and accuracy and confidence of all seeds' pixels. Its `rows` have,
    for each bin with pixels, the number of the bin and the columns `ROW`.
    """
    facts = results.facts
    splits = []
    cells: dict[str, dict[str, dict[str, Any]]] = {}
    for split, role in facts.splits.items():
        run = next(iter(results.measured("raw", split).values()))  # all have the same images
        size = f"{run.images:,} images, {run.pixels:,} pixels"
        note = results.note(split)
        splits.append({"name": split, "meaning": ROLES[role], "size": size, "note": note})
        for (protocol, method), table in reliability_tables(results, split).items():
            cell = _pooled(table)
            for name in ("ece", "oe"):
                cell[name] = or_none(results.estimate(name, protocol, method, split).value)
            cells.setdefault(protocol, {}).setdefault(split, {})[method] = cell
    return {
        "bins": facts.bins,
        "floor": 1 / facts.classes,  # the least confidence in a top label
        "methods": list(facts.methods),
        "colors": {method: color_number(method) for method in facts.methods},
        "splits": splits,
        "cells": cells,
    }


def _pooled(table: np.recarray) -> dict[str, Any]:
    """Return accuracy, confidence and `rows` of a `reliability_table` for JSON.

    A row has the place of a bin with pixels, and its columns `ROW`.
    """
    numbers = pd.DataFrame(table)[ROW].round(6).astype(object)
    numbers = numbers.where(numbers.notna(), None)  # JSON has no NaN
    total = numbers.iloc[-1]
    filled = numbers[:-1][table["pixels"][:-1] > 0]
    return {
        "accuracy": total["accuracy"],
        "confidence": total["confidence"],
        "rows": filled.reset_index().to_numpy().tolist(),
    }
