"""One page that shows an experiment: recommendation, claims, tables, figures and provenance. It works offline."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

from pipeline_src.analysis.estimate import Estimate, or_none
from pipeline_src.analysis.facts import PROTOCOL_NAMES, ROLES, Facts
from pipeline_src.analysis.intervals import FEW_GROUPS
from pipeline_src.analysis.results import Results
from pipeline_src.claims import write as claims_text
from pipeline_src.figures import gallery
from pipeline_src.figures.bin_tables import reliability_tables
from pipeline_src.figures.registry import FIGURE_TYPES
from pipeline_src.figures.style import color_number
from pipeline_src.files import write_text
from pipeline_src.metrics.metric import Difference
from pipeline_src.metrics.registry import METRICS
from pipeline_src.report.recommendation import (
    RULE,
    ProtocolComparison,
    overview,
    recommend,
    sentences,
)
from pipeline_src.tables.captions import LEGEND, SYNTHETIC
from pipeline_src.tables.paper_table import SIGNS
from pipeline_src.tables.write import printed_tables
from pipeline_src.text_tables import UNDEFINED

HERE = Path(__file__).parent
SCRIPTS = ("vendor/d3.min.js", "vendor/plot.min.js", "diagram.js")
GALLERY = 2_000_000  # bytes of all images of predictions, which base64 makes a third longer
OTHER_ROLES = ("shifted", "ood")
ROW = [
    "pixels",
    "share",
    "confidence",
    "accuracy",
    "low",
    "high",
]  # of a bin, after its place from 0


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
        provenance: known versions, commit and the like, name -> text.
        data: a row per dataset, name of the column -> value.
        described: method -> its `title` and its `idea` in a sentence.
        task: what the training images show, as text; empty if it is not known.
        command: the command that reproduces the page.
        predictions: folder of the figures of predictions; published experiments have none.
    """
    facts = results.facts
    absent = claims_text.not_run(claims)
    html = (
        _environment()
        .get_template("report.html.j2")
        .render(
            css=Markup((HERE / "report.css").read_text(encoding="utf-8")),
            scripts=[Markup((HERE / name).read_text(encoding="utf-8")) for name in SCRIPTS],
            facts=facts,
            title=_title(facts),
            setting=_setting(facts, task, params, data),
            protocol_names=PROTOCOL_NAMES,
            caution=SYNTHETIC if facts.synthetic else "",
            few=FEW_GROUPS,
            diagrams=diagram_data(results)
            | {"parts": [_part(results, part) for part in facts.parts]},
            **_comparison(results, {method: words["title"] for method, words in described.items()}),
            legend=[*LEGEND, *RULE],
            claims=[claim for claim in claims["claims"] if claim not in absent],
            verdict=partial(claims_text.verdict, claims),
            evidence_table=claims_text.evidence_table,
            not_run=[claim["claim"] for claim in absent],
            claims_reading=claims_text.reading(claims),
            tables=dict(printed_tables(results)),
            gallery=_figure_sections(facts, figures, predictions),
            command=command,
            made=provenance,
            data=_columns(data),
            methods=_columns([_method(facts, name, described) for name in facts.methods]),
            params=yaml.safe_dump(dict(params), sort_keys=False, allow_unicode=True),
        )
    )
    write_text(out, html + "\n")


def _environment() -> Environment:
    """Return the templates; all content is escaped, and an undefined name is an error."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = {
        "small": _small,
        "estimate": _estimate,
        "change": _change,
        "ends": _ends,
        "breakable": _breakable,
    }
    environment.filters |= filters
    return environment


def _small(cell: str) -> Markup:
    """Return a cell of a table; what follows the number, its spread and interval, is set small."""
    number, *rest = re.split(r"(?= [±\[])", cell, maxsplit=1)
    return escape(number) + (Markup("<small>{}</small>").format(rest[0]) if rest else "")


def _breakable(name: str) -> Markup:
    """Return a name that may go on in the next line after each of its words."""
    return Markup("<wbr>").join(re.split(r"(?<=[_-])", name))


def _estimate(effect: Estimate | None, metric: str) -> Markup:
    """Return a metric as printed text with its interval."""
    return _small(
        METRICS[metric].text(effect.value, low=effect.low, high=effect.high)
        if effect
        else UNDEFINED
    )


def _change(effect: Estimate | None, metric: str) -> Markup:
    """Return a difference to the baseline, marked where it is significant, with the interval of its resamples."""
    if effect is None:
        return Markup(UNDEFINED)
    (low, high), mark = effect.interval(), SIGNS.get(effect.direction, "")
    return _small(Difference.of(METRICS[metric]).text(effect.value, low=low, high=high, mark=mark))


def _ends(effect: Estimate) -> tuple[float, float]:
    """Return the ends of the interval, or the value where there is none."""
    return (effect.value, effect.value) if math.isnan(effect.low) else (effect.low, effect.high)


def _title(facts: Facts) -> str:
    """Return what was compared: the experiment, its methods and the test sets in distribution."""
    sets = " and ".join(facts.parts_of(["id"]) or facts.parts)
    return f"{facts.experiment}: calibration of {len(facts.methods)} method{'s' * (len(facts.methods) > 1)} on {sets}"


def _setting(
    facts: Facts, task: str, params: Mapping[str, Any], data: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Return task, network, resolution, training images, epochs and seeds, as far as they are recorded."""
    model, size = params.get("model", {}), params.get("image_size")
    images = next(
        (row["images"] for row in data if row["part"] == "train" and "images" in row), None
    )
    number = len(facts.seeds)
    texts = [
        *(task, model.get("config", "")),
        f"{size} px" if size else "",
        f"{images:,} training images" if images else "",
        f"{facts.epochs} epoch{'s' * (facts.epochs != 1)}",
        f"{number} seeds" if number > 1 else "1 seed (intervals leave out training variance)",
    ]
    return list(filter(None, texts))


