"""Some pairs of a set in one picture, as a file or on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from rich.text import Text

SIDE = 96


def contact_sheet(pairs: Sequence[tuple[Path, Path | None]], most: int = 8, side: int = SIDE) -> np.ndarray:
    """Images in a row and their masks below, evenly chosen among all; uint8 (H, W, 3). Values of masks are spread over
    the greys."""
    columns = []
    for i in np.unique(np.linspace(0, len(pairs) - 1, most).astype(int)):
        image, mask = pairs[i]
        column = [_fitted(Image.open(image).convert("RGB"), side)]
        if mask is not None:
            opened = Image.open(mask)
            values = np.array(opened if opened.mode in ("L", "P") else opened.convert("L"))
            spread = values if values.max() in (0, 255) else (values * (255 // values.max())).astype(np.uint8)
            column.append(_fitted(Image.fromarray(spread).convert("RGB"), side))
        columns.append(np.concatenate(column))
    return np.concatenate(columns, axis=1)


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
