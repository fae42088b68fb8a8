"""Published counts: the counts of all runs of an experiment in one ZIP archive, small enough for a repository.

Kept exactly: the pixels, hits and scores of all images together in bins of every number that is in use; their pixels by
8-bit level; the cells of the surest pixels, where they split a level; the totals of all columns of the rows; and of
each image its columns that are whole pixels, and its pixels of each label. Rounded on publishing, and filled in on
reading:

- all pixels between two of `cell_edges` have their mean doubt (the order of pixels, as in AUC);
- an image's pixels in groups of 8-bit levels, to about half their standard deviation over images; within a group they
  are spread like those of all images together (F curves). 95 % intervals differ by a few percent of their width;
- an image's sums of confidence, scores and the like, to a 256th of its size.

`DATASET/METHOD/SEED.npz.xz` is a run: its arrays by name, compressed. Other members stay as they are where a run is
added. Each array of whole numbers is stored as bytes (planes, *shape), least significant first, with 0, -1, 1, -2, ...
as 0, 1, 2, 3, .... Of each name of `MapCounts.counts` there are the arrays of `Counts.arrays`, and instead of the rows:

- `pooled` (256, 2): pixels of all images by 8-bit level and label;
- `pixels` (2, N): pixels of each image by label, less those of the dataset's first run;
- `units` (2, G, N): pixels of each image by label and group of levels, in units;
- `table` (columns, N), less what the groups let expect, and `rest` (columns,): columns of the rows in `_steps`.

`starts`, `unit` and `bits` are the G first levels of the groups, the unit, and the bits of an image's mean scores.
`DATASET/images.npz.xz` has what all runs on a dataset share: the ids of the N images, their size, and their pixels.
"""

from __future__ import annotations

import io
import json
import lzma
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import numpy as np

from pipeline_src.counting.counts import (
    COLUMNS,
    PIXEL_SUMS,
    UNMEASURED,
    Counts,
    image_rows,
    parts,
    upper_edge,
)
from pipeline_src.counting.levels import (
    CLAMP,
    EIGHT,
    HALF,
    LEVELS,
    POSITION,
    PROTOCOLS,
    SPLIT,
    UNIT,
    UNKNOWN,
    further_cells,
)
from pipeline_src.counting.map_counts import MapCounts, json_array
from pipeline_src.errors import UserError
from pipeline_src.files import atomic

BINS = (100, 30)  # every number of bins in use divides one of them
SHARES = 24  # no cell holds a greater part of the pixels of a predicted class, unless they are on one level
STARTS = (0, 4, 26, 51, 77, 102, 128, 154, 179, 205, 230, 243, 252)  # those of ten bins, and of confident pixels
BITS = 8
RANKED = (*PROTOCOLS, "top")  # the counts whose pixels metrics sort
SCALE = 1 << 16  # of the expected scores of a pixel
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "pb": 0}]
Arrays = dict[str, np.ndarray]
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
            self.runs: list[Run] = [(name[0], name[1], int(name[2])) for name in members if len(name) == 3]

    def read(self, part: str, method: str, seed: int) -> MapCounts:
        """Return the counts of a run; UserError for a damaged file."""
        with self._readable(), ZipFile(self.path) as archive:
            shared = _read_member(archive, f"{part}/images")
            return restored(_decoded(_read_member(archive, f"{part}/{method}/{seed}"), shared), shared["ids"])

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
    """Add runs to the counts of an experiment, or begin them; other runs in the file stay as they are.

    Args:
        runs: functions that return `reduced` counts. All counts of a dataset are of the same images (UserError).
        cores: threads that compress.
    """
    with atomic(path) as temporary:
        if path.exists():
            shutil.copyfile(path, temporary)
        with ZipFile(temporary, "a") as archive, ThreadPoolExecutor(cores) as pool:
            shared = {}
            for part in dict.fromkeys(part for part, _, _ in runs):
                if f"{part}/images.npz.xz" not in archive.namelist():
                    _write_member(archive, f"{part}/images", _packed(_shared(next(_of_part(part, runs))())))
                shared[part] = _read_member(archive, f"{part}/images")
            contents = pool.map(lambda run: _packed(_encoded(runs[run](), shared[run[0]])), runs)
            for run, content in zip(runs, contents, strict=True):
                _write_member(archive, "/".join(map(str, run)), content)


def _of_part(part: str, runs: Mapping[Run, Callable[[], Arrays]]) -> Iterator[Callable[[], Arrays]]:
    return (load for run, load in runs.items() if run[0] == part)