def _part(results: Results, part: str) -> dict[str, str]:
    role, run = results.facts.parts[part], next(iter(results.measured("raw", part).values()))
    size = f"{run.images:,} images, {run.pixels:,} pixels"
    return {"name": part, "meaning": ROLES[role], "size": size, "note": results.note(part)}


def _comparison(results: Results, titles: Mapping[str, str]) -> dict[str, Any]:
    """Return variables of report.html.j2, from comparisons of the methods: the sentences of the
    recommendation and the table of the overview, by protocol; the datasets or roles they are about;
    and what the diagram shows first.
    """
    facts = results.facts
    inside = {
        protocol: ProtocolComparison.of(results, protocol, ["id"]) for protocol in facts.protocols
    }
    elsewhere = {
        protocol: [
            compared
            for role in OTHER_ROLES
            if (compared := ProtocolComparison.of(results, protocol, [role])).parts
        ]
        for protocol in facts.protocols
    }
    recommended = recommend(inside["raw"]).method
    lowest = next(iter(inside["raw"].methods), None)  # of ECE
    beside = recommended if recommended != facts.baseline else lowest
    return {
        "use": {protocol: sentences(compared, titles) for protocol, compared in inside.items()},
        "overview": {
            protocol: overview(compared, elsewhere[protocol])
            for protocol, compared in inside.items()
        },
        "inside": inside["raw"].parts,
        "elsewhere": [ROLES[facts.parts[compared.parts[0]]] for compared in elsewhere["raw"]],
        "first_methods": [m for m in facts.methods if m in (facts.baseline, beside)]
        or list(facts.methods)[:1],
        "first_set": next(iter(inside["raw"].parts or facts.parts)),
    }


def _figure_sections(facts: Facts, folder: Path, predictions: Path | None) -> list[dict[str, Any]]:
    """Return a section per figure type: `heading`, `reading`, and `figures`, each with `picture` and `image`."""
    folders = dict.fromkeys(FIGURE_TYPES.values(), folder)
    if predictions:
        folders[gallery.FIGURE] = predictions
    sections = []
    for kind, place in folders.items():
        figures = []
        shown = list(kind.pictures(facts))
        for picture in shown:
            limit = GALLERY // len(shown) if kind is gallery.FIGURE else 0
            figures.append(
                {"picture": picture, "image": _image(place / f"{picture.name}.png", limit)}
            )
        if figures:
            sections.append({"heading": kind.heading, "reading": kind.reading, "figures": figures})
    return sections


def _image(file: Path, limit: int = 0) -> str:
    """Return an image as an address, because a page that works offline holds its images.

    Args:
        limit: bytes of a picture of images, which becomes coarser until it has fewer; 0 of a
            drawing.
    """
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    content = _webp(image, lossless=not limit)  # a drawing has half the size of PNG
    while limit and len(content) > limit:
        image = image.resize((4 * image.width // 5, 4 * image.height // 5))
        content = _webp(image, lossless=False)
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"


def _webp(image: Image.Image, lossless: bool) -> bytes:
    """Return an image as a WebP file."""
    content = io.BytesIO()
    image.save(content, "WEBP", lossless=lossless, quality=80)
    return content.getvalue()


def diagram_data(results: Results) -> dict[str, Any]:
    """Return what the interactive diagrams show, for JSON: `cells` by protocol, dataset and method.

    A cell has ECE and OE as means over seeds, and accuracy, confidence and `rows` of all seeds'
    pixels: for each bin with pixels its place and `ROW`.
    """
    facts = results.facts
    cells: dict[str, dict[str, dict[str, Any]]] = {}
    for part in facts.parts:
        for (protocol, method), table in reliability_tables(results, part).items():
            cell = {
                name: or_none(results.estimate(name, protocol, method, part).value)
                for name in ("ece", "oe")
            }
            cells.setdefault(protocol, {}).setdefault(part, {})[method] = cell | _pooled(table)
    return {
        "bins": facts.bins,
        "floor": 1 / facts.classes,
        "methods": list(facts.methods),
        "colors": {method: color_number(method) for method in facts.methods},
        "cells": cells,
    }


def _pooled(table: np.recarray) -> dict[str, Any]:
    """Return a `reliability_table` for JSON: accuracy and confidence of all pixels, place and `ROW` of filled bins."""
    rounded = pd.DataFrame(table)[ROW].round(6).to_dict("split")["data"]
    numbers = [[or_none(number) for number in row] for row in rounded]
    _, _, confidence, accuracy, *_ = numbers.pop()
    rows = [[place, *row] for place, row in enumerate(numbers) if row[0]]
    return {"accuracy": accuracy, "confidence": confidence, "rows": rows}


def _method(facts: Facts, name: str, described: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return a row of a method: what it does, and its parameters."""
    parameters = ", ".join(
        f"{key}: {value}" for key, value in facts.methods[name].parameters.items()
    )
    return {
        "method": name,
        "idea": described.get(name, {}).get("idea", ""),
        "parameters": parameters,
    }


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return {
        "columns": columns,
        "rows": [[row.get(column, "") for column in columns] for row in rows],
    }
