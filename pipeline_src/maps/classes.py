"""The calibration of each of K classes: its probability p_k against its frequency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline_src.analysis.analyse import accuracy_band
from pipeline_src.analysis.resampling import SEED, measure
from pipeline_src.counting.counts import COLUMNS, Counts
from pipeline_src.files import Content
from pipeline_src.metrics.metric import with_ends
from pipeline_src.metrics.registry import METRICS, SQUARED
from pipeline_src.text_tables import UNDEFINED, aligned

PANELS = 6  # number of classes in the diagram
PRINTED = 20  # number of classes in the table of the terminal; both have the largest ECE


def class_counts(raw: Counts, k: int) -> Counts:
    """Return the counts of the pairs (p_k, y == k) of all pixels: probability of the class k, and
    whether a pixel has it.

    The histogram counts as one of top labels (`top`): p_k is in the place of the confidence, and
    y == k of its correctness. So functions of the top label measure the class. The images and their
    groups are those of `raw`, also where an image has no pixel of the class.
    """
    of_class = raw.classes[k]
    table = of_class.images.table.copy()
    # The rows of a class count its pixels only, but all pixels of an image have a pair.
    table[:, COLUMNS.index("pixels")] = raw.images.column("pixels")
    images = replace(raw.images, table=table, levels=of_class.images.levels)
    return Counts(replace(of_class.histogram, top=True), images)


def class_results(
    raw: Counts, bins: int, resamples: int
) -> tuple[list[Content], list[np.ndarray | None]]:
    """Return the numbers of each of K classes, and the error bars of its reliability diagram.

    Returns:
        A dict for each class: `class`, its id k; `ece` of the pairs (p_k, y == k) of all pixels,
        whose mean over classes is the class-wise ECE; `interval` of the ECE, None if it is
        undefined; `accuracy`, the share of the pixels of the class that are predicted as the class,
        None without such a pixel; `share`, the share of the class in all pixels. And for each class
        what `accuracy_band` returns.
    """
    if raw.confusion is None:
        return [], []
    labelled = raw.confusion.sum(axis=1).tolist()  # pixels of each class
    hits = raw.confusion.diagonal().tolist()
    classes = []
    bands = []
    for k in range(len(raw.classes)):
        # SQUARED decides whether the interval of ECE contains 0 (`Measurement.intervals`).
        measured = measure(class_counts(raw, k), bins, SEED, resamples, ("ece", SQUARED))
        classes.append(
            {
                "class": k,
                "ece": float(measured.points["ece"][0]),
                "interval": measured.intervals().get("ece"),
                "accuracy": hits[k] / labelled[k] if labelled[k] else None,
                "share": labelled[k] / raw.pixels,
            }
        )
        bands.append(accuracy_band([measured], bins))
    return classes, bands


def worst_first(classes: Sequence[Content]) -> list[Content]:
    """Return the numbers of classes (`class_results`) in the order of ECE, largest first."""
    return sorted(classes, key=lambda of_class: -of_class["ece"])


def draw_worst(
    raw: Counts,
    result: Content,
    bands: Sequence[np.ndarray | None],
    source: str,
    stem: Path,
) -> None:
    """Draw the diagrams of the `PANELS` classes with the largest ECE as <stem>.svg, .pdf and .png.

    Args:
        raw: the counts of all classes.
        result: the content of metrics.json, with `classes` from `class_results`.
        bands: of all classes, from `class_results`.
        source: the line that names the masks.
    """
    from pipeline_src.figures import reliability  # matplotlib
    from pipeline_src.figures.bin_tables import reliability_table

    tables = {}
    notes = {}
    for of_class in worst_first(result["classes"])[:PANELS]:
        k = of_class["class"]
        name = f"class {k}"
        tables[name] = reliability_table(class_counts(raw, k).histogram, result["bins"], bands[k])
        notes[name] = f"ECE {METRICS['ece'].number(of_class['ece'])} %"
    shown = f"{len(tables)} of {len(bands)} classes, largest ECE first · {result['bins']} bins"
    if result["intervals"]:
        shown += f" · error bars: 95 % CI over {'groups of ' * ('groups' in result)}images"
    reliability.save_panels(
        tables,
        notes,
        result["name"],
        [source, shown, reliability.CLASS_KEY],
        stem,
        axis_start=0,
        labels=reliability.CLASS_LABELS,
    )


def summary_text(classes: Sequence[Content]) -> list[str]:
    """Return the lines of the table of classes for the terminal, largest ECE first.

    Args:
        classes: the numbers of each class from `class_results`.
    """
    accuracy = METRICS["accuracy"]
    rows = [["class", METRICS["ece"].column, accuracy.column, "pixels %"]]
    for of_class in worst_first(classes)[:PRINTED]:
        hits = UNDEFINED
        if of_class["accuracy"] is not None:
            hits = accuracy.number(of_class["accuracy"])
        ece = with_ends(METRICS["ece"], of_class["ece"], of_class["interval"])
        rows.append([str(of_class["class"]), ece, hits, accuracy.number(of_class["share"])])
    lines = aligned(rows)
    if len(classes) > PRINTED:
        lines.append(f"the {PRINTED} classes with the largest ECE of {len(classes)}")
    return lines
