"""The counts of all runs of an experiment in one file: what `compact` keeps, without loss and in few bytes.

The file is a ZIP archive. Each member is compressed by xz, and any tool can open it:

- `header.json`: `bins`; the `precision` (`compact.Precision`); `blocks`, which maps each `DATA SET/METHOD` to its
  `seeds`, the `names` of its counts, which of these have `surest` cells, the number of `classes` of a confusion matrix
  (0 for two classes), and the `unit` to which pixels of images are rounded.
- `DATA SET/ids.json.xz`: the ids of the N images. `DATA SET/images.npy.xz`: height, width and, for each name, the
  pixels of both labels of every image: all runs share them, so a block holds the differences only.
- `DATA SET/METHOD.npy.xz`: a block, the counts of a method's seeds as one stream of non-negative integers. The array
  is uint8 of shape (planes, numbers), least significant bytes first. `Stream.take` lists the order of the numbers.
"""

from __future__ import annotations

import io
import json
import lzma
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np

from pipeline_src.counting.compact import EXACT, ROUGH, Kept, Precision, grain, keep, restored
from pipeline_src.counting.compact_block import CountsBlock, Stream, shared_pixels, whole_name
from pipeline_src.counting.counts import image_rows
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.counting.map_counts import MapCounts, by_name, from_names
from pipeline_src.errors import UserError
from pipeline_src.files import atomic

RANKED = (*PROTOCOLS, "top")  # the counts whose pixels metrics sort
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "pb": 0}]
HEADER, IDS, IMAGES = "header.json", "ids.json.xz", "images"
# The ids of the images, what is kept by name, and a confusion matrix of several classes.
Run = tuple[list[str], dict[str, Kept], np.ndarray | None]
Load = Callable[[], Run]


class CountsFile:
    """The counts in a file that `write_counts` wrote; those of a method are read when they are asked for.

    Attributes:
        seeds: (data set, method) -> the seeds whose counts the file holds.

    Raises:
        UserError: there is no such file, or it is damaged.
    """

    def __init__(self, path: Path):
        self.path = path
        with self._readable(), ZipFile(path) as file:
            header = json.loads(file.read(HEADER))
            self._blocks, self._common = header["blocks"], {"bins": header["bins"]}
            self._common["precision"] = Precision(*header["precision"])
            self.seeds = {tuple(place.split("/")): block["seeds"] for place, block in self._blocks.items()}

    def read(self, part: str, method: str) -> dict[int, MapCounts]:
        """Seed -> counts of a method on a data set; UserError for a damaged file."""
        return {seed: counts_of(run) for seed, run in self.read_kept(part, method).items()}

    def read_kept(self, part: str, method: str) -> dict[int, Run]:
        """Seed -> what the file keeps of its counts."""
        with self._readable():
            with ZipFile(self.path) as file:
                ids = json.loads(lzma.decompress(file.read(f"{part}/{IDS}")))
                shared, stream = (Stream(file.read(f"{part}/{name}.npy.xz")) for name in (IMAGES, method))
            block = CountsBlock(images=len(ids), **self._common, **self._blocks[f"{part}/{method}"])
            kept, confusion = block.read(stream, block.read_shared(shared))
            if stream.left or shared.left:
                raise ValueError("more numbers than the header says")
            return {
                seed: (ids, {name: of[k] for name, of in kept.items()}, confusion[k])
                for k, seed in enumerate(block.seeds)
            }

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever damaged bytes make of zip, xz, json and numpy
            raise UserError(
                f"{self.path} is not a file of counts that can be read",
                found=f"{type(error).__name__}: {error}",
                expected="the file that `dense-calibration publish` wrote",
                fix=f"git checkout -- {self.path}",
            ) from error


