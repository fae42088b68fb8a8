"""The meaning of the values of unknown masks, and whether unknown files are photos or masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from pipeline_src.data import image_io
from pipeline_src.data.image_headers import read_header
from pipeline_src.data.image_io import UnreadableImageError
from pipeline_src.data.masks import MAX_CLASSES, perhaps_ids
from pipeline_src.errors import UserError, few
from pipeline_src.files import content

T = TypeVar("T")
SAMPLE_SIZE = 24  # files of a folder that are read
MAX_VALUES = 64  # more greys or colors make a photo, unless they are the soft edges of a mask
VOID_RATIO = 4  # next to class ids, 255 is void if at most this many times more frequent than they are


def evenly_spaced(items: Sequence[T], count: int = SAMPLE_SIZE) -> list[T]:
    """At most `count` of the items, evenly spaced."""
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, count).astype(int))] if items else []


def image_kind(paths: Sequence[Path]) -> str:
    """image, mask, or color for masks whose classes are colors: the majority of a sample of the files."""
    votes = [kind for path in evenly_spaced(paths) if (kind := _kind_of_file(path))]
    return max(("image", "mask", "color"), key=votes.count) if votes else "image"


def _kind_of_file(path: Path) -> str | None:
    try:
        data = content(path)
        read_header(data)
        image = image_io.open_image(data)
    except (OSError, UnreadableImageError):
        return None
    values = np.array(image if image.mode[0] in "LP1IF" and image.mode != "LA" else image.convert("RGB"))
    if values.ndim == 3:
        if np.ptp(values.astype(np.int16), axis=2).max() > image_io.GREY_SPREAD:
            uniform = len(np.unique(values.reshape(-1, 3), axis=0)) <= MAX_VALUES
            return "color" if uniform and path.suffix.lower() == ".png" else "image"
        values = values[..., 1]
    if len(np.unique(values)) <= MAX_VALUES:
        return "mask"
    if values.dtype != np.uint8:
        return "image"
    return "mask" if _is_soft(np.bincount(values.ravel(), minlength=256), 0.9) else "image"


def _is_soft(counts: np.ndarray, share: float) -> bool:
    """Whether pixels by value (256,) are mostly near 0 or 255, as in a mask with soft edges or JPEG noise."""
    return bool(counts[248:].any() and counts[:8].sum() + counts[248:].sum() >= share * counts.sum())


@dataclass(frozen=True)
class MaskValues:
    """The meaning of the values of masks.

    Attributes:
        foreground: value of the object if it is not 255.
        classes: number of classes if the values are ids, else 0.
        ids: ids that occur.
        void: value of void pixels next to class ids, if it is not 255.
        note: a remark for the user.
    """

    foreground: int | None = None
    classes: int = 0
    ids: Sequence[int] = ()
    void: int | None = None
    note: str = ""


def interpret_masks(masks: Iterable[Path]) -> MaskValues:
    """Read all masks: the only mask with an object, or with a third id, may be any of them.

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
    if not counts.any():
        raise UserError("none of the masks can be used", found=unreadable)
    return _meaning(counts, palette, path)


def _meaning(counts: np.ndarray, palette: bool, path: Path) -> MaskValues:
    """The meaning of values with these counts; `path` is an example of the masks."""
    values = counts.nonzero()[0].tolist()
    ids = [value for value in values if value not in (0, 255)]
    if values == [0]:
        raise UserError(f"all masks are empty, such as {path}", fix="for images without an object, add --ood")
    if counts[255] > VOID_RATIO * counts[ids].sum():  # other values are stray pixels, not ids
        # Without `foreground`, the colors of a palette would count.
        return MaskValues(255 if palette else None, note=perhaps_ids(counts))
    if len(ids) == 1 and (255 not in values or ids[0] < MAX_CLASSES):
        note = f"The masks have the values 0, {ids[0]} and 255; 255 counts as background (one object has no void)."
        return MaskValues(ids[0], note=note if 255 in values else "")
    if ids[-1] < MAX_CLASSES:
        return MaskValues(classes=ids[-1] + 1, ids=[v for v in values if v != 255])
    *small, void = values
    frequent = counts[void] > VOID_RATIO * counts[ids[:-1]].sum()  # an object, whose edges are the other values
    if 255 not in values and len(ids) > 2 and small[-1] < MAX_CLASSES and not frequent:
        note = f"{void} counts as void: all other values of the masks are ids of classes."
        return MaskValues(classes=small[-1] + 1, ids=small, void=void, note=note)
    if len(values) > MAX_VALUES or _is_soft(counts, 0.5):
        return MaskValues()
    raise UserError(
        f"the masks have {len(values)} values that are neither those of an object nor class ids",
        found=few(values, 12),
        expected=f"0 and 255 for an object, or class ids 0, 1, 2... below {MAX_CLASSES}",
        fix="save them with these values, or write the entry yourself with `foreground:`, the value of the object",
    )
