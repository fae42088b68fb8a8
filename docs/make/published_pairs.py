"""Differences between methods of published experiments, of one or of two, as pages show them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from typing import Any

from pipeline_src.analysis.compare import Cell, compare
from pipeline_src.files import write_text
from pipeline_src.pipeline.fingerprint import code_digests, digest
from pipeline_src.publishing import published
from pipeline_src.publishing.compare import compare_experiments
from pipeline_src.tables.differences import QUANTITIES
from pipeline_src.tables.paper_table import SIGNS

Texts = dict[str, dict[str, dict[str, str]]]  # protocol -> data set -> metric -> a difference as it is printed
FILE = published.FOLDER / published.OVERVIEW / "differences.json"


def write(pairs: Iterable[str]) -> None:
    """Write the differences of pairs `EXPERIMENT:METHOD/EXPERIMENT:METHOD`, the first less the second. Those that rest
    on the same statistics and code as before stay as they are, if nobody edited them; another takes a minute.

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
    """Digests of the statistics and the code that a pair's differences are computed from."""
    digests = {"code": digest(code_digests(compare, ()))}
    for name in (side.partition(":")[0] for side in pair.split("/")):
        digests[name] = digest(sorted(published.Publication.read(published.FOLDER / name).files.items()))
    return digests


def _made(pair: str, before: dict[str, Any]) -> dict[str, Any]:
    digests = made_of(pair)
    if before.get("made_of") == digests:
        return before
    return _entry(digests, _in_table(pair) or _computed(pair))


def _entry(made_of: dict[str, str], texts: Texts) -> dict[str, Any]:
    """What is kept of a pair; by the digest of its texts an edit is found."""
    return {"made_of": made_of, "differences": texts, "digest": digest(texts)}


def _in_table(pair: str) -> Texts:
    """What table T14 of an experiment has of two of its methods: the same as is computed, which takes a minute."""
    (name, _, method), (other, _, reference) = (side.partition(":") for side in pair.split("/"))
    texts: Texts = {}
    file = published.FOLDER / name / "tables" / "T14.csv"
    rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines()) if name == other and file.is_file() else ()
    for row in rows:
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
