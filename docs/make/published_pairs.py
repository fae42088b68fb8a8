"""Differences between methods of published experiments, of one or of two, as pages show them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from typing import Any
from zipfile import ZipFile

from pipeline_src.analysis.compare import Cell
from pipeline_src.files import sha256_without, write_text
from pipeline_src.publishing import published
from pipeline_src.publishing.compare import compare_experiments
from pipeline_src.tables.differences import QUANTITIES
from pipeline_src.tables.paper_table import SIGNS

Texts = dict[str, dict[str, dict[str, str]]]  # protocol -> data set -> metric -> a difference as it is printed
FILE = published.FOLDER / published.OVERVIEW / "differences.json"


def write(pairs: Iterable[str]) -> None:
    """Write the differences of pairs `EXPERIMENT:METHOD/EXPERIMENT:METHOD`, the first less the second. Those of
    the same counts as before stay as they are, if nobody edited them; another takes a minute. After a change of what is
    computed from counts, remove the file first.

    Raises:
        UserError: there is no such experiment or method, or a statistic is not what was published.
    """
    try:
        before = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
        before = {pair: of for pair, of in before.items() if of == _entry(of["made_of"], of["differences"])}
    except (ValueError, AttributeError, TypeError, KeyError):
        before = {}  # damaged: all of it is made again
    made: dict[str, Any] = {}
    for pair in sorted(set(pairs)):
        made[pair] = _made(pair, before.get(pair, {}))
        write_text(FILE, json.dumps(before | made, indent=1, ensure_ascii=False) + "\n")  # what is made is kept
    write_text(FILE, json.dumps(made, indent=1, ensure_ascii=False) + "\n")


def made_of(pair: str) -> dict[str, str]:
    """SHA-256 of the counts that a pair's differences are computed from, by experiment."""
    names = (side.partition(":")[0] for side in pair.split("/"))
    return {name: published.Publication.read(published.FOLDER / name).files[published.COUNTS] for name in names}


def _made(pair: str, before: dict[str, Any]) -> dict[str, Any]:
    digests = made_of(pair)
    if before.get("made_of") == digests:
        return before
    return _entry(digests, _in_table(pair) or _computed(pair))


def _entry(made_of: dict[str, str], texts: Texts) -> dict[str, Any]:
    """What is kept of a pair; by the digest of its texts an edit is found."""
    return {"made_of": made_of, "differences": texts, "digest": sha256_without("", texts)}


def _in_table(pair: str) -> Texts:
    """What table T14 of an experiment has of two of its methods: the same as is computed, which takes a minute."""
    (name, _, method), (other, _, reference) = (side.partition(":") for side in pair.split("/"))
    texts: Texts = {}
    if name != other:
        return {}
    with ZipFile(published.FOLDER / name / published.TABLES) as tables:
        lines = tables.read("T14.csv").decode().splitlines() if "T14.csv" in tables.namelist() else []
    for row in csv.DictReader(lines):
        if (row["method"], row["reference"]) == (method, reference):
            mean, low, high = (float(row[key] or "nan") for key in ("mean", "low", "high"))
            text = QUANTITIES[row["metric"]].text(mean, low=low, high=high, mark=SIGNS.get(row["mark"], ""))
            texts.setdefault(row["protocol"], {}).setdefault(row["part"], {})[row["column"]] = text
    return texts


def _computed(pair: str) -> Texts:
    first, second = (str(published.FOLDER / side) for side in pair.split("/"))
    comparison = compare_experiments(second, first)
    texts: Texts = {}
    for metric, quantity in QUANTITIES.items():
        for cell in comparison.cells:
            if cell.metric == metric and cell.part in comparison.a.facts.tests:
                of_part = texts.setdefault(cell.protocol, {}).setdefault(cell.part, {})
                of_part[quantity.column] = _text(cell)
    return texts


def _text(cell: Cell) -> str:
    """As table T14 has it."""
    quantity, effect = QUANTITIES[cell.metric], cell.effect
    if effect is None:
        return quantity.text(cell.b - cell.a)
    return quantity.text(effect.value, low=effect.low, high=effect.high, mark=SIGNS.get(effect.direction, ""))
