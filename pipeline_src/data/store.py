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


class Store:
    """Images and masks of a part. Arrays are read-only and memory-mapped, so that processes share them.

    Attributes:
        images: uint8 (N, size, size, 3), RGB.
        masks: uint8 (N, size, size), 0..255 with soft edges; all zero for an OOD set.
        index: one `IndexRow` per sample.
        ids: sample ids, "<set>/<stem>".
        info: the content of store.json.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        try:
            self.info = json.loads((self.folder / "store.json").read_text(encoding="utf-8"))
            self.images = np.load(self.folder / "images.npy", mmap_mode="r")
            self.masks = np.load(self.folder / "masks.npy", mmap_mode="r")
            self._truth = np.load(self.folder / "truth.npy", mmap_mode="r")
            self._grey = np.load(self.folder / "grey.npy", mmap_mode="r")
            with open(self.folder / "index.csv", encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        except FileNotFoundError as error:
            raise UserError(f"there is no data store in {self.folder}", found=error, do="build it first") from error
        if self.info["schema"] != SCHEMA:
            raise UserError(
                f"data store {self.folder} has another format",
                found=self.info["schema"],
                expected=SCHEMA,
                do="remove the folder and build it again",
            )
        integers = {"height", "width", "offset", "grey"}
        self.index = [
            IndexRow(**{key: int(value) if key in integers else value for key, value in row.items()}) for row in rows
        ]
        self.ids = [row.id for row in self.index]
        self._grey_ends = np.cumsum([row.grey for row in self.index])

    @classmethod
    def open(cls, folder: Path | str) -> Store:
        """The store in `folder`; UserError if there is none."""
        return cls(Path(folder))

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

    def truth(self, i: int) -> np.ndarray:
        """Labels of sample `i` at its original size, uint8 (H, W): 0 background and 1 object (mask > 127), or class
        ids; also `labels.NO_CLASS` and `labels.IGNORED`."""
        row = self.index[i]
        return self._truth[row.offset : row.offset + row.height * row.width].reshape(row.height, row.width)

    def grey(self, i: int) -> np.ndarray:
        """The pixels of sample `i` whose mask is neither 0 nor 255, as places in its flattened `truth`, int32."""
        return self._grey[self._grey_ends[i] - self.index[i].grey : self._grey_ends[i]]
