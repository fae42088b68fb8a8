"""Sample pairs of a set in one image, as a file or on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from rich.text import Text

from pipeline_src.data.detection.mask_recognition import evenly_spaced, open_or_none
from pipeline_src.errors import UserError
from pipeline_src.files import atomic

NUMBER, SIDE = 8, 96  # of images, and of their pixels


def contact_sheet(pairs: Sequence[tuple[Path, Path | None]]) -> np.ndarray:
    """Evenly spaced images in a row, their masks below; uint8 (H, W, 3).

    Values of masks are stretched to the range of greys. Pairs that cannot be read are left out.
    """
    columns = []
    for paths in evenly_spaced(pairs, NUMBER):
        opened = [open_or_none(path) for path in paths if path is not None]
        images = [image for image in opened if image is not None]
        if len(images) < len(opened):
            continue
        image, *masks = images
        tiles = [image.convert("RGB"), *(_stretched(mask) for mask in masks)]
        columns.append(np.concatenate([np.array(ImageOps.pad(tile, (SIDE, SIDE))) for tile in tiles]))
    return np.concatenate(columns, axis=1) if columns else np.zeros((0, 0, 3), np.uint8)


def _stretched(mask: Image.Image) -> Image.Image:
    values = np.array(mask if mask.mode in ("L", "P") else mask.convert("L"))
    if values.max() not in (0, 255):
        values = (values * (255 // values.max())).astype(np.uint8)
    return Image.fromarray(values).convert("RGB")


def save(sheet: np.ndarray, file: Path) -> None:
    """Write the sheet into a new .png file.

    Raises:
        UserError: the file exists, it has another suffix, or the sheet is empty.
    """
    if file.suffix.lower() != ".png" or file.exists():
        raise UserError(
            f"{file} {'exists already' if file.exists() else 'is not a .png file'}",
            expected="a new file whose name ends in .png",
        )
    if not sheet.size:
        raise UserError(f"{file} is not written: none of the sampled pairs can be read")
    with atomic(file) as temporary:
        Image.fromarray(sheet).save(temporary, "png")


def in_blocks(sheet: np.ndarray, width: int) -> Text:
    """The sheet as text, `width` characters wide; each character shows two pixels, one above the other."""
    height = max(2, round(sheet.shape[0] * width / sheet.shape[1]) // 2 * 2)
    small = np.array(Image.fromarray(sheet).resize((width, height)))
    text = Text()
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        for a, b in zip(upper, lower, strict=True):
            text.append("▀", f"rgb({a[0]},{a[1]},{a[2]}) on rgb({b[0]},{b[1]},{b[2]})")
        text.append("\n")
    return text
