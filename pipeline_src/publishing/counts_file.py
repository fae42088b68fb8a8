"""The published counts of an experiment: a ZIP archive with a member for each run.

`DATASET/METHOD/SEED.npz.xz` holds the rounded counts of a run: arrays of whole numbers by name,
which the head of `compact` lists. Some of them can be predicted from other arrays of the same run,
or from numbers that all runs on a dataset share. Only their differences from these predictions are
stored (`_encoded`), which are small and compress well. `DATASET/images.npz.xz` holds the shared
numbers: the ids of the images, their sizes, and their pixels by label.

An array of a shape is stored as bytes (b, *shape), the lowest byte of each number first, where b
bytes suffice for the largest number. Negative numbers have no sign: 0, -1, 1, -2, ... are written
as 0, 1, 2, 3, ....
"""

from __future__ import annotations

import io
import lzma
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np

from pipeline_src.counting.counts import ALWAYS, Counts
from pipeline_src.counting.levels import CLAMP, PROTOCOLS, UNIT
from pipeline_src.errors import UserError
from pipeline_src.metrics.cells import Arrays
from pipeline_src.publishing.archives import pack, readable, unpack
from pipeline_src.publishing.compact import (
    arrays_of,
    image_groups,
    names_of_counts,
    restored,
    score_steps,
)

# Predicted scores of a pixel are whole numbers, in units of 1 / SCALE (`_pixel_scores`).
SCALE = 1 << 16
# Settings of xz: `lc` and `pb` are 0 because neither the byte before a byte nor its position helps
# to predict it.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "pb": 0}]
# Places in arrays (2, G, ...): label 0 in the first group of levels, label 1 in the last.
ENDS = ([0, 1], [0, -1])
Run = tuple[str, str, int]  # dataset, method, seed


class CountsFile:
    """The counts in a file that `add_runs` wrote; `read` reads the counts of one run.

    Attributes:
        path: the file.
        runs: (dataset, method, seed) of all runs in the file.

    Raises:
        UserError: there is no such file, or it is damaged.
    """

    def __init__(self, path: Path):
        """List the runs in the file `path`; counts are read by `read`."""
        self.path = path
        self.runs: list[Run] = []
        with readable(path), ZipFile(path) as archive:
            for name in archive.namelist():
                split, *run = name.removesuffix(".npz.xz").split("/")
                if len(run) == 2:  # method, seed; else the member `images` of a dataset
                    self.runs.append((split, run[0], int(run[1])))

    def read(self, split: str, method: str, seed: int) -> dict[str, Counts]:
        """Return the counts of a run by protocol; UserError for a damaged file."""
        with readable(self.path), ZipFile(self.path) as archive:
            shared = _unpacked(archive.read(f"{split}/images.npz.xz"))
            stored = _unpacked(archive.read(f"{split}/{method}/{seed}.npz.xz"))
            return restored(_decoded(stored, shared))


def add_runs(path: Path, runs: Mapping[Run, Callable[[], Arrays]], cores: int = 1) -> None:
    """Add or replace runs in a file of counts, which is created if it is absent; other runs stay.

    Args:
        path: the file of an experiment's counts.
        runs: run -> a function that returns its arrays (`compact.reduced`). A function, because
            the arrays of all runs together would fill the memory.
        cores: number of threads that compress.

    Raises:
        UserError: two runs on a dataset were evaluated on different images.
    """
    members = unpack(path)
    shared = {}
    for run, arrays in runs.items():
        split = run[0]
        images = f"{split}/images.npz.xz"
        if images not in members:
            members[images] = _packed(_shared(arrays()))
        if split not in shared:
            shared[split] = _unpacked(members[images])

    def content(run: Run) -> bytes:
        """Return the compressed member of a run."""
        return _packed(_encoded(runs[run](), shared[run[0]]))

    with ThreadPoolExecutor(cores) as pool:
        for run, packed in zip(runs, pool.map(content, runs), strict=True):
            members[f"{'/'.join(map(str, run))}.npz.xz"] = packed
    pack(members, path, ZIP_STORED)  # its members are compressed


