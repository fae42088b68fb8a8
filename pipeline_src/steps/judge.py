"""Judge saved maps and draw their reliability diagrams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline_src.counting.counts import Counts
from pipeline_src.figures.reliability import draw_counts
from pipeline_src.judging.folder import judge_folder


def judge(pred: Path, mask: Path | None, name: str, out: Path, *, bins: int = 10, **options: Any) -> dict:
    """`judge_folder`, with a reliability diagram per protocol of one object."""

    def draw(counts: Counts, protocol: str, values: dict) -> None:
        lines = [f"{protocol} protocol, {bins} bins; ECE {values['ece']:.2%}, OE {values['oe']:.2%}"]
        draw_counts(counts, bins, name, lines, out / f"reliability-{protocol}")

    return judge_folder(pred, mask, name, out, bins=bins, draw=draw, **options)
