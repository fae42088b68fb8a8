"""The published counts of an experiment: a ZIP archive with a member for each run.

`DATASET/METHOD/SEED.npz.xz` holds the arrays of `compact.reduced` by name, as differences to what
is expected from others (`_encoded`). A whole number is stored as its bytes, least significant
first: an array has the shape (bytes, *shape), and 0, -1, 1, -2, ... are written as 0, 1, 2, 3, ....
`DATASET/images.npz.xz` has what all runs on a dataset
share: the ids of the images, their size, and their pixels by label.
"""

from __future__ import annotations

import io
import lzma
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np

from pipeline_src.counting.counts import ALWAYS, Counts
from pipeline_src.counting.levels import CLAMP, PROTOCOLS, UNIT
from pipeline_src.errors import UserError
from pipeline_src.files import atomic
from pipeline_src.publishing.compact import Arrays, image_groups, names, restored, score_steps

SCALE = 1 << 16  # of the expected scores of a pixel
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "pb": 0}]
Run = tuple[str, str, int]  # dataset, method, seed


class CountsFile:
    """The counts in a file that `add_runs` wrote; those of a run are read when they are asked for.

    Attributes:
        runs: (dataset, method, seed) of all counts.

    Raises:
        UserError: there is no such file, or it is damaged.
    """

    def __init__(self, path: Path):
        self.path = path
        with self._readable(), ZipFile(path) as archive:
            members = [name.removesuffix(".npz.xz").split("/") for name in archive.namelist()]
            self.runs: list[Run] = [
                (name[0], name[1], int(name[2])) for name in members if len(name) == 3
            ]

    def read(self, part: str, method: str, seed: int) -> dict[str, Counts]:
        """Return the counts of a run by protocol; UserError for a damaged file."""
        with self._readable(), ZipFile(self.path) as archive:
            shared = _read_member(archive, f"{part}/images")
            return restored(_decoded(_read_member(archive, f"{part}/{method}/{seed}"), shared))

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # anything that damaged bytes make zip, xz, json and numpy raise
            raise UserError(
                f"{self.path} is not a file of counts that can be read",
                found=f"{type(error).__name__}: {error}",
                expected="the file that `dense-calibration publish` wrote",
                fix=f"git checkout -- {self.path}",
            ) from error


def add_runs(path: Path, runs: Mapping[Run, Callable[[], Arrays]], cores: int = 1) -> None:
    """Add runs to the counts of an experiment, or begin them; other runs in the file stay as they
    are.

    Args:
        runs: functions that return `reduced` counts. All counts of a dataset are of the same images
            (UserError).
        cores: threads that compress.
    """
    with atomic(path) as temporary:
        if path.exists():
            shutil.copyfile(path, temporary)
        with ZipFile(temporary, "a") as archive, ThreadPoolExecutor(cores) as pool:
            firsts = {run[0]: run for run in reversed([*runs])}
            for part, run in firsts.items():
                if f"{part}/images.npz.xz" not in archive.namelist():
                    _write_member(archive, f"{part}/images", _packed(_shared(runs[run]())))
            shared = {part: _read_member(archive, f"{part}/images") for part in firsts}
            contents = pool.map(lambda run: _packed(_encoded(runs[run](), shared[run[0]])), runs)
            for run, content in zip(runs, contents, strict=True):
                _write_member(archive, "/".join(map(str, run)), content)


def _shared(run: Arrays) -> Arrays:
    """Return the arrays that all runs on a dataset share."""
    size = next(run[f"{name}_table"][:2] for name in names(run))
    return {"ids": run["ids"], "size": size} | {
        f"{name}_pixels": run[f"{name}_pixels"] for name in names(run)
    }


def _encoded(run: Arrays, shared: Arrays) -> Arrays:
    """Return the arrays of a run as small numbers: differences from the values that other arrays predict."""
    if not np.array_equal(run["ids"], shared["ids"]):
        raise UserError(
            "a run was evaluated on other images than the published runs",
            expected="the same image ids",
        )
    stored = {name: array for name, array in run.items() if name != "ids"}
    nearest: np.ndarray | int = 0
    for name in names(run):
        pixels, units = run[f"{name}_pixels"], run[f"{name}_units"].copy()
        if name == "stretched":
            units -= run["raw_units"]
        units[0, 0], units[1, -1] = run[f"{name}_units"].sum(axis=1) - pixels // run["unit"]
        table = run[f"{name}_table"] - _expected(run, name, shared)
        stored[f"{name}_table"] = _sorted_by_previous(
            table - nearest if name == "stretched" else table
        )
        stored[f"{name}_units"] = _sorted_by_previous(units)
        stored[f"{name}_pixels"] = pixels - shared[f"{name}_pixels"]
        nearest = table
    return stored