def _shared(run: Arrays) -> Arrays:
    """Return the arrays that all runs on a dataset share, from the arrays of one of them
    (`compact.reduced`): ids of the N images, `size` (2, N), and pixels by label (2, N) of each of
    the run's counts, from which other runs differ little or not at all.
    """
    names = names_of_counts(run)
    # The first two columns of the table are height and width.
    shared = {"ids": run["ids"], "size": arrays_of(run, names[0])["table"][:2]}
    return shared | {f"{name}_pixels": run[f"{name}_pixels"] for name in names}


def _encoded(run: Arrays, shared: Arrays) -> Arrays:
    """Return the arrays of a run as small numbers: differences from what other arrays predict.

    An image has similar counts in both protocols, so those of the second (`stretched`) are stored
    as differences from the first (`raw`).

    Most background pixels of an image are in the first group of levels, and most of its foreground
    in the last. These two numbers follow from the image's pixels of the label and the other groups,
    but for an error, because they are rounded. The error is stored in their places.

    Args:
        run: the arrays that `compact.reduced` returned.
        shared: the arrays that all runs on the dataset share (`_shared`).

    Raises:
        UserError: the run and `shared` have other images.
    """
    if not np.array_equal(run["ids"], shared["ids"]):
        raise UserError(
            "a run was evaluated on other images than the published runs",
            expected="the same image ids",
        )
    stored = {name: array for name, array in run.items() if name != "ids"}
    tables = {}
    for name in names_of_counts(run):
        counts = arrays_of(run, name)
        pixels = counts["pixels"]
        units = counts["units"].copy()  # (2, G, N) by label, group and image
        errors = units.sum(axis=1) - pixels // run["unit"]  # (2, N)
        table = counts["table"] - _expected(run, name, shared["size"])
        tables[name] = table
        if name == "stretched":
            units -= run["raw_units"]
            table = table - tables["raw"]
        units[ENDS] = errors
        stored[f"{name}_table"] = _sorted_by_previous(table)
        stored[f"{name}_units"] = _sorted_by_previous(units)
        stored[f"{name}_pixels"] = pixels - shared[f"{name}_pixels"]
    return stored


def _decoded(stored: Arrays, shared: Arrays) -> Arrays:
    """Return the arrays of a run from the differences that `_encoded` returned."""
    run = stored | {"ids": shared["ids"]}
    tables = {}
    for name in names_of_counts(stored):
        counts = arrays_of(stored, name)
        pixels = counts["pixels"] + shared[f"{name}_pixels"]
        units = _unsorted(counts["units"])
        tables[name] = _unsorted(counts["table"])
        # As in `_encoded`, the first group of label 0 and the last of label 1 hold the errors of
        # the rounded sums.
        sums = units[ENDS] + pixels // run["unit"]
        if name == "stretched":
            units += run["raw_units"]
            tables[name] += tables["raw"]
        units[ENDS] = 0
        units[ENDS] = sums - units.sum(axis=1)
        run[f"{name}_units"] = units
        run[f"{name}_pixels"] = pixels
        run[f"{name}_table"] = tables[name] + _expected(run, name, shared["size"])
    return run


