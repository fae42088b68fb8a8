"""The meaning of the values in a folder of binary masks, decided over all files: a single one can be ambiguous."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline_src.data.image_io import PIXELS
from pipeline_src.judging.arrays import mask_values
from pipeline_src.judging.files import Pairs, UnusableFileError
from pipeline_src.labels import IGNORED

SMALL = 64  # ids of classes lie below, values of soft edges on both sides


@dataclass(frozen=True)
class Meaning:
    """How masks are read.

    Attributes:
        ignore: the value of pixels that never count, if any.
        foreground: the value of the object, 1 or 255; pixels above its half are foreground.
        notes: warnings, a line each.
    """

    ignore: int | None = None
    foreground: int = 255
    notes: list[str] = field(default_factory=list)


USUAL = Meaning()


def read_mask(path: Path, meaning: Meaning = USUAL, limit: int = PIXELS) -> tuple[np.ndarray, int]:
    """A binary mask as (H, W) uint8 with 0 background, 1 foreground, 255 ignored, and the number of grey pixels.

    Raises:
        UnusableFileError: as `mask_values`.
    """
    values, ignored, between = mask_values(path, meaning.ignore, limit)
    if between is None:
        between = np.count_nonzero((values != 0) & (values != meaning.foreground))
    truth = (values > meaning.foreground // 2).astype(np.uint8)
    truth[ignored] = IGNORED
    return truth, int(between)


def unused_ignore(ignore: int) -> str:
    """The warning that no pixel is ignored."""
    return f"no mask pixel has the value {ignore}, which --ignore names"


def survey(pairs: Pairs, ignore: int | None = None) -> Meaning:
    """Read all masks once to distinguish 0 and 1 from 0 and 255. Files that cannot be read are skipped.

    Raises:
        UnusableFileError: class ids, or ignored pixels that `ignore` does not name, which would be judged wrongly.
    """
    seen, any_ignored, example = np.zeros(256, bool), False, {}
    for pair in pairs:
        try:
            values, ignored, between = mask_values(pair.mask, ignore, pair.values)
        except UnusableFileError:
            continue
        any_ignored |= bool(ignored.any())
        if between is None and not ignored.all():
            here = np.bincount(values[~ignored], minlength=256) > 0
            example |= dict.fromkeys(np.flatnonzero(here & ~seen).tolist(), pair.mask.name)
            seen |= here
    values = np.flatnonzero(seen).tolist()
    _refuse(values, ignore if any_ignored else None, example)
    notes = [] if ignore is None or any_ignored else [unused_ignore(ignore)]
    grey = [value for value in values[:-1] if value > 0]
    if len(grey) == 1:
        notes.append(f"all grey mask pixels have the value {grey[0]}: if they should not count, --ignore {grey[0]}")
    return Meaning(ignore, 1 if values and values[-1] == 1 else 255, notes)


def _refuse(values: list[int], ignored: int | None, example: dict[int, str]) -> None:
    """Raise `UnusableFileError` where `values`, all in the masks except `ignored`, do not show what is an object."""
    if ignored == 255 and values == [0]:
        raise UnusableFileError(
            "0 and 255 only, and --ignore 255 leaves out what seems to be the object; leave out --ignore, or mark "
            "ignored pixels with another value"
        )
    if not values or values[-1] <= 1:
        return
    shown = ", ".join(f"{value} ({example[value]})" for value in [*values[:4], *values[4:][-1:]])
    if values[-1] <= 127:
        raise UnusableFileError(
            f"the values {shown}; expected 0 and 255, or 0 and 1 (class ids go with maps of K classes)"
        )
    below = [value for value in values if 0 < value < values[-1]]
    if below and below[0] < SMALL and below[-1] <= 127:
        raise UnusableFileError(
            f"the values {shown}, which do not show what is an object; expected 0 and 255, or 0 and 1. If "
            f"{values[-1]} marks pixels that never count: --ignore {values[-1]}"
        )
