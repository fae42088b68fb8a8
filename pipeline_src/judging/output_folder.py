"""The folder of results: whose it holds, their digests, and its table of images."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from pipeline_src.counting.counts import COLUMNS, ImageRows
from pipeline_src.counting.rows import Rows, parts
from pipeline_src.files import SUMS, atomic, sha256, write_sums, write_text

Parts = Iterator[tuple[slice, dict[str, np.ndarray]]]  # as `per_image` yields


def others(out: Path, name: str) -> Iterator[str]:
    """Whose results a folder holds, if they are not of the model `name`."""
    if (out / "metrics.json").exists():
        try:
            other = json.loads((out / "metrics.json").read_text(encoding="utf-8"))["name"]
        except (OSError, ValueError, KeyError, TypeError):
            other = "a metrics.json that judge did not write"
        if other != name:
            yield other


def complete(out: Path, metrics: str) -> None:
    """Write metrics.json, the last of the results, and before it the digests of all of them, by which an edit is
    found."""
    files = [out / "statistic.npz", out / "images.csv", *sorted(out.glob("reliability-*.*"))]
    sums = {file.name: sha256(file) for file in files}
    sums["metrics.json"] = hashlib.sha256(metrics.encode()).hexdigest()
    write_sums(out / f"metrics{SUMS}", sums)
    write_text(out / "metrics.json", metrics)


def write_images(path: Path, rows: ImageRows, tables: Mapping[str, Parts]) -> None:
    """Write images.csv, sorted by the ECE of the first table, largest first.

    Args:
        tables: values of the images by protocol and metric, part by part; NaN becomes an empty field.
    """
    names, values = _joined(tables)
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


def _joined(tables: Mapping[str, Parts]) -> tuple[list[str], Rows]:
    """Names and values of all columns of `tables`; the values may not fit into memory."""
    names, values = [], Rows((0,), np.float64)
    for of_part in zip(*tables.values(), strict=True):
        columns = {
            f"{p}_{key}": column for p, (_, table) in zip(tables, of_part, strict=True) for key, column in table.items()
        }
        names = [name for name in columns if not name.endswith("_pixels")]
        values = values if len(values) else Rows((len(names),), np.float64)
        values.append(np.stack([columns[name] for name in names], axis=1))
    return names, values
