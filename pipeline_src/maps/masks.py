"""The meaning of the values in a folder of binary masks, decided over all files: a single one can be ambiguous."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from pipeline_src.errors import UserError
from pipeline_src.labels import IGNORED
from pipeline_src.maps.pairs import ARRAYS, Pairs, UnusableFileError
from pipeline_src.maps.reader import is_jpeg, mask_values

SMALL = 64  # class ids lie below; soft edges have values on both sides


@dataclass(frozen=True)
class Meaning:
    """The rules by which masks are read.

    Attributes:
        ignore: the value of pixels that never count, if any.
        foreground: the value of the object, 1 or 255; pixels above its half are foreground.
        notes: warnings, a line each.
    """

    ignore: int | None = None
    foreground: int = 255
    notes: list[str] = field(default_factory=list)


USUAL = Meaning()


def ground_truth(
    values: np.ndarray, ignored: np.ndarray, between: int | None, meaning: Meaning = USUAL
) -> tuple[np.ndarray, int]:
    """The binary mask that `mask_values` has read, (H, W) uint8 with 0 background, 1 foreground, 255 ignored, and the
    number of gray pixels."""
    if between is None:
        between = np.count_nonzero((values != 0) & (values != meaning.foreground))
    truth = (values > meaning.foreground // 2).astype(np.uint8)
    truth[ignored] = IGNORED
    return truth, int(between)


def unused_ignore(ignore: int) -> str:
    """The warning that no pixel is ignored."""
    return f"no mask pixel has the value {ignore}, which --ignore names"


class Survey:
    """The values of all masks of a folder, collected while they are read as if they had the meaning `assumed`."""

    def __init__(self, pairs: Pairs, assumed: Meaning) -> None:
        self.pairs, self.ignore = pairs, assumed.ignore
        self.usual = {0, assumed.foreground}
        self.any_ignored = False
        self.example: dict[int, str] = {}  # value -> a mask that has it

    def add(self, name: str, values: np.ndarray, ignored: np.ndarray, between: int | None, gray: int) -> None:
        """Note what `mask_values` and `ground_truth` return for a mask."""
        some = self.ignore is not None and bool(ignored.any())
        self.any_ignored |= some
        if between is None and (gray or not self.usual <= self.example.keys()):  # others hold nothing new
            counted = (~ignored).astype(np.uint8) if some else None
            histogram = cv2.calcHist([values], [0], counted, [256], [0, 256])
            for value in np.flatnonzero(histogram).tolist():
                self.example.setdefault(value, name)

    def meaning(self) -> Meaning:
        """Return what the values of the masks mean: 0 and 1, or 0 and 255 for the object.

        Raises:
            UserError: class ids, or ignored pixels that `ignore` does not name, which would be counted wrongly.
        """
        values, masks = sorted(self.example), f"the masks in {self.pairs.masks}"
        _check_jpeg(self.pairs, masks, values, self.ignore)
        _check_values(masks, values, self.ignore if self.any_ignored else None, self.example)
        notes = [] if self.ignore is None or self.any_ignored else [unused_ignore(self.ignore)]
        gray = [value for value in values[:-1] if value > 0]
        if len(gray) == 1:
            notes.append(f"all gray mask pixels have the value {gray[0]}: if they should not count, --ignore {gray[0]}")
        return Meaning(self.ignore, 1 if values and values[-1] == 1 else 255, notes)


def first_meaning(pairs: Pairs, ignore: int | None) -> Meaning:
    """The meaning of the first mask with an object by itself; 0 and 255 where there is none."""
    for mask in (pair.mask for pair in pairs if pair.mask is not None):
        try:
            values, _, between = mask_values(mask, ignore)
        except UnusableFileError:
            continue
        if values.any():
            return Meaning(ignore, 1 if between is None and values.max() == 1 else 255)
    return Meaning(ignore)


def check_ignore(pairs: Pairs, ignore: int | None) -> None:
    """UserError where `ignore` is a value that no pixel of a picture can have; arrays can have it."""
    if ignore is None or 0 <= ignore <= 255 or any(mask.lower().endswith(ARRAYS) for *_, mask in pairs.names):
        return
    raise UserError(
        "--ignore is a value that no mask can have",
        found=f"--ignore {ignore}, masks of 8 bits in {pairs.masks}",
        expected="0 to 255",
        fix="name the value of the ignored pixels, such as --ignore 255",
    )


def _check_jpeg(pairs: Pairs, masks: str, values: list[int], ignore: int | None) -> None:
    """UserError where JPEG, which changes values by a few, changes their meaning: 0 and 1, which can all become 0, and
    the value of ignored pixels."""
    if ignore is None and values and values[-1] > 127:
        return
    files = ((pair, pair.mask) for pair in pairs if pair.mask is not None)
    if example := next((pair.name(mask) for pair, mask in files if is_jpeg(mask)), ""):
        raise UserError(
            f"{masks} are JPEG files, which change "
            + ("the value of ignored pixels" if ignore is not None else "ids such as 0 and 1"),
            found=f"--ignore {ignore}, {example}" if ignore is not None else f"no value above 127 ({example})",
            expected="PNG files, or JPEG files of 0 and 255 without ignored pixels",
            fix="save the masks as PNG from their source, and not from the JPEG files"
            + ("; images without any object need no masks: --ood" if ignore is None and not any(values) else ""),
        )


def _check_values(masks: str, values: list[int], ignored: int | None, example: dict[int, str]) -> None:
    """UserError where `values`, all in the masks except `ignored`, do not determine the object."""
    unclear = f"{masks} do not show what is an object"
    if ignored == 255 and values == [0]:
        raise UserError(
            unclear,
            found="0 and 255 only, and --ignore 255 leaves out what seems to be the object",
            expected="0 and 255, or 0 and 1, and another value for ignored pixels",
            fix="leave out --ignore, or mark ignored pixels with another value",
        )
    if not values or values[-1] <= 1:
        return
    top = values[-1]
    shown = "the values " + ", ".join(f"{value} ({example[value]})" for value in [*values[:4], *values[4:][-1:]])
    if top <= 127:
        object_id = str(top) if values in ([0, top], [top]) else "ID"
        raise UserError(
            unclear,
            found=shown,
            expected="0 and 255, or 0 and 1 (class ids need maps of K classes)",
            fix=f"save np.uint8(255 * (mask == {object_id})) as PNG"
            + (", with the id of the object" if object_id == "ID" else ""),
        )
    below = [value for value in values if 0 < value < top]
    if below and below[0] < SMALL and below[-1] <= 127:
        raise UserError(
            unclear,
            found=shown,
            expected="0 and 255, or 0 and 1",
            fix=f"if {top} marks ignored pixels: --ignore {top}; else save np.uint8(255 * (mask == ID)) as PNG",
        )
