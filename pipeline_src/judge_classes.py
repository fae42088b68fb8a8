"""Judge saved maps of K classes; and the table of images that every judgement writes."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline_src import __version__
from pipeline_src.errors import UserError
from pipeline_src.files import atomic, write_text
from pipeline_src.map_arrays import fitted, read_labels, read_map
from pipeline_src.map_files import Pair, Pairs, Unusable, refuse
from pipeline_src.statistics.counts import COLUMNS, ImageRows
from pipeline_src.statistics.images import per_image
from pipeline_src.statistics.levels import IGNORED
from pipeline_src.statistics.multiclass import MultiClassStatistic, bounds, resample, summary
from pipeline_src.statistics.rows import Rows, parts

SEED = 0
NOTE = (
    "Fractions, not percent. Confidence is the largest of the K probabilities; bins are right-closed on it. brier is "
    "the sum over classes, in [0, 2]. NLL and entropy clamp probabilities to [1e-7, 1 - 1e-7]. Metrics that sort "
    "pixels count those within 1.5e-5 as tied, which `bounds` limits. Intervals: 95 % percentile bootstrap over "
    "images; they leave out the variance of training."
)


def is_multiclass(pair: Pair) -> bool:
    """Whether the map of a pair has several classes; False also where it cannot be read."""
    try:
        return read_map(pair.map).ndim == 3
    except Unusable:
        return False


def judge_classes(
    found: Pairs, name: str, out: Path, *, bins: int = 10, ignore: int | None = None, resamples: int = 1000
) -> dict:
    """Judge maps (K, H, W) against masks of class ids; writes metrics.json, statistic.npz and images.csv into `out`.

    Args:
        ignore: the class id that never counts; default 255.

    Raises:
        UserError: files that cannot be used, all of them; nothing is written then.
    """
    statistic, resized, problems = None, 0, []
    for pair in found:
        path = pair.map
        try:
            probability = read_map(pair.map)
            if probability.ndim != 3:
                raise Unusable(f"an array of shape {probability.shape}; the first map has classes, so all must")
            path = pair.mask
            truth = read_labels(pair.mask)
        except Unusable as reason:
            problems.append(f"{path.name}: {reason}")
            continue
        if probability.shape[1:] != truth.shape:
            probability, resized = fitted(probability, truth.shape), resized + 1
        statistic = statistic or MultiClassStatistic.empty(len(probability))
        try:
            statistic.add(probability, truth, pair.stem, IGNORED if ignore is None else ignore)
        except UserError as reason:
            problems.append(str(reason).replace("\n", " "))
    refuse(found, problems)

    values, reasons = summary(statistic, bins)
    result = {
        "name": name,
        "n_images": len(found),
        "n_pixels": statistic.top.pixels,
        "n_classes": len(statistic.classes),
        "bins": bins,
        "note": NOTE,
        "warnings": [f"{resized} map(s) had another size than their mask and were resized"] if resized else [],
        "raw": values,
        "undefined": {"raw": reasons},
        "intervals": {},
        "bounds": {"raw": bounds(statistic, bins)},
    }
    if resamples:
        ends = resample(statistic, bins, resamples, SEED).intervals()
        result["intervals"]["raw"] = {key: ends.get(key) for key in values}
    (out / "metrics.json").unlink(missing_ok=True)  # it is written last: where it is, everything else is
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
