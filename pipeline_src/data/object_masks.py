"""What the masks of an object tell: of each sample, and of the whole set."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pipeline_src.data import images
from pipeline_src.data.catalog import Layout
from pipeline_src.data.manifest import Row
from pipeline_src.data.verify import Problem


class ObjectMasks:
    """Reads masks one by one and keeps in mind which values they hold.

    Attributes:
        values: all values that a mask holds.
        others: those that are neither 0 nor `foreground`, where the set gives that key.
        strange: number of masks with such values.
    """

    def __init__(self) -> None:
        self.values: set[int] = set()
        self.others: set[int] = set()
        self.strange = 0

    def read(self, row: Row, data: bytes, layout: Layout) -> tuple[int, ...]:
        """Fill in the row's grey and foreground; shape of the mask. Unreadable as `images.decode_mask`."""
        held = images.mask_values(data, layout.foreground is not None)
        mask = images.as_mask(held, layout.foreground)
        values = set(np.bincount(held.ravel()).nonzero()[0].tolist())
        self.values |= values
        if layout.foreground is not None and (others := values - {0, layout.foreground}):
            self.others |= others
            self.strange += 1
        row.grey = int(np.count_nonzero((mask > 0) & (mask < 255)))
        row.foreground = float(np.count_nonzero(mask > 127) / mask.size)
        return mask.shape

    def doubts(self, rows: Iterable[Row], layout: Layout) -> list[Problem]:
        """One problem if no mask shows an object: what is meant to be it has another value, most likely."""
        if any(row.foreground or not row.mask for row in rows):
            return []
        largest = max(self.values)
        if largest:
            do = f"if {largest} stands for the object, write `foreground: {largest}` into the data set"
        else:
            do = "if there is nothing to find in these images, write `ood: true` into the data set"
        return [Problem(" or ".join(layout.masks), "no mask has an object", do)]

    def notes(self) -> list[str]:
        if not self.strange:
            return []
        values = ", ".join(map(str, sorted(self.others)[:5])) + (", ..." if len(self.others) > 5 else "")
        return [f"{self.strange:,} masks hold values besides 0 and `foreground`, which count as background: {values}"]
