"""Some pairs of a set in one picture, as a file or on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from rich.text import Text

from pipeline_src.data.detection.pictures import opened
from pipeline_src.errors import UserError
from pipeline_src.files import atomic

SIDE = 96


def contact_sheet(pairs: Sequence[tuple[Path, Path | None]], most: int = 8, side: int = SIDE) -> np.ndarray:
    """Images in a row and their masks below, evenly chosen among all; uint8 (H, W, 3). Values of masks are spread over
    the greys. Files that cannot be read are passed over."""
    columns = []
    for i in np.unique(np.linspace(0, len(pairs) - 1, most).astype(int)):
        image, mask = pairs[i]
        pictures = [opened(image), *([opened(mask)] if mask is not None else [])]
        if None in pictures:
            continue
        column = [_fitted(pictures[0].convert("RGB"), side)]
        if mask is not None:
            values = np.array(pictures[1] if pictures[1].mode in ("L", "P") else pictures[1].convert("L"))
            spread = values if values.max() in (0, 255) else (values * (255 // values.max())).astype(np.uint8)
            column.append(_fitted(Image.fromarray(spread).convert("RGB"), side))
        columns.append(np.concatenate(column))
    return np.concatenate(columns, axis=1) if columns else np.zeros((0, 0, 3), np.uint8)


def save(sheet: np.ndarray, file: Path) -> None:
    """Write a picture into a new .png file; UserError if there is one of its name, or it has another ending."""
    if file.suffix.lower() != ".png" or file.exists():
        raise UserError(
            f"{file} {'exists already' if file.exists() else 'has another ending than .png'}",
            expected="a new file whose name ends in .png",
        )
    if not sheet.size:
        raise UserError("there is no pair to show, since the files cannot be read")
    with atomic(file) as temporary:
        Image.fromarray(sheet).save(temporary, "png")


def in_blocks(sheet: np.ndarray, width: int) -> Text:
    """A picture in `width` characters, each of which shows two pixels, one above the other."""
    height = max(2, round(sheet.shape[0] * width / sheet.shape[1]) // 2 * 2)
    small = np.array(Image.fromarray(sheet).resize((width, height)))
    text = Text()
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        for a, b in zip(upper, lower, strict=True):
            text.append("▀", f"rgb({a[0]},{a[1]},{a[2]}) on rgb({b[0]},{b[1]},{b[2]})")
        text.append("\n")
    return text


def _fitted(picture: Image.Image, side: int) -> np.ndarray:
    return np.array(ImageOps.pad(picture, (side, side)))
