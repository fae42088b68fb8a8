"""images.csv: a row per image."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from pipeline_src.counting.counts import COLUMNS, ImageRows
from pipeline_src.counting.rows import Rows, parts
from pipeline_src.files import atomic

Parts = Iterator[tuple[slice, dict[str, np.ndarray]]]  # as `per_image` yields


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
        columns = {f"{p}_{key}": of for p, (_, table) in zip(tables, of_part, strict=True) for key, of in table.items()}
        names = [name for name in columns if not name.endswith("_pixels")]
        values = values if len(values) else Rows((len(names),), np.float64)
        values.append(np.stack([columns[name] for name in names], axis=1))
    return names, values
