"""Sentences that `judge` and `calibrate` both print."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from pipeline_src.metrics.registry import METRICS


def wrapped(text: str) -> list[str]:
    """A sentence in lines of a terminal of 80 columns."""
    return wrap(text, 80, initial_indent=" " * 4, subsequent_indent=" " * 6)


def off_by(bounds: dict[str, float], side: str = "") -> list[str]:
    """How far metrics of float maps can be off; nothing where none can. `of` says of what."""
    if not bounds:
        return []
    off = ", ".join(f"{METRICS[key].column} {METRICS[key].factor * bound:.1e}" for key, bound in bounds.items())
    return wrapped(f"float maps{side and ', ' + side}, sorted on a grid: off by at most {off}")


def remarks(result: dict[str, Any], intervals: Sequence[str]) -> list[str]:
    """How the `intervals` are read, if there are any; of which groups the images are; and warnings."""
    lines = [*intervals, *filter(None, [result.get("groups")]), *(f"warning: {text}" for text in result["warnings"])]
    return [f"  {line}" for line in lines]
