"""What pictures of an unknown folder are: photographs or masks, and what the values of masks mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline_src.data import images
from pipeline_src.errors import UserError

LOOK = 24  # pictures of a folder that are looked at
MOST_VALUES = 64  # a mask has no more greys or colours, unless its edges are soft; a photograph has
MOST_CLASSES = 64
VOID = 4  # beside ids, 255 is void, of which there is not so many times more


def some(items: Sequence[Any]) -> list[Any]:
    """At most `LOOK` of them, evenly spread."""
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, LOOK).astype(int))] if items else []


def kind(paths: Sequence[Path]) -> str:
    """image, mask, or colour for masks whose classes are colours; by a vote of some of them."""
    votes = [found for path in some(paths) if (found := _kind_of(path))]
    return max(("image", "mask", "colour"), key=votes.count) if votes else "image"


def _kind_of(path: Path) -> str | None:
    picture = opened(path)
    if picture is None:
        return None
    values = np.array(picture if picture.mode[0] in "LP1IF" and picture.mode != "LA" else picture.convert("RGB"))
    if values.ndim == 3:
        if np.ptp(values.astype(np.int16), axis=2).max() > images.GREY_SPREAD:
            few = len(np.unique(values.reshape(-1, 3), axis=0)) <= MOST_VALUES
            return "colour" if few and path.suffix.lower() == ".png" else "image"
        values = values[..., 1]
    if len(np.unique(values)) <= MOST_VALUES:
        return "mask"
    if values.dtype != np.uint8:
        return "image"
    counts = np.bincount(values.ravel(), minlength=256)
    return "mask" if _soft(counts, 0.9) else "image"


def opened(path: Path) -> Image.Image | None:
    """The picture, or None if it cannot be read."""
    try:
        return images.opened(path.read_bytes())
    except (images.Unreadable, OSError):
        return None


def _soft(counts: np.ndarray, share: float) -> bool:
    """Whether pixels (by value) are those of an object with soft edges, or with the noise of JPEG."""
    return bool(counts[248:].any() and counts[:8].sum() + counts[248:].sum() >= share * counts.sum())


@dataclass(frozen=True)
class Meaning:
    """What the masks of a set hold.

    Attributes:
        foreground: the object's value, if the set has to name it.
        classes: number of class ids, 0 for masks of an object.
        empty: no mask shows anything.
        unreadable: number of masks that cannot be used.
        remark: what the user should know of it.
    """

    foreground: int | None = None
    classes: int = 0
    empty: bool = False
    unreadable: int = 0
    remark: str = ""


def meaning(masks: Iterable[Path]) -> Meaning:
    """Read all masks: one of many may be the only one with an object, or with a third id.

    Raises:
        UserError: none can be used, or their values are neither those of an object nor class ids.
    """
    counts, palette, problems = np.zeros(256, np.int64), False, []
    for path in masks:
        try:
            data = path.read_bytes()
            counts += np.bincount(images.mask_values(data, indices=True).ravel(), minlength=256)
            palette = palette or images.palette_indices(data) is not None
        except images.Unreadable as error:
            problems.append((path, error))
        except OSError:
            problems.append((path, images.Unreadable("cannot be read", "look at its permissions")))
    if not counts.any():
        path, error = problems[0]
        raise UserError(f"none of the masks can be used; {path}: {error.problem}", do=error.do)
    values = counts.nonzero()[0].tolist()
    ids = [value for value in values if value not in (0, 255)]
    lost = len(problems)
    if values == [0]:
        return Meaning(empty=True, unreadable=lost)
    if counts[255] > VOID * counts[ids].sum():  # at most stray pixels between, which are no ids
        # Without `foreground`, a palette's colours would count.
        return Meaning(255 if palette else None, unreadable=lost)
    if len(ids) == 1 and (255 not in values or ids[0] < MOST_CLASSES):
        text = f"The masks hold 0, {ids[0]} and 255: 255 counts as background, for one object has no void."
        return Meaning(ids[0], unreadable=lost, remark=text if 255 in values else "")
    if ids[-1] < MOST_CLASSES:
        return Meaning(classes=ids[-1] + 1, unreadable=lost)
    if len(values) > MOST_VALUES or _soft(counts, 0.5):
        return Meaning(unreadable=lost)
    raise UserError(
        f"the masks hold {len(values)} values that are neither an object's nor class ids",
        found=", ".join(map(str, values[:12])) + (", ..." if len(values) > 12 else ""),
        expected=f"0 and 255 for an object, or class ids 0, 1, 2... below {MOST_CLASSES}",
        do="save them so, or write the entry yourself with `foreground:`, the value of the object",
    )
