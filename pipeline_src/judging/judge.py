"""Judge saved maps and draw their reliability diagrams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline_src.counting.counts import Counts, image_rows
from pipeline_src.figures.reliability import draw_counts
from pipeline_src.judging.folder import judge_folder
from pipeline_src.metrics.registry import METRICS


def judge(pred: Path, mask: Path | None, name: str, out: Path, *, bins: int = 10, **options: Any) -> dict:
    """`judge_folder`, with a reliability diagram per protocol of one object."""

    def draw(counts: Counts, protocol: str, values: dict) -> None:
        ece, oe = (METRICS[name].number(values[name]) for name in ("ece", "oe"))
        of = f"{len(image_rows(counts)):,} images of {'/'.join((mask or pred).parts[-2:])}"
        lines = [of, f"{protocol} protocol, {bins} bins; ECE {ece} %, OE {oe} %"]
        draw_counts(counts, bins, name, lines, out / f"reliability-{protocol}")

    return judge_folder(pred, mask, name, out, bins=bins, draw=draw, **options)
