"""The counts of all runs of an experiment in one file: what `compact` keeps, in few bytes.

The file is a ZIP archive. Each member is compressed by xz, and any tool can open it:

- `header.json`: `bins`; the `precision` (`compact.Precision`); `blocks`, which maps each `DATASET/METHOD` to its
  `seeds`, the `names` of its counts, which of these have `surest` cells, the number of `classes` of a confusion matrix
  (0 for two classes), and the `unit` to which pixels of images are rounded.
- `DATASET/ids.json.xz`: the ids of the N images. `DATASET/images.npy.xz`: height, width and, for each name, the
  pixels of both labels of every image: all runs share them, so a block holds the differences only.
- `DATASET/METHOD.npy.xz`: a block, the counts of a method's seeds as one stream of non-negative integers. The array
  is uint8 of shape (planes, numbers), least significant bytes first. `compact_block.Block.numbers` lists the order of
  the numbers.
"""

from __future__ import annotations

import io
import json
import lzma
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np

from pipeline_src.counting.compact import ROUGH, Precision, StoredCounts, compact, restore
from pipeline_src.counting.compact_block import SIZE, Block, Stream
from pipeline_src.counting.counts import image_rows
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.errors import UserError
from pipeline_src.files import atomic

RANKED = (*PROTOCOLS, "top")  # the counts whose pixels metrics sort
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "pb": 0}]
HEADER, IDS, IMAGES = "header.json", "ids.json.xz", "images"
# The ids of the images, the stored counts by name, and a confusion matrix of several classes.
Run = tuple[list[str], dict[str, StoredCounts], np.ndarray | None]
Load = Callable[[], Run]


class CountsFile:
    """The counts in a file that `write_counts` wrote; those of a method are read when they are asked for.

    Attributes:
        seeds: (dataset, method) -> the seeds whose counts the file holds.

    Raises:
        UserError: there is no such file, or it is damaged.
    """

    def __init__(self, path: Path):
        self.path = path
        with self._readable(), ZipFile(path) as file:
            header = json.loads(file.read(HEADER))
            self._blocks = header["blocks"]
            self._common = {"bins": header["bins"], "precision": Precision(*header["precision"])}
            self.seeds = {tuple(place.split("/")): block["seeds"] for place, block in self._blocks.items()}

    def read(self, part: str, method: str) -> dict[int, MapCounts]:
        """Seed -> counts of a method on a dataset; UserError for a damaged file."""
        return {seed: restored_run(run) for seed, run in self.read_runs(part, method).items()}

    def read_runs(self, part: str, method: str) -> dict[int, Run]:
        """Seed -> what the file stores of its counts."""
        with self._readable():
            with ZipFile(self.path) as file:
                ids = json.loads(lzma.decompress(file.read(f"{part}/{IDS}")))
                shared, stream = (Stream(file.read(f"{part}/{name}.npy.xz")) for name in (IMAGES, method))
            block = Block(images=len(ids), **self._common, **self._blocks[f"{part}/{method}"])
            stored, confusion = block.read(stream, block.read_shared(shared))
            return {
                seed: (ids, {name: by_seed[k] for name, by_seed in stored.items()}, confusion[k])
                for k, seed in enumerate(block.seeds)
            }

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


def compact_run(statistic: MapCounts, bins: int, precision: Precision = ROUGH) -> Run:
    """Return the counts of a run as they are stored; of regions those of the unnormalized maps only if `ROUGH`.

    Groups of levels are rounded on writing to about half their standard deviation over images (20 to 60 bytes for each
    image and run): 95 % intervals differ by a few percent of their width. Pooled bins and the pixels of images stay
    exact, also in `bins` further bins.
    """
    counts = statistic.counts
    names = [name for name in counts if not (precision.rounded and name.endswith("/stretched"))]
    stored = {name: compact(counts[name], bins, "/" in name, name in RANKED, precision) for name in names}
    return image_rows(statistic.raw).ids, stored, statistic.confusion


