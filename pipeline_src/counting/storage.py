"""Counts in an .npz file: sparse, compressed, whole or absent, the same bytes for the same counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from numpy.lib import format as npy

from pipeline_src.counting.counts import ARRAYS, COLUMNS, Counts, ImageRows
from pipeline_src.counting.levels import CLAMP, LEVELS, POSITION, UNIT
from pipeline_src.counting.rows import Rows, parts
from pipeline_src.counting.surest import UNKNOWN, check
from pipeline_src.errors import UserError
from pipeline_src.files import atomic

SCHEMA = 3
IN_MEMORY = 1 << 30  # bytes of an array; rows are not in memory


def native(array: np.ndarray) -> np.ndarray:
    """In this machine's order of bytes; most arrays are."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def pack(counts: Counts, prefix: str) -> dict[str, np.ndarray | Rows]:
    """The arrays of `counts` by name; only cells with pixels, since most levels of a small data set are empty."""
    arrays: dict[str, np.ndarray | Rows] = {}
    for name in ARRAYS if len(counts.surest) else ARRAYS[:3]:
        dense = getattr(counts, name).reshape(-1)
        cells = np.flatnonzero(dense)
        arrays[f"{prefix}_{name}_at"] = np.diff(cells, prepend=0).astype(np.uint32)
        arrays[f"{prefix}_{name}"] = dense[cells]
    if counts.rows is not None:
        arrays["ids"] = _text(counts.rows.ids)
        arrays[f"{prefix}_table"] = counts.rows.table
        arrays[f"{prefix}_image_levels"] = counts.rows.levels
    return arrays


def unpack(arrays: Mapping[str, Any], prefix: str) -> Counts:
    """The counts that `pack` packed."""
    rows = f"{prefix}_table" in arrays
    counts = Counts.empty(rows=rows)
    if f"{prefix}_surest" not in arrays:  # as earlier versions wrote it
        counts.surest = UNKNOWN
    for name in ARRAYS if len(counts.surest) else ARRAYS[:3]:
        cells = np.cumsum(arrays[f"{prefix}_{name}_at"], dtype=np.int64)
        getattr(counts, name).reshape(-1)[cells] = arrays[f"{prefix}_{name}"]
    check(counts.surest, counts.count, f"{prefix}_surest")
    if rows:
        ids, table, levels = (arrays[name] for name in ("ids", f"{prefix}_table", f"{prefix}_image_levels"))
        counts.rows = ImageRows(ids := json.loads(ids.tobytes()), table, levels)
        expected = [(len(ids), (len(COLUMNS),), np.dtype(np.int64)), (len(ids), (256, 2), np.dtype(np.uint32))]
        if [(len(rows), rows.shape, rows.dtype) for rows in (table, levels)] != expected:
            raise ValueError(f"rows of {prefix} are not those of {len(ids)} images")
    return counts


def write(path: Path | str, kind: str, arrays: Mapping[str, np.ndarray | Rows], provenance: dict) -> None:
    """Write arrays with a header on how to read them; `provenance` is anything that JSON can hold."""
    header = {
        "schema": SCHEMA,
        "kind": kind,
        "levels": LEVELS,
        "position_units": POSITION,
        "sum_units": UNIT,
        "clamp": CLAMP,
        "columns": COLUMNS,
        "provenance": provenance,
    }
    # As numpy.savez_compressed, byte by byte, but for rows, which are never in memory at once.
    with atomic(path) as temporary, ZipFile(temporary, "w", ZIP_DEFLATED) as file:
        for name, array in {"header": _text(header), **arrays}.items():
            with file.open(f"{name}.npy", "w", force_zip64=True) as member:
                if isinstance(array, Rows):
                    _write_rows(member, array)
                else:
                    npy.write_array(member, array, allow_pickle=False)


def _write_rows(member: IO[bytes], rows: Rows) -> None:
    header = {"descr": npy.dtype_to_descr(rows.dtype), "fortran_order": False, "shape": (len(rows), *rows.shape)}
    npy.write_array_header_1_0(member, header)
    for part in parts(len(rows)):
        member.write(rows[part].tobytes())


def _read_rows(member: IO[bytes]) -> Rows:
    npy.read_magic(member)
    (length, *shape), _, dtype = npy.read_array_header_1_0(member)
    rows = Rows(tuple(shape), dtype)
    for part in parts(length):
        rows.append(np.frombuffer(member.read((part.stop - part.start) * rows.row_bytes), dtype))
    return rows


def read(path: Path | str, kind: str) -> tuple[dict[str, Any], dict]:
    """The arrays, those of rows as `Rows`, and the provenance that `write` wrote.

    Raises:
        UserError: the file is missing, not a statistic, or of another kind or schema.
    """
    try:
        arrays: dict[str, Any] = {}
        with ZipFile(path) as file:
            for entry in file.namelist():
                name = entry.removesuffix(".npy")
                with file.open(entry) as member:
                    of_rows = name.endswith(("_table", "_image_levels"))
                    arrays[name] = _read_rows(member) if of_rows else npy.read_array(member, allow_pickle=False)
        header = dict(json.loads(arrays.pop("header").tobytes()))
        provenance = header["provenance"]
    except Exception as error:
        raise unreadable(path, error) from error
    expected = {"schema": SCHEMA, "kind": kind, "levels": LEVELS, "clamp": CLAMP, "columns": list(COLUMNS)}
    actual = {key: header.get(key) for key in expected}
    if actual != expected:
        raise UserError(
            f"{path} is a statistic of another schema",
            found=actual,
            expected=expected,
            fix="make it again from the prediction maps with this version",
        )
    return arrays, provenance


def kind(path: Path | str) -> str:
    """The kind of statistic that a file holds, by its header; UserError where it has none."""
    try:
        with ZipFile(path) as file, file.open("header.npy") as member:
            return str(json.loads(npy.read_array(member, allow_pickle=False).tobytes())["kind"])
    except Exception as error:
        raise unreadable(path, error) from error


def unreadable(path: Path | str, error: Exception) -> UserError:
    """The error for whatever a foreign or broken file makes numpy, zip or json raise."""
    return UserError(
        f"{path} is not a statistic that can be read",
        found=f"{type(error).__name__}: {error}",
        expected="a file that `evaluate`, `judge` or `publish` wrote",
        fix="let it be made again: remove it and run the same command, or `git checkout -- FILE` if it is published",
    )


def _text(value: object) -> np.ndarray:
    return np.frombuffer(json.dumps(value, sort_keys=True).encode(), np.uint8)
