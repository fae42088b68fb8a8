"""The two kinds of masks: grey masks of one object, and masks of class ids.

Each kind has a reader: it checks the masks of a dataset, and decodes them for a store of
preprocessed images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from pipeline_src.data import image_io
from pipeline_src.data.entry import Entry, Layout
from pipeline_src.data.manifest import Problem, Row
from pipeline_src.labels import IGNORED

# Share of object pixels above which a mask looks inverted. 2 % of the masks of DUTS-TR have more.
LARGE = 0.6


class StoredMask(NamedTuple):
    """A mask in the two sizes that a store of preprocessed images holds.

    Attributes:
        mask: uint8 (size, size), at the network's size, for training; soft in 0..255 or class ids.
        labels: uint8 (H, W), at the original size, for evaluation; class ids, or 0 and 1.
        grey: places in the flattened labels of pixels whose mask is neither 0 nor 255.
    """

    mask: np.ndarray
    labels: np.ndarray
    grey: np.ndarray


def create_masks(entry: Entry, layout: Layout) -> ObjectMasks | ClassMasks:
    """Return the reader of a dataset's masks, of class ids if it has classes, else one object."""
    return ClassMasks(entry) if entry.classes else ObjectMasks(layout)


class ObjectMasks:
    """A reader of masks of one object: 0 background, 255 object, greys for soft edges.

    `foreground` of the layout may be another value of the object: then all others are background.
    """

    def __init__(self, layout: Layout):
        self.layout = layout

    def inspect(self, row: Row, data: bytes) -> tuple[int, ...]:
        """Return the shape (H, W) of a mask, decoded from `data`, the bytes of its file.

        Also fills in its row: `foreground`, the share of pixels above 127, and `grey`, the number
        of pixels that are neither 0 nor 255.

        Raises:
            UnreadableImageError: the file cannot be used.
        """
        mask = image_io.decode_mask(data, self.layout.foreground)
        row.grey = _grey(mask).size
        row.foreground = float(np.count_nonzero(mask > 127) / mask.size)
        return mask.shape

    def problems(self, rows: Sequence[Row]) -> list[Problem]:
        """Return a problem if no mask shows an object, because `foreground` is probably wrong.

        The list is empty if a mask shows an object, or if some image has no mask: then the dataset
        may have no objects.
        """
        if not rows or any(row.foreground or not row.mask for row in rows):
            return []
        return [
            Problem(
                " or ".join(self.layout.masks),
                "no mask has an object",
                "write `foreground:` with the value of the object, or `ood: true` for images "
                "without one",
            )
        ]

    def notes(self, rows: Sequence[Row]) -> list[str]:
        """Return texts about the masks of a dataset: inverted masks, grey pixels and empty masks.

        Each text is a sentence; a warning starts with WARNING.
        """
        notes = []
        large = sum(row.foreground > LARGE for row in rows)
        if 2 * large > len(rows):  # most masks
            # In an inverted mask of 0 and 255 the object is 0. Other values only the user knows: N
            # stands for one.
            value = 0 if self.layout.foreground is None else "N"
            notes.append(
                f"WARNING: in {large:,} of {len(rows):,} masks the object covers more than "
                f"{LARGE:.0%} of the image. If the masks are inverted, write "
                f"`foreground: {value}` (the value of the object) into the dataset"
            )
        grey = sum(row.grey for row in rows)
        if grey:
            share = grey / sum(row.height * row.width for row in rows)
            notes.append(f"{share:.2%} of the mask pixels are grey; above 127 they count as object")
        empty = sum(row.foreground == 0 and bool(row.mask) for row in rows)
        if empty:
            notes.append(f"{empty:,} masks have no object")
        return notes

    def load(self, data: bytes, size: int) -> StoredMask:
        """Return a mask file, the bytes `data`, decoded at `size` x `size` and at its own size."""
        mask = image_io.decode_mask(data, self.layout.foreground)
        labels = (mask > 127).astype(np.uint8)
        return StoredMask(image_io.resize(mask, size), labels, _grey(mask))


def _grey(mask: np.ndarray) -> np.ndarray:
    """Return the places in a flattened mask of grey pixels, those that are neither 0 nor 255."""
    return np.flatnonzero((mask > 0) & (mask < 255))


class ClassMasks:
    """A reader of masks of class ids, with the methods of `ObjectMasks`.

    A mask may have void pixels, which never count. They get the label `IGNORED`.
    """

    def __init__(self, entry: Entry):
        self.entry = entry
        self.pixels_of_id = np.zeros(IGNORED + 1, np.int64)  # of all masks read so far

    def inspect(self, row: Row, data: bytes) -> tuple[int, ...]:
        """Return the shape (H, W) of a mask, decoded from `data`, the bytes of its file.

        Also sets its row's `foreground`, the share of pixels that are not void, and counts the
        pixels of each class id for `notes`.

        Raises:
            UnreadableImageError: the file cannot be used.
        """
        labels = self._decode(data)
        self.pixels_of_id += np.bincount(labels.ravel(), minlength=IGNORED + 1)
        row.foreground = float(np.count_nonzero(labels != IGNORED) / labels.size)
        return labels.shape

    def problems(self, rows: Sequence[Row]) -> list[Problem]:
        """Return no problem: `inspect` checks each mask of class ids by itself."""
        return []

    def notes(self, rows: Sequence[Row]) -> list[str]:
        """Return a text for each class that has no pixel in the masks that `inspect` read."""
        notes = []
        for number, name in enumerate(self.entry.classes):
            if not self.pixels_of_id[number]:
                notes.append(f"no pixel is of the class {name}")
        return notes

    def load(self, data: bytes, size: int) -> StoredMask:
        """Return a mask file, the bytes `data`, decoded at `size` x `size` and at its own size.

        Class ids are resized by the nearest pixel, and no pixel is grey.
        """
        labels = self._decode(data)
        resized = cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
        return StoredMask(resized, labels, grey=np.empty(0, np.int64))

    def _decode(self, data: bytes) -> np.ndarray:
        """Return the class ids of a mask file, uint8 (H, W), `IGNORED` where it is void."""
        return image_io.decode_labels(data, len(self.entry.classes), self.entry.void)
