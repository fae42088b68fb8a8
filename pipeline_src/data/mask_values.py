"""The meaning of the values of unknown masks, and the difference between photos and masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from pipeline_src.data import image_io
from pipeline_src.data.image_io import UnreadableImageError
from pipeline_src.data.masks import MAX_CLASSES
from pipeline_src.errors import UserError, few
from pipeline_src.files import content

T = TypeVar("T")
SAMPLE_SIZE = 24  # files of a folder that are read to tell photos from masks
MAX_VALUES = 64  # a file with more values is a photo, unless they are the soft edges of a mask
VOID_RATIO = 4  # next to class ids, 255 is void if it is at most this many times as frequent


class MaskValues(NamedTuple):
    """The meaning of mask values: the value of an object that is not 255, or the class ids that occur."""

    foreground: int | None = None
    ids: Sequence[int] = ()

    @property
    def classes(self) -> int:
        """Number of classes, 0 for masks of one object."""
        return self.ids[-1] + 1 if self.ids else 0


def evenly_spaced(items: Sequence[T]) -> list[T]:
    """At most SAMPLE_SIZE of the items, evenly spaced."""
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, SAMPLE_SIZE).astype(int))]


def is_photo(file: Path) -> bool | None:
    """Whether a file is a photo; None if it cannot be read."""
    try:
        data = content(file)
        image_io.read_header(data)
        with image_io.open_image(data) as image:
            values = np.array(image if image.mode[0] in "LP1IF" and image.mode != "LA" else image.convert("RGB"))
    except (OSError, UnreadableImageError):
        return None
    if values.ndim == 3:
        if np.ptp(values.astype(np.int16), axis=2).max() > image_io.GREY_SPREAD:
            return True
        values = values[..., 1]
    if len(np.unique(values)) <= MAX_VALUES:
        return False
    return values.dtype != np.uint8 or not _is_soft(np.bincount(values.ravel(), minlength=256), 0.9)


def _is_soft(counts: np.ndarray, share: float) -> bool:
    """Whether pixels by value (256,) are mostly near 0 or 255, as in a mask with soft edges or JPEG noise."""
    return bool(counts[248:].any() and counts[:8].sum() + counts[248:].sum() >= share * counts.sum())


def interpret_masks(masks: Sequence[Path]) -> tuple[MaskValues, str]:
    """The meaning of the values of all masks, and a note; a single mask may hold the only object or the third id.

    Raises:
        UserError: no mask can be used, all are empty, or their values are neither those of an object nor class ids.
    """
    counts, palette, unreadable = np.zeros(256, np.int64), False, ""
    for path in masks:
        try:
            data = content(path)
            counts += np.bincount(image_io.mask_values(data, indices=True).ravel(), minlength=256)
            palette = palette or image_io.palette_indices(data) is not None
        except (OSError, UnreadableImageError) as error:  # `data check` lists all
            unreadable = f"{path}: {error}"
    values = counts.nonzero()[0].tolist()
    ids = [value for value in values if value not in (0, 255)]
    if not values:
        raise UserError("none of the masks can be used", found=unreadable)
    if values == [0]:
        raise UserError(f"all masks are empty, such as {masks[0]}", fix="for images without an object, add --ood")
    if counts[255] > VOID_RATIO * counts[ids].sum():  # other values are stray pixels, not ids
        return MaskValues(255 if palette else None), ""  # without `foreground`, the colors of a palette would count
    if len(ids) == 1 and (255 not in values or ids[0] < MAX_CLASSES):
        note = f"The masks have the values 0, {ids[0]} and 255; 255 counts as background (one object has no void)."
        return MaskValues(ids[0]), note if 255 in values else ""
    if ids[-1] < MAX_CLASSES:
        return MaskValues(ids=[value for value in values if value != 255]), ""
    if len(values) > MAX_VALUES or _is_soft(counts, 0.5):
        return MaskValues(), ""
    raise UserError(
        f"the masks have {len(values)} values that are neither those of an object nor class ids",
        found=few(values, 12),
        expected=f"0 and 255 for an object, or class ids 0, 1, 2... below {MAX_CLASSES}",
        fix="save them with these values, or write the entry yourself with `foreground:` or `classes:` and `void:`",
    )