def restored_run(run: Run) -> MapCounts:
    """The counts of which `compact_run` stored a part; some metrics differ a little."""
    ids, stored, confusion = run
    return MapCounts({name: restore(counts, ids, name == "top") for name, counts in stored.items()}, confusion)


def write_counts(path: Path, loads: Mapping[tuple[str, str], Mapping[int, Load]], bins: int, cores: int = 1) -> None:
    """Write the counts of an experiment.

    Args:
        loads: (dataset, method) -> seed -> a function that returns `compact_run` of a run.
        bins: as for `compact_run`.
        cores: threads that compress.
    """
    shared: dict[str, dict[str, np.ndarray]] = {}
    with atomic(path) as temporary, ZipFile(temporary, "w") as file, ThreadPoolExecutor(cores) as pool:

        def add(name: str, content: bytes) -> None:
            file.writestr(ZipInfo(name), content)  # without the time: the same counts give the same bytes

        for (part, _), by_seed in loads.items():
            if part not in shared:
                ids, stored, _ = next(iter(by_seed.values()))()
                shared[part] = _shared_pixels(stored)
                add(f"{part}/{IDS}", _compress(json.dumps(ids).encode()))
                add(f"{part}/{IMAGES}.npy.xz", _compress_numbers(shared[part].values()))
        contents = pool.map(lambda key: _block(loads[key], shared[key[0]], bins), loads)
        blocks = {}
        for (part, method), (entry, content) in zip(loads, contents, strict=True):
            add(f"{part}/{method}.npy.xz", content)
            blocks[f"{part}/{method}"] = entry
        add(HEADER, json.dumps({"bins": bins, "precision": ROUGH, "blocks": blocks}).encode())


def _block(by_seed: Mapping[int, Load], shared: Mapping[str, np.ndarray], bins: int) -> tuple[dict[str, Any], bytes]:
    """A method's entry of the header, and its counts."""
    runs = [load() for load in by_seed.values()]
    stored = {name: [run[1][name] for run in runs] for name in runs[0][1]}
    confusion = [run[2] for run in runs if run[2] is not None]
    surest = [(name, k) for name, counts in stored.items() for k, seed in enumerate(counts) if len(seed.surest)]
    first = next(iter(stored.values()))[0]
    # About half the standard deviation of a group's pixels over images, in the median over groups.
    spread = float(np.median(first.groups[1:-1].std(axis=2)))
    unit = 1 << max(0, round(math.log2(max(1.0, spread / 2))))
    classes = len(confusion[0]) if confusion else 0
    block = Block(len(runs[0][0]), bins, list(by_seed), list(stored), surest, classes, unit, ROUGH)
    entry = {key: value for key, value in asdict(block).items() if key not in ("images", "bins", "precision")}
    return entry, _compress_numbers([*block.numbers(stored, shared), *confusion])


def _shared_pixels(stored: Mapping[str, StoredCounts]) -> dict[str, np.ndarray]:
    """What all runs on a dataset share: (2, N) height and width, and by name the pixels of both labels."""
    first = next(iter(stored.values()))
    assert first.table is not None
    return {SIZE: first.table.values[:2]} | {name: counts.groups.sum(axis=0) for name, counts in stored.items()}


def _compress_numbers(arrays: Iterable[np.ndarray]) -> bytes:
    """Non-negative integers: all lowest bytes first, then the next ones, which are alike."""
    numbers = np.concatenate([array.reshape(-1) for array in arrays]).astype("<i8")
    planes = np.ascontiguousarray(numbers.view(np.uint8).reshape(-1, 8).T)
    file = io.BytesIO()
    np.lib.format.write_array(file, planes[: np.flatnonzero(planes.any(axis=1)).max(initial=0) + 1])
    return _compress(file.getvalue())


def _compress(content: bytes) -> bytes:
    return lzma.compress(content, check=lzma.CHECK_CRC32, filters=FILTERS)