def _decoded(stored: Arrays, shared: Arrays) -> Arrays:
    """Return the arrays from the differences that `_encoded` returned."""
    run = stored | {"ids": shared["ids"]}
    nearest: np.ndarray | int = 0
    for name in names(stored):
        pixels = run[f"{name}_pixels"] = stored[f"{name}_pixels"] + shared[f"{name}_pixels"]
        units = _unsorted(stored[f"{name}_units"])
        ends = units[[0, 1], [0, -1]] + pixels // run["unit"]
        if name == "stretched":
            units += run["raw_units"]
        units[0, 0] = units[1, -1] = 0
        units[[0, 1], [0, -1]] = ends - units.sum(axis=1)
        run[f"{name}_units"] = units
        table = _unsorted(stored[f"{name}_table"])
        nearest = table + nearest if name == "stretched" else table
        run[f"{name}_table"] = nearest + _expected(run, name, shared)
    return run


def _expected(run: Arrays, name: str, shared: Arrays) -> np.ndarray:
    """Return the table of an object (columns, N) as if pixels were in the middle of their 8-bit
    level. Columns other than sizes and sums over pixels are 0. The integers are the same on every
    machine.
    """
    if name not in PROTOCOLS:
        return np.zeros_like(run[f"{name}_table"])
    groups, pooled, starts = (
        image_groups(run, name),
        run[f"{name}_pooled"][..., None],
        run["starts"],
    )
    scores = np.add.reduceat(pooled * _pixel_scores(), starts) // np.maximum(
        1, np.add.reduceat(pooled, starts)
    )
    sums = np.tensordot(scores, groups, axes=((0, 1), (1, 0)))
    steps = score_steps(run[f"{name}_pixels"], int(run["bits"]))
    expected: np.ndarray = np.where(steps == 1, sums // SCALE, sums * (UNIT // SCALE) // steps)
    expected[:2] = shared["size"]
    return expected


@cache
def _pixel_scores() -> np.ndarray:
    """Return the scores of a pixel by 8-bit level and label, (256, 2, columns), in units of 1 / SCALE."""
    f = np.minimum((np.arange(256) + 0.5) / 255, 1)
    q = np.clip(np.stack([1 - f, f], axis=1), CLAMP, 1 - CLAMP)  # given to the label
    scores = {
        "pixels": np.ones_like(q),
        "correct": q > 0.5,
        "confidence": np.maximum(q, 1 - q),
        "absolute": 1 - q,
        "brier": (1 - q) ** 2,
        "nll": -np.log(q),
        "entropy": -q * np.log(q) - (1 - q) * np.log(1 - q),
    }
    return np.stack(
        [np.rint(SCALE * scores.get(name, 0 * q)).astype(np.int64) for name in ALWAYS], axis=2
    )


def _sorted_by_previous(columns: np.ndarray) -> np.ndarray:
    """Return columns (..., N), each sorted by the previous one: similar numbers become neighbors, which helps xz."""
    flat = columns.reshape(-1, columns.shape[-1])
    order = np.argsort(flat[:-1], axis=1, kind="stable")
    return np.concatenate([flat[:1], np.take_along_axis(flat[1:], order, axis=1)]).reshape(
        columns.shape
    )


def _unsorted(columns: np.ndarray) -> np.ndarray:
    """Return the original columns from those that `_sorted_by_previous` sorted."""
    flat = columns.reshape(-1, columns.shape[-1]).copy()
    for k in range(1, len(flat)):
        flat[k, np.argsort(flat[k - 1], kind="stable")] = flat[k].copy()
    return flat.reshape(columns.shape)


def _packed(arrays: Arrays) -> bytes:
    """Return arrays of whole numbers as a compressed .npz: all lowest bytes of an array first, then the next bytes."""
    planes: dict[str, Any] = {}
    for name, array in arrays.items():
        numbers = array.astype("<i8")
        numbers = np.where(numbers < 0, -2 * numbers - 1, 2 * numbers)
        by_byte = np.ascontiguousarray(np.moveaxis(numbers[..., None].view(np.uint8), -1, 0))
        planes[name] = by_byte[
            : np.flatnonzero(by_byte.reshape(8, -1).any(axis=1)).max(initial=0) + 1
        ]
    np.savez(content := io.BytesIO(), **planes)
    return lzma.compress(content.getvalue(), filters=FILTERS)


def _write_member(archive: ZipFile, name: str, content: bytes) -> None:
    archive.writestr(
        ZipInfo(f"{name}.npz.xz"), content
    )  # without the time: the same counts give the same bytes


def _read_member(archive: ZipFile, name: str) -> Arrays:
    """Return the arrays in an archive's member, which `_packed` packed."""
    with np.load(io.BytesIO(lzma.decompress(archive.read(f"{name}.npz.xz")))) as file:
        planes = dict(file)
    arrays = {}
    for name, by_byte in planes.items():
        padded = np.zeros((*by_byte.shape[1:], 8), np.uint8)
        padded[..., : len(by_byte)] = np.moveaxis(by_byte, 0, -1)
        numbers = padded.view("<i8")[..., 0]
        arrays[name] = np.where(numbers % 2, -(numbers + 1) // 2, numbers // 2).astype(np.int64)
    return arrays