def run_of(statistic: MapCounts, bins: int, exact: bool = True) -> Run:
    """Return the counts of a run as they are stored.

    Args:
        bins: a further number of bins in which pooled pixels stay exact.
        exact: keep the pixels of each image in groups of levels as they are. Else groups are wider and their pixels are
            rounded to about half their standard deviation over images (20 to 60 instead of 110 bytes for each image and
            run): 95 % intervals differ by a few percent of their width. Pooled bins and the pixels of images stay
            exact. Regions are kept of the unnormalized maps only.
    """
    counts, precision = by_name(statistic), EXACT if exact else ROUGH
    names = [name for name in counts if exact or not name.endswith("/stretched")]
    kept = {name: keep(counts[name], bins, whole_name(name) == name, name in RANKED, precision) for name in names}
    return image_rows(statistic.raw).ids, kept, statistic.confusion


def counts_of(run: Run) -> MapCounts:
    """The counts of which `run_of` kept something, in which some metrics differ a little."""
    ids, kept, confusion = run
    return from_names({name: restored(of, ids, name == "top") for name, of in kept.items()}, confusion)


def write_counts(
    path: Path, loads: Mapping[tuple[str, str], Mapping[int, Load]], bins: int, exact: bool = True, cores: int = 1
) -> None:
    """Write the counts of an experiment.

    Args:
        loads: (data set, method) -> seed -> what returns the counts of a run.
        bins, exact: those of `run_of`.
        cores: threads that compress.
    """
    shared: dict[str, dict[str, np.ndarray]] = {}
    with atomic(path) as temporary, ZipFile(temporary, "w") as file, ThreadPoolExecutor(cores) as pool:

        def add(name: str, content: bytes) -> None:
            file.writestr(ZipInfo(name), content)  # without the time: the same counts give the same bytes

        for (part, _), by_seed in loads.items():
            if part not in shared:
                ids, kept, _ = next(iter(by_seed.values()))()
                shared[part] = shared_pixels(kept)
                add(f"{part}/{IDS}", _squeezed(json.dumps(ids).encode()))
                add(f"{part}/{IMAGES}.npy.xz", _planes(shared[part].values()))
        made = pool.map(lambda key: _block(loads[key], shared[key[0]], bins, exact), loads)
        blocks = {}
        for (part, method), (about, content) in zip(loads, made, strict=True):
            add(f"{part}/{method}.npy.xz", content)
            blocks[f"{part}/{method}"] = about
        add(HEADER, json.dumps({"bins": bins, "precision": EXACT if exact else ROUGH, "blocks": blocks}).encode())


def _block(
    by_seed: Mapping[int, Load], shared: Mapping[str, np.ndarray], bins: int, exact: bool
) -> tuple[dict[str, Any], bytes]:
    """Return a method's entry of the header, and its counts."""
    runs = [load() for load in by_seed.values()]
    kept = {name: [run[1][name] for run in runs] for name in runs[0][1]}
    confusion = [run[2] for run in runs if run[2] is not None]
    first = next(iter(kept.values()))[0]
    unit = grain(first) if first.precision.rounded else 1
    surest = [(name, k) for name, of in kept.items() for k, one in enumerate(of) if len(one.surest)]
    classes = len(confusion[0]) if confusion else 0
    block = CountsBlock(len(runs[0][0]), bins, list(by_seed), list(kept), surest, classes, unit, first.precision)
    about = {key: value for key, value in asdict(block).items() if key not in ("images", "bins", "precision")}
    return about, _planes([*block.numbers(kept, shared), *confusion])


def _planes(arrays: Iterable[np.ndarray]) -> bytes:
    """Non-negative integers, compressed: all lowest bytes first, then the next ones, which are alike."""
    numbers = np.concatenate([array.reshape(-1) for array in arrays]).astype("<i8")
    planes = np.ascontiguousarray(numbers.view(np.uint8).reshape(-1, 8).T)
    file = io.BytesIO()
    np.lib.format.write_array(file, planes[: np.flatnonzero(planes.any(axis=1)).max(initial=0) + 1])
    return _squeezed(file.getvalue())


def _squeezed(content: bytes) -> bytes:
    return lzma.compress(content, check=lzma.CHECK_CRC32, filters=FILTERS)
