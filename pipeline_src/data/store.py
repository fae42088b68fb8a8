"""The reader of a store: images of a split, decoded and resized once, in memory-mapped arrays."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline_src.files import reading

SCHEMA = 2  # version of the format; stores of other versions are refused


class IndexRow(NamedTuple):
    """A sample of a store, an image with its mask: a line of index.csv.

    Attributes:
        id: "<set>/<stem>".
        height, width: original size in pixels.
        offset: position of the sample's first label in truth.npy, where labels of all samples
            follow each other.
        grey: number of the mask's pixels that are neither 0 nor 255.
        sha256_image, sha256_mask: digests of the files.
    """

    id: str
    height: int
    width: int
    offset: int
    grey: int
    sha256_image: str
    sha256_mask: str


class Store:
    """The preprocessed images and masks of a split, from the folder that `build` wrote.

    Arrays are read-only and memory-mapped: processes share them.

    Attributes:
        images: uint8 (N, size, size, 3), RGB.
        masks: uint8 (N, size, size), 0..255 with soft edges, or class ids; all zero for a set out
            of distribution.
        index: one `IndexRow` per sample.
        ids: sample ids, "<set>/<stem>".
        info: the content of store.json.
    """

    def __init__(self, folder: Path | str):
        """Open the arrays and the index of the store in `folder`.

        Raises:
            UserError: a file is missing or damaged, or the store has another format.
        """
        self.folder = Path(folder)
        fix = f"remove {self.folder}, and start the run again"
        with reading(f"data store {self.folder} cannot be read", fix=fix):
            self.info = json.loads((self.folder / "store.json").read_text(encoding="utf-8"))
            if self.info["schema"] != SCHEMA:
                raise ValueError(f"format {self.info['schema']} of store.json is not {SCHEMA}")
            self.images = np.load(self.folder / "images.npy", mmap_mode="r")
            self.masks = np.load(self.folder / "masks.npy", mmap_mode="r")
            self._truth = np.load(self.folder / "truth.npy", mmap_mode="r")
            self._grey = np.load(self.folder / "grey.npy", mmap_mode="r")
            with open(self.folder / "index.csv", encoding="utf-8", newline="") as file:
                self.index = [_index_row(cells) for cells in csv.DictReader(file)]
            if len(self.index) != len(self.images):
                raise ValueError(
                    f"index.csv has {len(self.index)} rows; images.npy has {len(self.images)} "
                    "images"
                )
        self.ids = [row.id for row in self.index]
        # grey.npy holds the places of all samples one after another; sample i ends at number i.
        self._grey_ends = np.cumsum([row.grey for row in self.index])

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle only the folder: worker processes map the files instead of receiving arrays."""
        return type(self), (self.folder,)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def classes(self) -> int:
        """The number of classes: 2 for masks of one object, else K for class ids 0..K-1."""
        return self.info.get("classes", 2)

    @property
    def size(self) -> int:
        """Height and width of `images` and `masks`."""
        return self.images.shape[1]

    def image(self, i: int) -> np.ndarray:
        """Return the image of sample `i`, uint8 (size, size, 3)."""
        return np.asarray(self.images[i])

    def truth(self, i: int) -> np.ndarray:
        """Return the labels of sample `i` at its original size, uint8 (H, W).

        Labels are 0 (background) and 1 (object, mask > 127), or class ids. `labels.NO_CLASS` and
        `labels.IGNORED` also occur.
        """
        row = self.index[i]
        labels = self._truth[row.offset : row.offset + row.height * row.width]
        return np.asarray(labels.reshape(row.height, row.width))

    def grey(self, i: int) -> np.ndarray:
        """Return the places of grey pixels of the mask of sample `i`, int32.

        A grey pixel is neither 0 nor 255 in the mask file. Places are positions in the flattened
        `truth`.
        """
        end = self._grey_ends[i]
        return np.asarray(self._grey[end - self.index[i].grey : end])


def _index_row(cells: dict[str, Any]) -> IndexRow:
    """Return the sample of a line of index.csv, whose cells are texts by column."""
    for name in ("height", "width", "offset", "grey"):
        cells[name] = int(cells[name])
    return IndexRow(**cells)
