"""A part of a data set, decoded and resized once, in memory-mapped arrays."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline_src.errors import UserError

SCHEMA = 2


class IndexRow(NamedTuple):
    """A sample of a store; `offset`: start of its labels in truth.npy, `grey`: mask pixels neither 0 nor 255."""

    id: str
    height: int
    width: int
    offset: int
    grey: int
    sha256_image: str
    sha256_mask: str


def _index_row(cells: dict[str, str]) -> IndexRow:
    integers = {"height", "width", "offset", "grey"}
    return IndexRow(**{key: int(value) if key in integers else value for key, value in cells.items()})


class Store:
    """Images and masks of a part, in a folder; UserError if there are none. Arrays are read-only and memory-mapped, so
    that processes share them.

    Attributes:
        images: uint8 (N, size, size, 3), RGB.
        masks: uint8 (N, size, size), 0..255 with soft edges; all zero for an OOD set.
        index: one `IndexRow` per sample.
        ids: sample ids, "<set>/<stem>".
        info: the content of store.json.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        try:
            self.info = json.loads(self._file("store.json").read_text(encoding="utf-8"))
            if self.info["schema"] != SCHEMA:
                raise UserError(
                    f"data store {self.folder} has another format",
                    found=self.info["schema"],
                    expected=SCHEMA,
                    do="remove the folder and build it again",
                )
            self.images, self.masks, self._truth, self._grey = (
                np.load(self._file(f"{name}.npy"), mmap_mode="r") for name in ("images", "masks", "truth", "grey")
            )
            with open(self._file("index.csv"), encoding="utf-8", newline="") as file:
                self.index = [_index_row(row) for row in csv.DictReader(file)]
            self._check_sizes()
        except FileNotFoundError as error:
            raise UserError(f"there is no data store in {self.folder}", found=error, do="build it first") from error
        except UserError:
            raise
        except Exception as error:  # whatever a damaged file makes numpy, json or csv raise
            raise UserError(
                f"{self.folder / self._reading} of a data store cannot be read",
                found=f"{type(error).__name__}: {error}",
                expected="the file that the step `store` wrote",
                do=f"remove {self.folder}, and start the run again",
            ) from error
        self.ids = [row.id for row in self.index]
        self._grey_ends = np.cumsum([row.grey for row in self.index])

    def _file(self, name: str) -> Path:
        self._reading = name
        return self.folder / name

    def _check_sizes(self) -> None:
        """ValueError where a file is of another length than the index says."""
        pixels, grey = sum(row.height * row.width for row in self.index), sum(row.grey for row in self.index)
        square = (len(self.index), *self.images.shape[1:2] * 2)
        expected = {"images": (*square, 3), "masks": square, "_truth": (pixels,), "_grey": (grey,)}
        for name, shape in expected.items():
            if (actual := getattr(self, name).shape) != shape:
                self._reading = f"{name.strip('_')}.npy"
                raise ValueError(f"an array of shape {actual}; index.csv is of {shape}")

    def __reduce__(self):  # worker processes map the files themselves instead of receiving the content
        return type(self), (self.folder,)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def classes(self) -> int:
        """2 for masks of one object class, else the K of masks of class ids 0..K-1."""
        return self.info.get("classes", 2)

    @property
    def size(self) -> int:
        """Height and width of `images` and `masks`."""
        return self.images.shape[1]

    def image(self, i: int) -> np.ndarray:
        """What the network sees of sample `i`, uint8 (size, size, 3)."""
        return self.images[i]

    def truth(self, i: int) -> np.ndarray:
        """Labels of sample `i` at its original size, uint8 (H, W): 0 background and 1 object (mask > 127), or class
        ids; also `labels.NO_CLASS` and `labels.IGNORED`."""
        row = self.index[i]
        return self._truth[row.offset : row.offset + row.height * row.width].reshape(row.height, row.width)

    def grey(self, i: int) -> np.ndarray:
        """The pixels of sample `i` whose mask is neither 0 nor 255, as places in its flattened `truth`, int32."""
        return self._grey[self._grey_ends[i] - self.index[i].grey : self._grey_ends[i]]
