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
    """`EXPERIMENT:METHOD/EXPERIMENT:METHOD` of each first method, with the second experiment where it was left out."""
    firsts, _, second = pair.partition("/")
    return [
        f"{side}/{second if ':' in second else side.split(':')[0] + ':' + second}"
        for side in firsts.split(",")
    ]


def problems(page: str, folder: Path) -> list[str]:
    """Markers that the results in `folder` do not show, and intervals that they do not have; empty if all are right."""
    differences = json.loads((folder / "overview" / "differences.json").read_text(encoding="utf-8"))
    found = []
    for block in blocks(page):
        start, last, numbers = 0, 0, list[str]()
        for marker in MARKER.finditer(block):
            text = block[start : marker.start()]
            if text.strip():
                last, numbers = start, []
            start = marker.end()
            try:
                numbers += _check(marker[1].split(), differences, folder)
            except (LookupError, ValueError, OSError) as error:
                found.append(f"{marker[0]}: {error}")
                continue
            if not MARKER.match(block[start:].lstrip()):
                said, cells = INTERVAL.findall(MARKER.sub("", block[last:start])), iter(numbers)
                wrong = [
                    interval for interval in map(_plain, said) if interval not in cells
                ]  # `in` consumes cells
                found += [
                    f"{marker[0]}: {interval} is none of {numbers} in this order"
                    for interval in wrong
                ]
    return found


def unmarked(page: str) -> list[str]:
    """Paragraphs and list items that compare without a marker."""
    return [
        block
        for block in blocks(page)
        if SAYS.search(re.sub("<!--.*?-->", "", block)) and not MARKER.search(block)
    ]


def blocks(page: str) -> list[str]:
    """The paragraphs and list items of a page, without code, headings and tables."""
    page = re.sub(r"```.*?```|^(?:#|\|).*?$", "", page, flags=re.DOTALL | re.MULTILINE)
    return [block for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", page) if block.strip()]


def _check(words: list[str], differences: Mapping[str, Any], folder: Path) -> list[str]:
    """The intervals of a marker's cells; ValueError or LookupError where it is not shown."""
    if words[0] == "claim":
        _, experiment, name, word = words
        claims = json.loads((folder / experiment / "claims.json").read_text(encoding="utf-8"))[
            "claims"
        ]
        verdicts = {claim["claim"]: claim["protocols"] for claim in claims}
        verdict = (verdicts[name].get("raw") or verdicts[name]["any"])["verdict"]
        if verdict != word.replace("-", " "):
            raise ValueError(f"{name} is {verdict}")
        return []
    parts, metrics, pair, word = words
    numbers = []
    for part, metric, full in product(parts.split(","), metrics.split(","), full_pairs(pair)):
        cell = differences[full]["differences"]["raw"][part][QUANTITIES[metric].column]
        if word not in shown(cell, metric):
            raise ValueError(f"{metric} on {part} is {cell}")
        numbers.append(_plain(cell))
    return numbers


def shown(cell: str, metric: str) -> set[str]:
    """The words that a printed difference shows."""
    match = CELL.fullmatch(cell)
    if not match:
        raise ValueError(f"{cell} is no difference")
    ends = [
        float(end.replace("−", "-")) / METRICS[metric].factor for end in match.group(3, 4) if end
    ]
    bounded = bool(ends) and metric in MARGINS and max(map(abs, ends)) < MARGINS[metric]
    words = {ARROWS[match[2]]} if match[2] else set()
    return words | {"bounded"} if bounded else words or {"inconclusive"}


def _plain(cell: str) -> str:
    """A cell without signs before positive numbers and without arrows."""
    return re.sub("[+↓↑]", "", cell).replace("-", "−")
