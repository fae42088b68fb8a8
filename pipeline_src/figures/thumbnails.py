"""Images, masks and maps at the size in which figures show them."""

from __future__ import annotations

import numpy as np

from pipeline_src.figures import style
from pipeline_src.figures.types import Axes, Figure

LARGEST = 128  # pixels of the longer side: more would make files large, and no picture is wider than an inch


def shrunk(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """An image (h, w) or (h, w, 3) with the sides' ratio of `height` to `width`, at most `LARGEST` pixels long."""
    import cv2

    factor = min(1.0, LARGEST / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def show(figure: Figure, image: np.ndarray, x: float, y: float, width: float, height: float) -> Axes:
    """Put an image (uint8, RGB) into a box whose upper left corner is `x`, `y` inches from the figure's."""
    axes = style.place(figure, x, y, width, height)
    axes.imshow(image, interpolation="none")
    axes.axis("off")
    return axes


def row_name(figure: Figure, text: str, y: float, width: int) -> None:
    """The name of a row of pictures, `y` inches from the top, in lines of `width` characters."""
    style.write(figure, 0.1, y, "\n".join(style.wrapped(text, width)), color=style.INK)
