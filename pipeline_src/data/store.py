"""A part of a data set, decoded and resized once, in memory-mapped arrays."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline_src.errors import UserError

SCHEMA = 1


class IndexRow(NamedTuple):
    """A sample of a store; `offset`: where its mask starts in truth.npy, `grey`: mask pixels neither 0 nor 255."""

    id: str
    height: int
    width: int
    offset: int
    grey: int
    sha256_image: str
    sha256_mask: str


class Store:
    """Images and masks of a part; arrays are read-only and memory-mapped, so that processes share them.

    Attributes:
        images: uint8 (N, size, size, 3), RGB.
        masks: uint8 (N, size, size), 0..255 with soft edges; all zero for an OOD set.
        index: one `IndexRow` per sample.
        ids: sample ids, "<set>/<stem>".
        info: what store.json holds.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        try:
            self.info = json.loads((self.folder / "store.json").read_text(encoding="utf-8"))
            self.images = np.load(self.folder / "images.npy", mmap_mode="r")
            self.masks = np.load(self.folder / "masks.npy", mmap_mode="r")
            self._truth = np.load(self.folder / "truth.npy", mmap_mode="r")
            with open(self.folder / "index.csv", encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        except FileNotFoundError as error:
            raise UserError(f"no data store in {self.folder}", found=error, do="build it first") from error
        if self.info["schema"] != SCHEMA:
            raise UserError(
                f"data store {self.folder} is of another version",
                found=self.info["schema"],
                expected=SCHEMA,
                do="remove the folder and build it again",
            )
        whole = {"height", "width", "offset", "grey"}
        self.index = [
            IndexRow(**{key: int(value) if key in whole else value for key, value in row.items()}) for row in rows
        ]
        self.ids = [row.id for row in self.index]

    @classmethod
    def open(cls, folder: Path | str) -> Store:
        """The store in `folder`; UserError if there is none."""
        return cls(Path(folder))

    def __reduce__(self):  # a worker process maps the files itself instead of being sent their content
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
        """Mask of sample `i` in its original size, uint8 (H, W): 0 background, 1 object (mask > 127), or the class id;
        254 where no class is right, 255 ignored."""
        row = self.index[i]
        return self._truth[row.offset : row.offset + row.height * row.width].reshape(row.height, row.width)
