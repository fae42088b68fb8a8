"""Judge saved maps of K classes; and the table of images that every judgement writes."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline_src import __version__
from pipeline_src.counting.counts import COLUMNS, ImageRows
from pipeline_src.counting.multiclass import MultiClassStatistic, bounds, resample, summary
from pipeline_src.counting.rows import Rows, parts
from pipeline_src.errors import UserError
from pipeline_src.files import atomic, write_text
from pipeline_src.judging import out as results
from pipeline_src.judging.arrays import matched, read_labels, read_map
from pipeline_src.judging.files import Pair, Pairs, Unusable, refuse
from pipeline_src.labels import IGNORED
from pipeline_src.metrics.images import per_image

SEED = 0
SUM = 1e-3  # probabilities of all classes may sum to 1 +- this
NOTE = (
    "Fractions, not percent. Confidence is the largest of the K probabilities; bins are right-closed on it. brier is "
    "the sum over classes, in [0, 2]. NLL and entropy clamp probabilities to [1e-7, 1 - 1e-7]. Metrics that sort "
    "pixels count those within 1.5e-5 as tied, which `bounds` limits. Intervals: 95 % percentile bootstrap over "
    "images; they leave out the variance of training."
)


def classes_of(found: Pairs) -> int | None:
    """How many classes most maps have, (K, H, W), by some ten of them that can be read; None for two, (H, W)."""
    shapes = []
    for k in range(0, len(found), max(1, len(found) // 10)):
        try:
            shape = None if found[k].mask is None else read_labels(found[k].mask).shape
        except Unusable:
            shape = None
        try:
            shapes.append(read_map(found[k].map, shape).shape)
        except Unusable:
            continue
    counted = Counter(shape[0] if len(shape) == 3 else None for shape in shapes)
    return counted.most_common(1)[0][0] if counted else None


def read(pair: Pair, classes: int, ignore: int = IGNORED) -> tuple[np.ndarray, np.ndarray, bool]:
    """Map (K, H, W) and class ids (H, W) of a pair in one size, and whether the map was resized.

    Raises:
        Unusable: with the name of the file.
    """
    path = pair.mask
    try:
        truth = read_labels(path)
        path = pair.map
        probability = read_map(path, truth.shape)
        if probability.ndim != 3:
            raise Unusable(f"an array of shape {probability.shape}; expected {classes} classes as of the other maps")
        if probability.shape[1:] != truth.shape and (
            probability.shape[:2] == truth.shape or np.allclose(probability.sum(axis=-1), 1, atol=SUM)
        ):
            raise Unusable(
                f"an array of shape {probability.shape}, channels last; expected (classes, height, width): use "
                ".transpose(2, 0, 1)"
            )
        if len(probability) != classes:
            raise Unusable(f"{len(probability)} classes; expected {classes} as of the other maps")
        probability, resized = matched(probability, truth.shape)
        sums = probability.sum(axis=0)[truth != ignore]
        if not np.allclose(sums, 1, rtol=0, atol=SUM):
            raise Unusable(
                f"sums over the classes from {sums.min():.6g} to {sums.max():.6g}; expected 1 at every pixel"
            )
        path = pair.mask
        ids = truth[truth != ignore]
        if ids.size and not (ids.min() >= 0 and ids.max() < classes):
            raise Unusable(f"class ids from {ids.min()} to {ids.max()}; expected 0 to {classes - 1}, {ignore} ignored")
    except Unusable as reason:
        raise Unusable(f"{path.name}: {reason}") from reason
    return probability, truth, resized


def judge_classes(
    found: Pairs,
    classes: int,
    name: str,
    out: Path,
    *,
    bins: int = 10,
    ignore: int | None = None,
    resamples: int = 1000,
) -> dict:
    """Judge maps (K, H, W) against masks of class ids; writes metrics.json, statistic.npz and images.csv into `out`.

    Args:
        classes: K.
        ignore: the class id that never counts; default 255.

    Raises:
        UserError: files that cannot be used, all of them; nothing is written then.
    """
    statistic, resized, met, problems = None, 0, False, []
    void = IGNORED if ignore is None else ignore
    for pair in found:
        try:
            probability, truth, other = read(pair, classes, void)
        except Unusable as reason:
            problems.append(str(reason))
            continue
        statistic = statistic or MultiClassStatistic.empty(classes)
        statistic.add(probability, truth, pair.stem, void)
        resized, met = resized + other, met or bool((truth == void).any())
    refuse(found, problems)
    if void == IGNORED and met and not statistic.confusion[1:].any() and statistic.top.pixels:
        raise UserError(
            f"the masks in {found.masks} hold class 0 and 255 alone, and 255 is ignored",
            expected=f"class ids 0 to {classes - 1}",
            do="save objects by their class id, or mark ignored pixels with another value and name it by --ignore",
        )
    warnings = [f"{resized} map(s) had another size than their mask and were resized"] if resized else []
    if ignore is not None and not met:
        warnings.append(f"no mask pixel has the value {ignore}, which --ignore names")
    values, reasons = summary(statistic, bins)
    result = {
        "name": name,
        "n_images": len(found),
        "n_pixels": statistic.top.pixels,
        "n_classes": len(statistic.classes),
        "bins": bins,
        "note": NOTE,
        "warnings": warnings,
        "raw": values,
        "undefined": {"raw": reasons},
        "intervals": {},
        "bounds": {"raw": bounds(statistic, bins)},
    }
    if resamples:
        ends = resample(statistic, bins, resamples, SEED).intervals()
        result["intervals"]["raw"] = {key: ends.get(key) for key in values}
    results.clear(out)
    statistic.save(out / "statistic.npz", {"name": name, "version": __version__})
    tables = {"raw": per_image(statistic.top, bins)} if statistic.top.pixels else {}
    write_images(out / "images.csv", statistic.top.rows, tables)
    write_text(out / "metrics.json", json.dumps(result, indent=2, allow_nan=False) + "\n")
    return result


Parts = Iterator[tuple[slice, dict[str, np.ndarray]]]  # what `per_image` yields


def write_images(path: Path, rows: ImageRows, tables: dict[str, Parts]) -> None:
    """Write images.csv: a row per image, the worst ECE of the first table on top.

    Args:
        tables: values of the images by protocol and metric, part by part; NaN becomes an empty field.
    """
    names, values = _one_table(tables)
    eces = [k for k, name in enumerate(names) if name.endswith("_ece")]
    order = np.argsort(-np.nan_to_num(values.column(eces[0]), nan=-1), kind="stable") if eces else range(len(rows))
    shape = [COLUMNS.index(key) for key in ("height", "width", "pixels")]
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["id", "height", "width", "pixels", *names])
        for part in parts(len(rows)):
            counted, measured = rows.table.take(order[part])[:, shape].tolist(), values.take(order[part]).tolist()
            for k, whole, fractions in zip(order[part], counted, measured, strict=True):
                numbers = ("" if math.isnan(value) else f"{value:.6g}" for value in fractions)
                writer.writerow([rows.ids[k], *whole, *numbers])


def _one_table(tables: dict[str, Parts]) -> tuple[list[str], Rows]:
    """Names and values of all columns of `tables`: together they come too many to be held in memory."""
    names, values = [], Rows((0,), np.float64)
    for found in zip(*tables.values(), strict=True):
        columns = {f"{p}_{key}": of for p, (_, table) in zip(tables, found, strict=True) for key, of in table.items()}
        names = [name for name in columns if not name.endswith("_pixels")]
        values = values if len(values) else Rows((len(names),), np.float64)
        values.append(np.stack([columns[name] for name in names], axis=1))
    return names, values