def _expected(run: Arrays, name: str, size: np.ndarray) -> np.ndarray:
    """Return the table (columns, N) that the numbers of pixels predict, as if pixels were in the
    middle of their 8-bit level.

    The first two columns are the sizes of the images. Columns that are no sums over pixels are 0,
    and so are all columns of counts of K classes. All numbers are integers, which are equal on
    every machine, because a file must be decoded as it was encoded.

    Args:
        name: of the counts: a protocol, `top` or a class.
        size: (2, N) height and width of the images.
    """
    counts = arrays_of(run, name)
    if name not in PROTOCOLS:  # counts of K classes
        return np.zeros_like(counts["table"])
    starts = run["starts"]
    pooled = counts["pooled"][..., None]  # (256, 2, 1) by level and label
    # The mean scores of a pixel by group of levels, label and column: (G, 2, columns).
    pixels = np.add.reduceat(pooled, starts)
    scores = np.add.reduceat(pooled * _pixel_scores(), starts) // np.maximum(1, pixels)
    sums = np.tensordot(scores, image_groups(run, counts), axes=((0, 1), (1, 0)))  # (columns, N)
    # Whole pixels have a step of 1; other columns are in 1 / UNIT, rounded to `steps`.
    steps = score_steps(counts["pixels"], int(run["bits"]))
    expected: np.ndarray = np.where(steps == 1, sums // SCALE, sums * (UNIT // SCALE) // steps)
    expected[:2] = size
    return expected


@cache
def _pixel_scores() -> np.ndarray:
    """Return what a pixel in the middle of an 8-bit level adds to the columns of its image's row:
    (256, 2, columns) by level, label and column, in units of 1 / SCALE.

    Columns that are no sums over pixels are 0.
    """
    f = np.minimum((np.arange(256) + 0.5) / 255, 1)  # probability of the positive class
    # Probability that the pixel's label gets, (256, 2) by level and label.
    q = np.clip(np.stack([1 - f, f], axis=1), CLAMP, 1 - CLAMP)
    scores = {
        "pixels": np.ones_like(q),
        "correct": q > 0.5,
        "confidence": np.maximum(q, 1 - q),
        "absolute": 1 - q,
        "brier": (1 - q) ** 2,
        "nll": -np.log(q),
        "entropy": -q * np.log(q) - (1 - q) * np.log(1 - q),
    }
    columns = np.stack([scores.get(name, np.zeros_like(q)) for name in ALWAYS], axis=2)
    return np.asarray(np.rint(SCALE * columns), np.int64)


def _sorted_by_previous(columns: np.ndarray) -> np.ndarray:
    """Return columns (..., N), in which each column is reordered as the previous one ascends.

    Columns are correlated, so a reordered column has runs of similar numbers, which xz compresses
    well. The first column stays as it is. The orders need not be stored: the previous column gives
    them (`_unsorted`).
    """
    flat = columns.reshape(-1, columns.shape[-1])
    order = np.argsort(flat[:-1], axis=1, kind="stable")
    ordered = np.take_along_axis(flat[1:], order, axis=1)
    return np.asarray(np.concatenate([flat[:1], ordered]).reshape(columns.shape))


def _unsorted(columns: np.ndarray) -> np.ndarray:
    """Return the original columns from those that `_sorted_by_previous` sorted."""
    flat = columns.reshape(-1, columns.shape[-1]).copy()
    for k in range(1, len(flat)):  # the previous column is in its original order by then
        flat[k, np.argsort(flat[k - 1], kind="stable")] = flat[k].copy()
    return flat.reshape(columns.shape)


def _packed(arrays: Arrays) -> bytes:
    """Return arrays of whole numbers as a compressed .npz, the lowest bytes of an array first."""
    planes: dict[str, Any] = {}
    for name, array in arrays.items():
        numbers = array.astype("<i8")
        numbers = (numbers << 1) ^ (numbers >> 63)  # 0, -1, 1, -2, ... as 0, 1, 2, 3, ...
        # (8, *shape), the lowest byte first; high bytes that are 0 throughout are left out.
        by_byte = np.ascontiguousarray(np.moveaxis(numbers[..., None].view(np.uint8), -1, 0))
        used = np.flatnonzero(by_byte.reshape(8, -1).any(axis=1))
        planes[name] = by_byte[: used.max(initial=0) + 1]
    content = io.BytesIO()
    np.savez(content, **planes)
    return lzma.compress(content.getvalue(), filters=FILTERS)


def _unpacked(content: bytes) -> Arrays:
    """Return the arrays that `_packed` packed."""
    with np.load(io.BytesIO(lzma.decompress(content))) as file:
        planes = dict(file)
    arrays = {}
    for array, by_byte in planes.items():
        padded = np.zeros((*by_byte.shape[1:], 8), np.uint8)
        padded[..., : len(by_byte)] = np.moveaxis(by_byte, 0, -1)
        numbers = padded.view("<i8")[..., 0]
        arrays[array] = ((numbers >> 1) ^ -(numbers & 1)).astype(np.int64)
    return arrays
