"""Comments that bind sentences to published numbers:

    <!-- shows: SET METRIC EXPERIMENT:METHOD/EXPERIMENT:METHOD WORD -->
    <!-- shows: claim EXPERIMENT C4 WORD -->

The first: the metric of the first method minus that of the second is WORD (lower, higher, bounded,
inconclusive) on the set, in the raw protocol. SET, METRIC and the first EXPERIMENT:METHOD may be
several with commas; the second experiment may be left out. The second: the verdict in the
experiment's claims.json. Each `x [low, high]` between the marker before (or the start of the
paragraph) and the marker has to be printed in the marker's cells, in their order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from pipeline_src.analysis.intervals import MARGINS
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.differences import QUANTITIES

MARKER = re.compile(r"<!-- shows: (.+?) -->")
CELL = re.compile(r"([+−]?[\d.]+)([↓↑]?)(?: \[([+−]?[\d.]+), ([+−]?[\d.]+)\])?")
INTERVAL = re.compile(r"[+−-]?[\d.]+ \[[+−-]?[\d.]+, [+−-]?[\d.]+\]")
SAYS = re.compile(r"\b(lower|higher|bounded|inconclusive|no difference)\b", re.IGNORECASE)
ARROWS = {"↓": "lower", "↑": "higher"}


def pairs(page: str) -> Iterator[str]:
    """The pairs of published methods that the markers of a page compare."""
    for marker in MARKER.findall(page):
        if not marker.startswith("claim "):
            yield from full_pairs(marker.split()[2])


def full_pairs(pair: str) -> list[str]:
    """`EXPERIMENT:METHOD/EXPERIMENT:METHOD` of each first method.

    A second experiment that was left out is that of the first method.
    """
    firsts, _, second = pair.partition("/")
    found = []
    for first in firsts.split(","):
        experiment = "" if ":" in second else f"{first.split(':')[0]}:"
        found.append(f"{first}/{experiment}{second}")
    return found


def problems(page: str, folder: Path) -> list[str]:
    """Markers that the results in `folder` do not show, and intervals that they do not have."""
    differences = json.loads((folder / "overview" / "differences.json").read_text(encoding="utf-8"))
    found = []
    for block in blocks(page):
        start = 0  # of the text before a marker
        last = 0  # the start of the text before markers that follow each other
        numbers: list[str] = []  # of the markers since then
        for marker in MARKER.finditer(block):
            if block[start : marker.start()].strip():
                last = start
                numbers = []
            start = marker.end()
            try:
                numbers += _check(marker[1].split(), differences, folder)
            except (LookupError, ValueError, OSError) as error:
                found.append(f"{marker[0]}: {error}")
                continue
            if not MARKER.match(block[start:].lstrip()):
                cells = iter(numbers)
                for text in INTERVAL.findall(MARKER.sub("", block[last:start])):
                    interval = _plain(text)
                    if interval not in cells:  # `in` consumes cells
                        problem = f"{interval} is none of {numbers} in this order"
                        found.append(f"{marker[0]}: {problem}")
    return found


def unmarked(page: str) -> list[str]:
    """Paragraphs and list items that compare without a marker."""
    found = []
    for block in blocks(page):
        if SAYS.search(re.sub("<!--.*?-->", "", block)) and not MARKER.search(block):
            found.append(block)
    return found


def blocks(page: str) -> list[str]:
    """The paragraphs and list items of a page, without code, headings and tables."""
    page = re.sub(r"```.*?```|^(?:#|\|).*?$", "", page, flags=re.DOTALL | re.MULTILINE)
    return [block for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", page) if block.strip()]


def _check(words: list[str], differences: Mapping[str, Any], folder: Path) -> list[str]:
    """The intervals of a marker's cells; ValueError or LookupError where it is not shown."""
    if words[0] == "claim":
        _, experiment, name, word = words
        content = json.loads((folder / experiment / "claims.json").read_text(encoding="utf-8"))
        verdicts = {claim["claim"]: claim["protocols"] for claim in content["claims"]}
        verdict = (verdicts[name].get("raw") or verdicts[name]["any"])["verdict"]
        if verdict != word.replace("-", " "):
            raise ValueError(f"{name} is {verdict}")
        return []
    splits, metrics, pair, word = words
    numbers = []
    for split, metric, full in product(splits.split(","), metrics.split(","), full_pairs(pair)):
        cell = differences[full]["differences"]["raw"][split][QUANTITIES[metric].column]
        if word not in shown(cell, metric):
            raise ValueError(f"{metric} on {split} is {cell}")
        numbers.append(_plain(cell))
    return numbers


def shown(cell: str, metric: str) -> set[str]:
    """The words that a printed difference shows."""
    match = CELL.fullmatch(cell)
    if not match:
        raise ValueError(f"{cell} is no difference")
    words = set()
    if match[2]:
        words.add(ARROWS[match[2]])
    if match[3] and metric in MARGINS:
        largest = max(abs(float(limit.replace("−", "-"))) for limit in match.group(3, 4))
        if largest / METRICS[metric].factor < MARGINS[metric]:
            words.add("bounded")
    return words or {"inconclusive"}


def _plain(cell: str) -> str:
    """A cell without signs before positive numbers and without arrows."""
    return re.sub("[+↓↑]", "", cell).replace("-", "−")
