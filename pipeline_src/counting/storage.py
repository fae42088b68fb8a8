"""Counts in an .npz file: sparse and compressed; the same counts give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src.counting.counts import ARRAYS, COLUMNS, Counts, ImageRows
from pipeline_src.counting.levels import CLAMP, LEVELS, POSITION, UNIT
from pipeline_src.counting.surest import UNKNOWN
from pipeline_src.errors import UserError
from pipeline_src.files import atomic

FORMAT = {
    "schema": 3,
    "kind": "counts",
    "levels": LEVELS,
    "position_units": POSITION,
    "sum_units": UNIT,
    "clamp": CLAMP,
    "columns": list(COLUMNS),
}


def native(array: np.ndarray) -> np.ndarray:
    """Return the array in this machine's byte order."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def pack(counts: Counts, prefix: str) -> dict[str, np.ndarray]:
    """The arrays of `counts` by name; only cells with pixels, since most levels of a small dataset are empty."""
    arrays: dict[str, np.ndarray] = {}
    for name in ARRAYS if len(counts.surest) else ARRAYS[:3]:
        dense = getattr(counts, name).reshape(-1)
        cells = np.flatnonzero(dense)
        arrays[f"{prefix}_{name}_at"] = np.diff(cells, prepend=0).astype(np.uint32)
        arrays[f"{prefix}_{name}"] = dense[cells]
    if counts.rows is not None:
        arrays["ids"] = _json_array(counts.rows.ids)
        arrays[f"{prefix}_table"] = counts.rows.table
        arrays[f"{prefix}_image_levels"] = counts.rows.levels
    return arrays


def unpack(arrays: Mapping[str, Any], prefix: str) -> Counts:
    """The counts that `pack` packed."""
    counts = Counts.empty(rows=False)
    if f"{prefix}_surest" not in arrays:  # as earlier versions wrote it
        counts.surest = UNKNOWN
    for name in ARRAYS if len(counts.surest) else ARRAYS[:3]:
        cells = np.cumsum(arrays[f"{prefix}_{name}_at"], dtype=np.int64)
        getattr(counts, name).reshape(-1)[cells] = arrays[f"{prefix}_{name}"]
    if f"{prefix}_table" in arrays:
        ids = json.loads(arrays["ids"].tobytes())
        table, levels = arrays[f"{prefix}_table"], arrays[f"{prefix}_image_levels"]
        if table.shape != (len(ids), len(COLUMNS)) or levels.shape != (len(ids), 256, 2):
            raise ValueError(f"rows of {prefix} are not those of {len(ids)} images")
        counts.rows = ImageRows(ids, table, levels)
    return counts


def write_arrays(path: Path | str, arrays: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
    """Write arrays with a header on how to read them; `provenance` is anything that JSON can hold."""
    header = _json_array(FORMAT | {"provenance": provenance})
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, header=header, **arrays)


def read_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """The arrays that `write_arrays` wrote.

    Raises:
        UserError: the file is missing, not a counts file, or of another schema.
    """
    try:
        with np.load(path) as file:
            arrays = dict(file)
        header = dict(json.loads(arrays.pop("header").tobytes()))
    except Exception as error:
        raise unreadable(path, error) from error
    keys = ("schema", "kind", "levels", "clamp", "columns")
    found, expected = ({key: entries.get(key) for key in keys} for entries in (header, FORMAT))
    if found != expected:
        raise UserError(
            f"{path} is a counts file of another schema",
            found=found,
            expected=expected,
            fix="count the prediction maps again with this version",
        )
    return arrays


def unreadable(path: Path | str, error: Exception) -> UserError:
    """The error for anything that a foreign or damaged file makes numpy, zip or json raise."""
    return UserError(
        f"{path} is not a counts file that can be read",
        found=f"{type(error).__name__}: {error}",
        expected="a file that `evaluate`, `judge` or `publish` wrote",
        fix="remove it and run the same command again, or `git checkout -- FILE` if it is published",
    )


def _json_array(value: object) -> np.ndarray:
    return np.frombuffer(json.dumps(value, sort_keys=True).encode(), np.uint8)
