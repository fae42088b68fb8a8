"""The meaning of the values in a folder of binary masks, decided over all files: a single one can be ambiguous."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pipeline_src.errors import UserError
from pipeline_src.labels import IGNORED
from pipeline_src.maps.pairs import JPEG, Pairs, UnusableFileError
from pipeline_src.maps.reader import read_mask

SMALL = 64  # class ids lie below; soft edges have values on both sides


@dataclass(frozen=True)
class Meaning:
    """The rules by which masks are read.

    Attributes:
        ignore: the value of pixels that never count, if any.
        foreground: the value of the object, 1 or 255; pixels above its half are foreground.
        warnings: lines for the user.
    """

    ignore: int | None = None
    foreground: int = 255
    warnings: list[str] = field(default_factory=list)

    def ground_truth(self, values: np.ndarray, ignored: np.ndarray) -> np.ndarray:
        """What `read_mask` returns as uint8 (H, W): 0 background, 1 foreground, 255 ignored."""
        truth = (values > self.foreground // 2).astype(np.uint8)
        truth[ignored] = IGNORED
        return truth


def meaning_of(pairs: Pairs, ignore: int | None) -> Meaning:
    """Read all masks of a folder, and return the meaning of their values: 0 and 1, or 0 and 255 for the object.

    Raises:
        UserError: class ids, or ignored pixels that `ignore` does not name, which would be counted wrongly; JPEG files,
            which change values by a few, where that changes their meaning.
    """
    pixels = np.zeros(256, np.int64)  # by value
    example: dict[int, str] = {}  # value -> a mask that has it
    jpeg, any_ignored = "", False
    for pair in pairs:
        assert pair.mask is not None
        try:
            values, ignored = read_mask(pair.mask, ignore)
        except UnusableFileError:  # `count` reports it
            continue
        histogram = np.bincount(values[~ignored], minlength=256)
        pixels += histogram
        any_ignored |= bool(ignored.any())
        name = pair.name(pair.mask)
        jpeg = name if pair.mask.suffix.lower() in JPEG else jpeg
        for value in np.flatnonzero(histogram).tolist():
            example.setdefault(value, name)
    top = max(example, default=0)
    if jpeg and (top <= 127 or ignore is not None):
        raise UserError(
            f"the masks in {pairs.masks} are JPEG files, which change values such as 1 or that of ignored pixels",
            found=f"{jpeg}, --ignore {ignore}" if ignore is not None else f"{jpeg}, no value above 127",
            expected="PNG files, or JPEG files of 0 and 255 without ignored pixels",
            fix="save the masks as PNG from their source",
        )
    _check_values(pairs, sorted(example), example, any_ignored and ignore == 255)
    gray = [value for value in example if value not in (0, 1 if top == 1 else 255)]
    warnings = []
    if ignore is not None and not any_ignored:
        warnings.append(f"no mask pixel has the value {ignore}, which --ignore names")
    if gray:
        number, single = pixels[gray].sum(), f": --ignore {gray[0]} leaves them out" if len(gray) == 1 else ""
        warnings.append(f"{number} mask pixel(s) were neither 0 nor 255 and were cut at > 127{single}")
    return Meaning(ignore, 1 if top == 1 else 255, warnings)


def _check_values(pairs: Pairs, values: list[int], example: dict[int, str], object_ignored: bool) -> None:
    """UserError where the values of the masks do not determine the object."""
    top, below = max(values, default=0), [value for value in values[:-1] if value > 0]
    if object_ignored and top == 0:
        found, fix = "0 and 255 only, and --ignore 255 leaves out what seems to be the object", "leave out --ignore"
    elif 1 < top <= 127 or (below and below[0] < SMALL and below[-1] <= 127):
        found = "the values " + ", ".join(f"{value} ({example[value]})" for value in [*values[:4], *values[4:][-1:]])
        fix = f"save np.uint8(255 * (mask == {'ID' if below else top})) as PNG"
        fix += f"; if {top} marks ignored pixels: --ignore {top}" if below else ""
    else:
        return
    raise UserError(
        f"the masks in {pairs.masks} do not show what is an object",
        found=found,
        expected="0 and 255, or 0 and 1, and another value for ignored pixels (class ids need maps of K classes)",
        fix=fix,
    )