def reduced(counted: MapCounts, bins: int) -> Arrays:
    """Return the arrays of a run to publish, rounded; `bins` is a further number of bins that stays exact."""
    arrays = {} if counted.confusion is None else {"confusion": counted.confusion}
    arrays |= {"ids": json_array(image_rows(counted.raw).ids), "starts": np.array(STARTS), "bits": np.array(BITS)}
    for name, counts in counted.counts.items():
        rows = image_rows(counts)
        groups = np.add.reduceat(rows.levels.astype(np.int64), STARTS, axis=1).transpose(2, 1, 0)
        if "unit" not in arrays:
            spread = float(np.median(groups[:, 1:-1].std(axis=2)))
            arrays["unit"] = np.array(1 << max(0, round(np.log2(max(1.0, spread / 2)))))
        ranked = name in RANKED
        surest = counts.surest if ranked and further_cells(counts.surest) else UNKNOWN
        limits = cell_edges(counts, bins) if ranked else regular_edges(bins)
        arrays |= _joined(counts, np.union1d(limits, SPLIT) if len(surest) else limits, surest).arrays(name)
        pixels = groups.sum(axis=1)
        # Each image takes what its predecessors left over, so that sums over many images stay.
        units = np.diff(groups.cumsum(axis=2) // arrays["unit"], axis=2, prepend=0)
        arrays |= {f"{name}_pooled": rows.pooled(), f"{name}_pixels": pixels, f"{name}_units": units}
        steps, measured = _steps(pixels, BITS), rows.table.T != UNMEASURED
        sums = np.where(measured, rows.table.T, 0).cumsum(axis=1)
        arrays[f"{name}_table"] = np.where(measured, np.diff(sums // steps, axis=1, prepend=0), UNMEASURED)
        arrays[f"{name}_rest"] = sums[:, -1] % steps[:, 0]
    return arrays


def restored(arrays: Arrays, ids: np.ndarray) -> MapCounts:
    """Return the counts of which `reduced` kept a part, with the rest filled in."""
    arrays = arrays | {"ids": ids.astype(np.uint8)}
    for name in _names(arrays):
        table, steps = arrays[f"{name}_table"], _steps(arrays[f"{name}_pixels"], int(arrays["bits"]))
        measured = table != UNMEASURED
        rows = np.where(measured, table * steps, UNMEASURED)
        for column in np.flatnonzero(measured.any(axis=1)):  # the last image that has a column takes the rest
            rows[column, np.flatnonzero(measured[column])[-1]] += arrays[f"{name}_rest"][column]
        levels = _image_levels(_groups(arrays, name), arrays[f"{name}_pooled"], arrays["starts"])
        arrays |= {f"{name}_table": rows.T, f"{name}_image_levels": levels}
    return MapCounts.of_arrays(arrays)


def regular_edges(bins: int) -> np.ndarray:
    """The levels at which 8-bit levels and bins begin, and `HALF`; ascending."""
    steps = {EIGHT, *(LEVELS // number for number in (*BINS, bins))}
    return np.unique(np.concatenate([[HALF], *(range(0, HALF + 1, step) for step in steps)]))


def cell_edges(counts: Counts, bins: int) -> np.ndarray:
    """The levels at which cells begin, ascending: the regular ones, and more where pixels are."""
    levels = [regular_edges(bins)]
    for below in counts.count.sum(axis=2).cumsum(axis=0).T:
        levels.append(np.searchsorted(below, below[-1] * np.arange(1, SHARES) / SHARES))
    return np.unique(np.concatenate(levels))


def _joined(counts: Counts, limits: np.ndarray, surest: np.ndarray) -> Counts:
    """Counts whose pixels are on the levels `limits` (L,), or between two of them all on the level of their mean."""
    place = level, predicted, label = np.nonzero(counts.count)
    count, position = counts.count[place], counts.position[place]
    begins = np.isin(level, limits)
    edge = np.where(predicted == 1, upper_edge(counts)[level, label], counts.on_edge[level, label]) * begins
    cell = np.searchsorted(limits, level, side="right") - 1
    edges, inside, doubt = np.zeros((3, len(limits), 2, 2), np.int64)
    np.add.at(edges, (cell, predicted, label), edge)
    np.add.at(inside, (cell, predicted, label), count - edge)
    doubts = (level - limits[cell]) * count + np.rint(position / POSITION).astype(np.int64)
    np.add.at(doubt, (cell, predicted, label), doubts)
    above = doubt.sum(axis=(1, 2)) // np.maximum(inside.sum(axis=(1, 2)), 1)
    mean = np.minimum(limits + above, np.append(limits[1:], HALF + 1) - 1)
    joined = Counts.empty(rows=False)
    joined.count[mean] = inside
    joined.position[mean] = (doubt - inside * (mean - limits)[:, None, None]) * POSITION
    joined.count[limits] += edges
    joined.on_edge[limits] = edges[:, 0]
    joined.surest = surest
    return joined


def _names(arrays: Mapping[str, np.ndarray]) -> list[str]:
    return [name.removesuffix("_units") for name in arrays if name.endswith("_units")]


def _steps(pixels: np.ndarray, bits: int) -> np.ndarray:
    """(columns, 1) the unit in which each column is kept, a power of 2: 1 for whole numbers. `pixels`: (2, N)."""
    score_step = UNIT >> bits
    mean = max(1, int(pixels.sum()) // pixels.shape[1])
    steps = {"s_measure": score_step, "e_measure": score_step}
    steps |= dict.fromkeys(PIXEL_SUMS, score_step << mean.bit_length() - 1)
    return np.array([[steps.get(name, 1)] for name in COLUMNS])


def _groups(arrays: Arrays, name: str) -> np.ndarray:
    """(2, G, N) pixels of images by label and group of levels: the rounded ones, with the exact sums.

    The largest groups of an image take what it has too few or too many pixels. Then what a group has too many moves to
    one that has too few, within images, in proportion to their pixels in the group.
    """
    groups = arrays[f"{name}_units"] * arrays["unit"]
    sums = np.add.reduceat(arrays[f"{name}_pooled"], arrays["starts"])
    for of_label, pixels, pooled in zip(groups, arrays[f"{name}_pixels"], sums.T, strict=True):
        more = pixels - of_label.sum(axis=0)
        for group in np.argsort(-of_label, axis=0, kind="stable"):
            place = group, np.arange(len(group))
            taken = np.maximum(more, -of_label[place])
            of_label[place] += taken
            more -= taken
        lack = pooled - of_label.sum(axis=1)
        while lack.any():
            target, source = lack.argmax(), lack.argmin()
            amount = min(lack[target], -lack[source])
            moved = np.diff(amount * of_label[source].cumsum() // of_label[source].sum(), prepend=0)
            of_label[[target, source]] += [moved, -moved]
            lack[[target, source]] += [-amount, amount]
    return groups


def _image_levels(groups: np.ndarray, pooled: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(N, 256, 2) pixels by 8-bit level and label, with the sums over groups of levels and over images."""
    images = groups.shape[2]
    sums = np.pad(groups.cumsum(axis=2), ((0, 0), (0, 0), (1, 0))).transpose(1, 0, 2)
    levels = np.empty((images, 256, 2), np.uint32)
    for part in parts(images, 4096):
        spread = _spread(sums[..., part.start : part.stop + 1], pooled, starts)
        levels[part] = np.diff(spread, axis=2).transpose(2, 0, 1)
    return levels


def _spread(groups: np.ndarray, pooled: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(256, 2, n) pixels by 8-bit level and label of the first 1 .. n images together, from those by group of levels
    (G, 2, n) in proportion to `pooled`. Rounding these sums, not each image, keeps both sums."""
    sums = np.zeros((256, 2, groups.shape[2]), np.int64)

    def halve(pixels: np.ndarray, start: int, stop: int) -> None:
        if stop - start == 1:
            sums[start] = pixels
            return
        middle = (start + stop) // 2
        left, both = pooled[start:middle].sum(axis=0), pooled[start:stop].sum(axis=0)
        exact = object if both.max() >= 1 << 31 else np.int64  # of products beyond int64, as Python has them
        lower = (pixels.astype(exact) * left[:, None] // np.maximum(1, both)[:, None]).astype(np.int64)
        halve(lower, start, middle)
        halve(pixels - lower, middle, stop)

    for group, start, stop in zip(groups, starts, (*starts[1:], 256), strict=True):
        halve(group, start, stop)
    return sums


def _shared(run: Arrays) -> Arrays:
    """The arrays that all runs on a dataset share."""
    size = next(run[f"{name}_table"][:2] for name in _names(run))
    return {"ids": run["ids"], "size": size} | {f"{name}_pixels": run[f"{name}_pixels"] for name in _names(run)}


def _encoded(run: Arrays, shared: Arrays) -> Arrays:
    """The arrays of a run in small numbers: differences to what the dataset and other arrays let expect."""
    if not np.array_equal(run["ids"], shared["ids"]):
        raise UserError("a run was evaluated on other images than the published runs", expected="the same image ids")
    stored = {name: array for name, array in run.items() if name != "ids"}
    nearest: np.ndarray | int = 0
    for name in _names(run):
        pixels, units = run[f"{name}_pixels"], run[f"{name}_units"].copy()
        if name == "stretched":
            units -= run["raw_units"]
        units[0, 0], units[1, -1] = run[f"{name}_units"].sum(axis=1) - pixels // run["unit"]
        table = run[f"{name}_table"] - _expected(run, name, shared)
        stored[f"{name}_table"] = _sorted_by_previous(table - nearest if name == "stretched" else table)
        stored[f"{name}_units"] = _sorted_by_previous(units)
        stored[f"{name}_pixels"] = pixels - shared[f"{name}_pixels"]
        nearest = table
    return stored


def _decoded(stored: Arrays, shared: Arrays) -> Arrays:
    """The arrays of which `_encoded` returned the differences."""
    run = dict(stored)
    nearest: np.ndarray | int = 0
    for name in _names(stored):
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
    """(columns, N) the table of an object, were pixels in the middle of their 8-bit level; else and for other columns
    than sizes and sums over pixels 0. In integers, so they are the same everywhere."""
    if name not in PROTOCOLS:
        return np.zeros_like(run[f"{name}_table"])
    groups, pooled, starts = _groups(run, name), run[f"{name}_pooled"][..., None], run["starts"]
    scores = np.add.reduceat(pooled * _pixel_scores(), starts) // np.maximum(1, np.add.reduceat(pooled, starts))
    sums = np.tensordot(scores, groups, axes=((0, 1), (1, 0)))
    steps = _steps(run[f"{name}_pixels"], int(run["bits"]))
    expected: np.ndarray = np.where(steps == 1, sums // SCALE, sums * (UNIT // SCALE) // steps)
    expected[:2] = shared["size"]
    return expected


@cache
def _pixel_scores() -> np.ndarray:
    """(256, 2, columns) of a pixel by 8-bit level and label, in units of 1 / SCALE."""
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
    return np.stack([np.rint(SCALE * scores.get(name, 0 * q)).astype(np.int64) for name in COLUMNS], axis=2)


def _sorted_by_previous(columns: np.ndarray) -> np.ndarray:
    """Columns (..., N), each sorted by the one before it: similar numbers become neighbors, to which xz adapts."""
    flat = columns.reshape(-1, columns.shape[-1])
    order = np.argsort(flat[:-1], axis=1, kind="stable")
    return np.concatenate([flat[:1], np.take_along_axis(flat[1:], order, axis=1)]).reshape(columns.shape)


def _unsorted(columns: np.ndarray) -> np.ndarray:
    """The columns that `_sorted_by_previous` sorted."""
    flat = columns.reshape(-1, columns.shape[-1]).copy()
    for k in range(1, len(flat)):
        flat[k, np.argsort(flat[k - 1], kind="stable")] = flat[k].copy()
    return flat.reshape(columns.shape)


def _packed(arrays: Arrays) -> bytes:
    """Arrays of whole numbers as a compressed .npz: all lowest bytes of an array first, then the next ones."""
    planes = {}
    for name, array in arrays.items():
        numbers = array.astype("<i8")
        numbers = np.where(numbers < 0, -2 * numbers - 1, 2 * numbers)
        by_byte = np.ascontiguousarray(np.moveaxis(numbers[..., None].view(np.uint8), -1, 0))
        planes[name] = by_byte[: np.flatnonzero(by_byte.reshape(8, -1).any(axis=1)).max(initial=0) + 1]
    np.savez(content := io.BytesIO(), **planes)
    return lzma.compress(content.getvalue(), filters=FILTERS)


def _write_member(archive: ZipFile, name: str, content: bytes) -> None:
    archive.writestr(ZipInfo(f"{name}.npz.xz"), content)  # without the time: the same counts give the same bytes


def _read_member(archive: ZipFile, name: str) -> Arrays:
    """The arrays that `_packed` packed."""
    with np.load(io.BytesIO(lzma.decompress(archive.read(f"{name}.npz.xz")))) as file:
        planes = dict(file)
    arrays = {}
    for name, by_byte in planes.items():
        padded = np.zeros((*by_byte.shape[1:], 8), np.uint8)
        padded[..., : len(by_byte)] = np.moveaxis(by_byte, 0, -1)
        numbers = padded.view("<i8")[..., 0]
        arrays[name] = np.where(numbers % 2, -(numbers + 1) // 2, numbers // 2).astype(np.int64)
    return arrays
