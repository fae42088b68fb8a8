"""Sentences that `judge` and `calibrate` both print."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from pipeline_src.metrics.registry import METRICS


def wrapped(text: str) -> list[str]:
    """A sentence in lines of a terminal of 80 columns; a number and its % stay together."""
    lines = wrap(text.replace(" %", "\N{NO-BREAK SPACE}%"), 80, initial_indent=" " * 4, subsequent_indent=" " * 6)
    return [line.replace("\N{NO-BREAK SPACE}%", " %") for line in lines]


def off_by(bounds: dict[str, float], side: str = "") -> list[str]:
    """How far metrics of float maps can be off; nothing where none can. `side` says of what."""
    if not bounds:
        return []
    printed = {METRICS[key].column: METRICS[key].factor * bound for key, bound in bounds.items()}
    off = ", ".join(f"{column} {bound:{'.1f' if bound >= 0.1 else '.1e'}}" for column, bound in printed.items())
    return wrapped(f"float maps{side and ', ' + side}, sorted on a grid: off by at most {off}")


def remarks(result: dict[str, Any], intervals: Sequence[str]) -> list[str]:
    """How the `intervals` are read, if there are any, {units} standing for what they are over; of which groups the
    images are; and warnings."""
    over = "groups of images" if "groups" in result else "images"
    lines = [
        *(text.format(units=over) for text in intervals),
        *filter(None, [result.get("groups")]),
        *(f"warning: {text}" for text in result["warnings"]),
    ]
    return [f"  {line}" for line in lines]
