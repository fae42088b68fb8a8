"""Which files of an unknown folder are photographs and which masks, and what the values of masks mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline_src.data import image_io
from pipeline_src.data.image_headers import read_header
from pipeline_src.data.image_io import UnreadableImageError
from pipeline_src.errors import UserError, few
from pipeline_src.files import fault

SAMPLE_SIZE = 24  # files of a folder that are looked at
MAX_VALUES = 64  # more greys or colours make a photograph, unless they are the soft edges of a mask
MAX_CLASSES = 64
VOID_RATIO = 4  # next to class ids, 255 is void if at most this many times more frequent than they are


def evenly_spaced(items: Sequence[Any], count: int = SAMPLE_SIZE) -> list[Any]:
    """At most `count` of the items, evenly spaced."""
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, count).astype(int))] if items else []


def image_kind(paths: Sequence[Path]) -> str:
    """image, mask, or colour for masks whose classes are colours: the majority of a sample of the files."""
    votes = [kind for path in evenly_spaced(paths) if (kind := _kind_of_file(path))]
    return max(("image", "mask", "colour"), key=votes.count) if votes else "image"


def _kind_of_file(path: Path) -> str | None:
    image = open_or_none(path)
    if image is None:
        return None
    values = np.array(image if image.mode[0] in "LP1IF" and image.mode != "LA" else image.convert("RGB"))
    if values.ndim == 3:
        if np.ptp(values.astype(np.int16), axis=2).max() > image_io.GREY_SPREAD:
            few = len(np.unique(values.reshape(-1, 3), axis=0)) <= MAX_VALUES
            return "colour" if few and path.suffix.lower() == ".png" else "image"
        values = values[..., 1]
    if len(np.unique(values)) <= MAX_VALUES:
        return "mask"
    if values.dtype != np.uint8:
        return "image"
    return "mask" if _is_soft(np.bincount(values.ravel(), minlength=256), 0.9) else "image"


def open_or_none(path: Path) -> Image.Image | None:
    """The image, or None if it cannot be read."""
    try:
        if fault(path):
            return None
        data = path.read_bytes()
        read_header(data)
        return image_io.open_image(data)
    except (UnreadableImageError, OSError):
        return None


def _is_soft(counts: np.ndarray, share: float) -> bool:
    """Whether pixels (by value) are those of an object with soft edges, or with the noise of JPEG."""
    return bool(counts[248:].any() and counts[:8].sum() + counts[248:].sum() >= share * counts.sum())


@dataclass(frozen=True)
class MaskValues:
    """What the values of a set's masks mean.

    Attributes:
        foreground: the object's value, if the entry has to name it.
        classes: number of class ids, 0 for masks of an object.
        ids: class ids that a pixel has.
        void: the value of void pixels beside class ids, where it is not 255.
        unreadable: number of masks that cannot be used.
        note: for the user.
    """

    foreground: int | None = None
    classes: int = 0
    ids: Sequence[int] = ()
    void: int | None = None
    unreadable: int = 0
    note: str = ""


def interpret_masks(masks: Iterable[Path]) -> MaskValues:
    """Read all masks: one of many may be the only one with an object, or with a third id.

    Raises:
        UserError: no mask can be used, all are empty, or their values are neither those of an object nor class ids.
    """
    counts, palette, jpeg, unreadable = np.zeros(256, np.int64), False, None, []
    for path in masks:
        try:
            data = path.read_bytes()
            counts += np.bincount(image_io.mask_values(data, indices=True).ravel(), minlength=256)
            palette = palette or image_io.palette_indices(data) is not None
            jpeg = jpeg or (path if data.startswith(image_io.JPEG) else None)
        except UnreadableImageError as error:
            unreadable.append((path, error))
        except OSError:
            unreadable.append((path, UnreadableImageError("cannot be read", "check its permissions")))
    if not counts.any():
        path, error = unreadable[0]
        raise UserError(f"none of the masks can be used; {path}: {error.problem}", do=error.do)
    meaning = None if jpeg and not counts[128:].any() else _meaning(counts, palette, len(unreadable), path)
    if jpeg and (meaning is None or meaning.classes or meaning.foreground is not None):
        raise UserError(
            f"masks such as {jpeg} are JPEG files, which do not keep ids",
            found=f"values up to {counts.nonzero()[0].max()}, not those of an object alone",
            expected="PNG files, or JPEG files of 0 and 255",
            do="save the masks as PNG from what they were made of, not from the JPEG files",
        )
    assert meaning is not None
    return meaning


def perhaps_ids(counts: np.ndarray) -> str:
    """A note where pixels by value (256,), read as an object of 255, may be class ids and void; else empty."""
    ids = [value for value in counts.nonzero()[0].tolist() if value not in (0, 255)]
    if not ids or ids[-1] >= MAX_CLASSES or not counts[255]:
        return ""
    below = [0] * bool(counts[0]) + ids
    return (
        f"The masks have the values {few(below)} and 255: 255 counts as the object, {few(ids)} as background. "
        f"If {'they are classes' if len(ids) > 1 else f'{ids[0]} is a class'} and 255 is void, write `classes:`."
    )


def _meaning(counts: np.ndarray, palette: bool, lost: int, path: Path) -> MaskValues:
    """What values with these counts mean; `path` is an example of the masks."""
    values = counts.nonzero()[0].tolist()
    ids = [value for value in values if value not in (0, 255)]
    if values == [0]:
        raise UserError(
            f"all masks are empty, such as {path}", found="no value but 0", do="for images without an object, add --ood"
        )
    if counts[255] > VOID_RATIO * counts[ids].sum():  # other values are stray pixels, not ids
        # Without `foreground`, a palette's colours would count.
        return MaskValues(255 if palette else None, unreadable=lost, note=perhaps_ids(counts))
    if len(ids) == 1 and (255 not in values or ids[0] < MAX_CLASSES):
        note = f"The masks have the values 0, {ids[0]} and 255; 255 counts as background (one object has no void)."
        return MaskValues(ids[0], unreadable=lost, note=note if 255 in values else "")
    if ids[-1] < MAX_CLASSES:
        return MaskValues(classes=ids[-1] + 1, ids=[value for value in values if value != 255], unreadable=lost)
    *small, void = values
    frequent = counts[void] > VOID_RATIO * counts[ids[:-1]].sum()  # an object, whose edges are the other values
    if 255 not in values and len(ids) > 2 and small[-1] < MAX_CLASSES and not frequent:
        note = f"{void} counts as void: all other values of the masks are ids of classes."
        return MaskValues(classes=small[-1] + 1, ids=small, void=void, unreadable=lost, note=note)
    if len(values) > MAX_VALUES or _is_soft(counts, 0.5):
        return MaskValues(unreadable=lost)
    raise UserError(
        f"the masks have {len(values)} values that are neither those of an object nor class ids",
        found=", ".join(map(str, values[:12])) + (", ..." if len(values) > 12 else ""),
        expected=f"0 and 255 for an object, or class ids 0, 1, 2... below {MAX_CLASSES}",
        do="save them so, or write the entry yourself with `foreground:`, the value of the object",
    )
