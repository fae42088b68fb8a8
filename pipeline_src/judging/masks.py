"""The meaning of the values in a folder of binary masks, decided over all files: a single one can be ambiguous."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from pipeline_src.errors import UserError
from pipeline_src.judging.arrays import is_jpeg, mask_values
from pipeline_src.judging.files import ARRAYS, Pairs, UnusableFileError
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


def truth_of(
    values: np.ndarray, ignored: np.ndarray, between: int | None, meaning: Meaning = USUAL
) -> tuple[np.ndarray, int]:
    """The binary mask that `mask_values` has read, (H, W) uint8 with 0 background, 1 foreground, 255 ignored, and the
    number of grey pixels."""
    if between is None:
        between = np.count_nonzero((values != 0) & (values != meaning.foreground))
    truth = (values > meaning.foreground // 2).astype(np.uint8)
    truth[ignored] = IGNORED
    return truth, int(between)


def unused_ignore(ignore: int) -> str:
    """The warning that no pixel is ignored."""
    return f"no mask pixel has the value {ignore}, which --ignore names"


def check_ignore(pairs: Pairs, ignore: int | None) -> None:
    """UserError where `ignore` is a value that no pixel of a picture has; arrays can have it."""
    if ignore is None or 0 <= ignore <= 255 or any(mask.lower().endswith(ARRAYS) for *_, mask in pairs.names):
        return
    raise UserError(
        "--ignore is a value that no mask can have",
        found=f"--ignore {ignore}, masks of 8 bits in {pairs.masks}",
        expected="0 to 255",
        do="name the value of the ignored pixels, such as --ignore 255",
    )


class Survey:
    """What the values of all masks of a folder mean, collected while they are read as if they had the meaning
    `assumed`."""

    def __init__(self, pairs: Pairs, assumed: Meaning) -> None:
        check_ignore(pairs, assumed.ignore)
        self.pairs, self.ignore = pairs, assumed.ignore
        self.usual = {0, assumed.foreground}
        self.any_ignored = False
        self.example: dict[int, str] = {}  # a mask that has it, by value

    def add(self, name: str, values: np.ndarray, ignored: np.ndarray, between: int | None, grey: int) -> None:
        """Note what `mask_values` and `truth_of` say of a mask."""
        some = self.ignore is not None and bool(ignored.any())
        self.any_ignored |= some
        if between is None and (grey or not self.usual <= self.example.keys()):  # others hold nothing new
            histogram = cv2.calcHist([values], [0], None if not some else (~ignored).astype(np.uint8), [256], [0, 256])
            for value in np.flatnonzero(histogram).tolist():
                self.example.setdefault(value, name)

    def meaning(self) -> Meaning:
        """How all of them are read: 0 and 1, or 0 and 255.

        Raises:
            UserError: class ids, or ignored pixels that `ignore` does not name, which would be judged wrongly.
        """
        values, masks = sorted(self.example), f"the masks in {self.pairs.masks}"
        _check_jpeg(self.pairs, masks, values, self.ignore)
        _check_values(masks, values, self.ignore if self.any_ignored else None, self.example)
        notes = [] if self.ignore is None or self.any_ignored else [unused_ignore(self.ignore)]
        grey = [value for value in values[:-1] if value > 0]
        if len(grey) == 1:
            notes.append(f"all grey mask pixels have the value {grey[0]}: if they should not count, --ignore {grey[0]}")
        return Meaning(self.ignore, 1 if values and values[-1] == 1 else 255, notes)


def first_meaning(pairs: Pairs, ignore: int | None) -> Meaning:
    """What the first mask with an object means by itself; one of 255 where there is none."""
    for mask in (pair.mask for pair in pairs if pair.mask is not None):
        try:
            values, _, between = mask_values(mask, ignore, pairs.values)
        except UnusableFileError:
            continue
        if values.any():
            return Meaning(ignore, 1 if between is None and values.max() == 1 else 255)
    return Meaning(ignore)


def _check_jpeg(pairs: Pairs, masks: str, values: list[int], ignore: int | None) -> None:
    """Raise `UserError` where JPEG, which moves values by a few, changes what they mean: 0 and 1, which can all become
    0, and the value of ignored pixels."""
    if ignore is None and values and values[-1] > 127:
        return
    files = ((pair, pair.mask) for pair in pairs if pair.mask is not None)
    if example := next((pair.name(mask) for pair, mask in files if is_jpeg(mask)), ""):
        raise UserError(
            f"{masks} are JPEG files, which do not keep "
            + ("the value of ignored pixels" if ignore is not None else "ids such as 0 and 1"),
            found=f"--ignore {ignore}, {example}" if ignore is not None else f"no value above 127 ({example})",
            expected="PNG files, or JPEG files of 0 and 255 without ignored pixels",
            do="save the masks as PNG from what they were made of, and not from the JPEG files"
            + ("; images without any object need no masks: --ood" if ignore is None and not any(values) else ""),
        )


def _check_values(masks: str, values: list[int], ignored: int | None, example: dict[int, str]) -> None:
    """Raise `UserError` where `values`, all in the masks except `ignored`, do not show what is an object."""
    unclear = f"{masks} do not show what is an object"
    if ignored == 255 and values == [0]:
        raise UserError(
            unclear,
            found="0 and 255 only, and --ignore 255 leaves out what seems to be the object",
            expected="0 and 255, or 0 and 1, beside the ignored value",
            do="leave out --ignore, or mark ignored pixels with another value",
        )
    if not values or values[-1] <= 1:
        return
    top = values[-1]
    shown = "the values " + ", ".join(f"{value} ({example[value]})" for value in [*values[:4], *values[4:][-1:]])
    if top <= 127:
        which = str(top) if values in ([0, top], [top]) else "ID"
        more = ", of the id of the object" if which == "ID" else ""
        raise UserError(
            unclear,
            found=shown,
            expected="0 and 255, or 0 and 1 (class ids go with maps of K classes)",
            do=f"save np.uint8(255 * (mask == {which})) as PNG" + more,
        )
    below = [value for value in values if 0 < value < top]
    if below and below[0] < SMALL and below[-1] <= 127:
        raise UserError(
            unclear,
            found=shown,
            expected="0 and 255, or 0 and 1",
            do=f"if {top} marks pixels that never count: --ignore {top}; else save np.uint8(255 * (mask == ID)) as PNG",
        )
