"""The two kinds of masks: grey masks of one object, and masks of class ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from pipeline_src.data import image_io
from pipeline_src.data.entry import Entry, Layout
from pipeline_src.data.image_io import UnreadableImageError
from pipeline_src.data.manifest import Problem, Row
from pipeline_src.errors import few
from pipeline_src.labels import IGNORED

MAX_CLASSES = 64  # larger values of unknown masks are greys
LARGE = 0.6  # share of object pixels from which a mask looks inverted; of DUTS-TR, 2 % of the masks are larger


class StoredMask(NamedTuple):
    """A mask as a store holds it.

    Attributes:
        mask: uint8 (size, size), at the network's size.
        labels: uint8 (H, W), at the original size.
        grey: places of grey pixels in the flattened labels.
    """

    mask: np.ndarray
    labels: np.ndarray
    grey: np.ndarray


def create_masks(entry: Entry, layout: Layout) -> ObjectMasks | ClassMasks:
    """Masks of class ids if the dataset has classes, else masks of one object."""
    return ClassMasks(entry) if entry.classes else ObjectMasks(entry, layout)


class ObjectMasks:
    """Masks of one object: 0 background, 255 object (or `foreground`), greys between them for soft edges."""

    def __init__(self, entry: Entry, layout: Layout):
        self.entry, self.layout = entry, layout
        self.counts = np.zeros(256, np.int64)  # pixels by value, of the masks read so far

    def read(self, row: Row, data: bytes) -> tuple[int, ...]:
        """The shape (H, W) of a mask file; fills in `foreground` and `grey` of its row.

        Raises:
            UnreadableImageError: the file cannot be used.
        """
        foreground = self.layout.foreground
        if foreground is not None:
            _check_lossless(data, "the value `foreground`", ", or leave out `foreground` if its values are 0 and 255")
        stored = image_io.mask_values(data, foreground is not None)
        mask = image_io.as_mask(stored, foreground)
        self.counts += np.bincount(stored.ravel(), minlength=256)
        row.grey = int(np.count_nonzero((mask > 0) & (mask < 255)))
        row.foreground = float(np.count_nonzero(mask > 127) / mask.size)
        return mask.shape

    def problems(self, rows: Sequence[Row]) -> list[Problem]:
        """One problem if no mask shows an object: most likely the object has another value."""
        if any(row.foreground or not row.mask for row in rows):
            return []
        if largest := self.counts.nonzero()[0].max():
            fix = f"if {largest} is the value of the object, write `foreground: {largest}` into the dataset"
        else:
            fix = "if these images show no object, write `ood: true` into the dataset"
        return [Problem(" or ".join(self.layout.masks), "no mask has an object", fix)]

    def notes(self, rows: Sequence[Row]) -> list[str]:
        """Facts and warnings about the masks."""
        notes = []
        foreground, values = self.layout.foreground, self.counts.nonzero()[0].tolist()
        if 2 * (large := sum(row.foreground > LARGE for row in rows)) > len(rows):
            notes.append(
                f"WARNING: in {large:,} of {len(rows):,} masks the object covers more than {LARGE:.0%} of the image. "
                f"If the masks are inverted, write `foreground: {0 if foreground is None else 'N'}` (the value of the "
                "object) into the dataset"
            )
        ids = [value for value in values if value not in (0, 255)]
        if foreground is None and 255 in values and ids and ids[-1] < MAX_CLASSES:
            notes.append(
                f"The masks have the values {few(ids)} and 255: 255 counts as the object, {few(ids)} as background. "
                "If these values are classes and 255 is void, write `classes:`."
            )
        if foreground is not None and (unexpected := [v for v in values if v not in (0, foreground)]):
            notes.append(f"masks have values that count as background: {few(unexpected, 5)}")
        if grey := sum(row.grey for row in rows):
            share = grey / sum(row.height * row.width for row in rows)
            notes.append(f"{share:.2%} of the mask pixels are grey; above 127 they count as object")
        if empty := sum(row.foreground == 0 and bool(row.mask) for row in rows):
            notes.append(f"{empty:,} masks have no object")
        return notes

    def summary(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Numbers for summary.json."""
        return {
            "pixels": sum(row.height * row.width for row in rows),
            "grey_pixels": sum(row.grey for row in rows),
            "grey_masks": sum(row.grey > 0 for row in rows),
            "empty_masks": 0 if self.entry.ood else sum(row.foreground == 0 for row in rows),
            "mean_foreground": round(float(np.mean([row.foreground for row in rows])), 6),
        }

    def load(self, data: bytes, size: int) -> StoredMask:
        """The mask file of a sample, for the store of networks of this size."""
        mask = image_io.decode_mask(data, self.layout.foreground)
        grey = np.flatnonzero((mask > 0) & (mask < 255))
        return StoredMask(image_io.resize(mask, size), (mask > 127).astype(np.uint8), grey)

    def store_info(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Facts for store.json."""
        return {"ood": self.entry.ood, "grey_pixels": sum(row.grey for row in rows)}


class ClassMasks:
    """Masks of class ids, with the methods of `ObjectMasks`; `foreground` is the share of pixels that are not void."""

    def __init__(self, entry: Entry):
        self.entry = entry
        self.pixels: dict[str, np.ndarray] = {}  # pixels by id, of each mask read so far

    def read(self, row: Row, data: bytes) -> tuple[int, ...]:
        _check_lossless(data, "class ids")
        labels = self._decode(data)
        self.pixels[row.id] = np.bincount(labels.ravel(), minlength=IGNORED + 1)
        row.foreground = float(1 - self.pixels[row.id][IGNORED] / labels.size)
        return labels.shape

    def problems(self, rows: Sequence[Row]) -> list[Problem]:
        return []

    def notes(self, rows: Sequence[Row]) -> list[str]:
        counts = self.summary(rows)["class_pixels"]
        return [f"no pixel is of the class {name}" for name, count in counts.items() if not count]

    def summary(self, rows: Sequence[Row]) -> dict[str, Any]:
        pixels = sum((self.pixels[row.id] for row in rows), np.zeros(IGNORED + 1, np.int64))
        by_class = dict(zip(self.entry.classes, pixels.tolist(), strict=False))
        return {"pixels": int(pixels.sum()), "void_pixels": int(pixels[IGNORED]), "class_pixels": by_class}

    def load(self, data: bytes, size: int) -> StoredMask:
        labels = self._decode(data)
        resized = cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
        return StoredMask(resized, labels, np.empty(0, np.int64))

    def store_info(self, rows: Sequence[Row]) -> dict[str, Any]:
        return {"classes": len(self.entry.classes), "ood": False}

    def _decode(self, data: bytes) -> np.ndarray:
        """A mask file as uint8 (H, W): 0 to classes - 1, and 255 for void.

        Raises:
            UnreadableImageError: not an image, cut off, or with other values.
        """
        classes, void = len(self.entry.classes), self.entry.void
        with image_io.open_image(data) as image:
            mode, labels = image.mode, np.array(image)
        if mode not in ("L", "P"):
            fix = "save it with 8 bits, the class id as value"
            raise UnreadableImageError(f"mask of classes has the mode {mode}", fix)
        values = np.unique(labels)
        invalid = values[(values >= classes) & (values != void)]
        if invalid.size:
            values_text = ", ".join(map(str, invalid[:5]))
            raise UnreadableImageError(
                f"mask has the values {values_text}, neither a class (0 to {classes - 1}) nor void",
                f"correct it, or `classes` and `void` (now {void}) of the dataset",
            )
        labels[labels == void] = IGNORED
        return labels


def _check_lossless(data: bytes, values: str, fix: str = "") -> None:
    """Refuse a JPEG file where single values count: compression changes them."""
    if data.startswith(image_io.JPEG):
        problem = f"mask is a JPEG file, which does not keep {values}"
        raise UnreadableImageError(problem, f"save it as PNG, not from the JPEG{fix}")
