"""The report of an experiment: one HTML page with recommendation, claims, tables, figures and
provenance.

The page works offline: it contains its images, style sheet and scripts. `report.html.j2` is its
template.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape
from PIL import Image

from pipeline_src.analysis.estimate import Estimate, or_none
from pipeline_src.analysis.facts import PROTOCOL_NAMES, ROLES
from pipeline_src.analysis.intervals import FEW_GROUPS, Limits
from pipeline_src.analysis.recommendation import RULE, ProtocolComparison, recommend, sentences
from pipeline_src.analysis.results import Results
from pipeline_src.claims import write as claim_texts
from pipeline_src.figures import gallery
from pipeline_src.figures.bin_tables import reliability_tables
from pipeline_src.figures.registry import FIGURE_TYPES
from pipeline_src.figures.style import color_number
from pipeline_src.figures.types import Picture
from pipeline_src.files import Content, write_text
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.captions import LEGEND, SYNTHETIC
from pipeline_src.tables.differences import QUANTITIES
from pipeline_src.tables.paper_table import SIGNS
from pipeline_src.tables.write import printed_tables

HERE = Path(__file__).parent
SCRIPTS = ("vendor/d3.min.js", "vendor/plot.min.js", "diagram.js")  # in the order of loading
# Most bytes of all images of predictions together. In the page, base64 makes them a third longer.
GALLERY_BYTES = 2_000_000
# Columns of a `reliability_table` that the interactive diagram has for a bin, after its number.
BIN_COLUMNS = ["pixels", "share", "confidence", "accuracy", "low", "high"]


def write_report(
    results: Results,
    *,
    figures: Path,
    out: Path,
    claims: Content,
    params: Content,
    provenance: Mapping[str, str],
    data: Sequence[Content],
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
        provenance: name -> text, for date, commit and versions of libraries.
        data: a row per dataset, column -> value; all rows have the same columns.
        described: method -> its `title` and its `idea` in a sentence.
        task: what the training images show, as text; empty if it is not known.
        command: the command that reproduces the page.
        predictions: folder of the figures of predictions; published experiments have none.
    """
    facts = results.facts
    figure_types = list(FIGURE_TYPES.values())
    if predictions:
        figure_types.append(gallery.FIGURE)

    def image(picture: Picture) -> str:
        """Return the image of a figure as a data URL."""
        if predictions and picture.type is gallery.FIGURE:
            share = GALLERY_BYTES // len(facts.tests)  # of one test set, a figure each
            return _image(predictions / f"{picture.name}.png", limit=share)
        return _image(figures / f"{picture.name}.png")

    comparisons = {protocol: _comparisons(results, protocol) for protocol in facts.protocols}
    # The comparison in distribution, the first, decides which method is recommended.
    choices = {protocol: recommend(by_role[0]) for protocol, by_role in comparisons.items()}
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
        kinds=figure_types,
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


def _comparisons(results: Results, protocol: str) -> list[ProtocolComparison]:
    """Return the comparisons of methods in a protocol, one for each role that test sets have: in
    distribution, under shift, out of distribution. The first is always that in distribution.
    """
    comparisons = []
    for role in ("id", "shifted", "ood"):
        splits = results.facts.splits_of([role])
        if splits or role == "id":
            measured = {split: results.measured(protocol, split) for split in splits}
            comparisons.append(ProtocolComparison(results.facts, measured, role))
    return comparisons


def _template() -> Template:
    """Return the template of the page, with the filters that it uses.

    Texts that fill it are escaped, and a name that is not passed to it is an error.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        extensions=["jinja2.ext.do"],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "breakable": _breakable,
        "ends": _ends,
        "small": _small,
        "source": _source,
    }
    return environment.get_template("report.html.j2")


def _breakable(name: str) -> Markup:
    """Return a name with a possible line break after each of its words, for narrow columns."""
    return Markup("<wbr>").join(re.split(r"(?<=[_-])", name))


def _ends(estimate: Estimate) -> Limits:
    """Return the confidence limits of an estimate, between which the page draws a bar. Without
    limits, return its value twice: a bar of no length.
    """
    if math.isnan(estimate.low):
        return estimate.value, estimate.value
    return estimate.low, estimate.high


def _small(cell: str) -> Markup:
    """Return the text of a cell as HTML, in which all from the spread (±) or interval ([) on is in
    small print.
    """
    return Markup(re.sub(r" [±\[].*", r"<small>\g<0></small>", str(escape(cell))))


def _source(name: str) -> Markup:
    """Return the content of a file in this folder without escaping: a style sheet or a script. The
    page contains it because it works offline.
    """
    return Markup((HERE / name).read_text(encoding="utf-8"))


def _image(file: Path, limit: int = 0) -> str:
    """Return an image as a data URL, because a page that works offline contains its images.

    Args:
        limit: the most bytes of a figure that shows images, whose resolution is reduced until it
            fits; 0 for a drawing, which is stored without loss.
    """
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    while True:
        content = io.BytesIO()
        # Without loss, a drawing has half the size of a PNG.
        image.save(content, "WEBP", lossless=not limit, quality=80)
        if not limit or content.tell() <= limit:
            break
        # Width and height shrink to four fifths each time.
        image = image.resize((4 * image.width // 5, 4 * image.height // 5))
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"


def diagram_data(results: Results) -> Content:
    """Return what the interactive diagrams show, for JSON.

    `splits` are the datasets, and `cells` are protocol -> dataset -> method -> cell. A cell has ECE
    and OE as means over seeds, and accuracy and confidence of all seeds' pixels. Its `rows` have,
    for each bin with pixels, the number of the bin and the columns `BIN_COLUMNS`.
    """
    facts = results.facts
    splits = []
    cells: dict[str, dict[str, Content]] = {}
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
        "floor": 1 / facts.classes,  # the least confidence that a top label can have
        "methods": list(facts.methods),
        "colors": {method: color_number(method) for method in facts.methods},
        "splits": splits,
        "cells": cells,
    }


def _pooled(table: np.recarray) -> Content:
    """Return accuracy, confidence and `rows` of a `reliability_table` for JSON.

    A row has the place of a bin with pixels, and its columns `BIN_COLUMNS`.
    """
    numbers = pd.DataFrame(table)[BIN_COLUMNS].round(6).astype(object)
    numbers = numbers.where(numbers.notna(), None)  # JSON has no NaN
    total = numbers.iloc[-1]
    filled = numbers[:-1][table["pixels"][:-1] > 0]
    return {
        "accuracy": total["accuracy"],
        "confidence": total["confidence"],
        "rows": filled.reset_index().to_numpy().tolist(),
    }
