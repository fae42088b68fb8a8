"""Corruptions of images in five severities: Hendrycks and Dietterich, "Benchmarking neural network robustness to common
corruptions and perturbations" (ICLR 2019).

Formulas and parameters are those of ImageNet-C, for images of 224 px. Here images are corrupted at the size of the
network's input, so a blur of the same radius is stronger on smaller images. Values are rounded to 8 bits (ImageNet-C
truncates them), and are not saved as JPEG afterwards.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from pipeline_src.data.store import Store
from pipeline_src.rng import generator

# Functions of x (H, W, 3) float64 in [0, 1] and a generator; the parameter follows the severity, from 1 to 5.
Function = Callable[[np.ndarray, np.random.Generator, float], np.ndarray]


def corrupted(image: np.ndarray, name: str, corruption: str, severity: int) -> np.ndarray:
    """Corrupt an image (H, W, 3) uint8; random draws are keyed by its `name`, the corruption and the severity."""
    function, parameters = CORRUPTIONS[corruption]
    draws = generator(name, "corruption", corruption, severity)
    x = function(image / 255, draws, parameters[severity - 1])
    return np.asarray(np.rint(255 * x.clip(0, 1)).astype(np.uint8))


class CorruptedStore(Store):
    """A store whose images are corrupted when they are read."""

    def __init__(self, folder: Path, corruption: str, severity: int):
        super().__init__(folder)
        self._corruption = corruption, severity

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.folder, *self._corruption)

    def image(self, i: int) -> np.ndarray:
        return corrupted(self.images[i], self.ids[i], *self._corruption)


def gaussian_noise(x: np.ndarray, draws: np.random.Generator, deviation: float) -> np.ndarray:
    return x + draws.normal(0, deviation, x.shape)


def shot_noise(x: np.ndarray, draws: np.random.Generator, photons: float) -> np.ndarray:
    """Poisson noise; `photons` is the expected count of a channel at full brightness."""
    return draws.poisson(x * photons) / photons


def gaussian_blur(x: np.ndarray, draws: np.random.Generator, sigma: float) -> np.ndarray:
    return np.asarray(gaussian_filter(x, (sigma, sigma, 0), mode="nearest"))


def defocus_blur(x: np.ndarray, draws: np.random.Generator, radius: float) -> np.ndarray:
    """The mean over a disk of `radius` pixels with a smoothed edge."""
    reach = np.arange(-max(8, radius), max(8, radius) + 1)
    disk = (np.add.outer(reach**2, reach**2) <= radius**2).astype(float)
    side, sigma = (3 if radius <= 8 else 5), (0.1 if radius <= 3 else 0.5)
    return cv2.filter2D(x, -1, cv2.GaussianBlur(disk / disk.sum(), (side, side), sigma))


def contrast(x: np.ndarray, draws: np.random.Generator, share: float) -> np.ndarray:
    """Scale the difference to the channel's mean by `share`."""
    mean = x.mean((0, 1))
    return np.asarray(mean + share * (x - mean))


def brightness(x: np.ndarray, draws: np.random.Generator, added: float) -> np.ndarray:
    """Add to the V of HSV, the largest channel, at the same hue and saturation; black becomes gray."""
    value = x.max(2, keepdims=True)
    brighter = (value + added).clip(max=1)
    return np.asarray(np.where(value > 0, x / np.where(value > 0, value, 1), 1) * brighter)


def jpeg(x: np.ndarray, draws: np.random.Generator, quality: float) -> np.ndarray:
    """Encode with this JPEG quality, and decode."""
    file = io.BytesIO()
    Image.fromarray(np.rint(255 * x).astype(np.uint8)).save(file, "JPEG", quality=int(quality))
    return np.asarray(Image.open(file)) / 255


CORRUPTIONS: dict[str, tuple[Function, tuple[float, ...]]] = {
    "gaussian_noise": (gaussian_noise, (0.08, 0.12, 0.18, 0.26, 0.38)),
    "shot_noise": (shot_noise, (60, 25, 12, 5, 3)),
    "gaussian_blur": (gaussian_blur, (1, 2, 3, 4, 6)),
    "defocus_blur": (defocus_blur, (3, 4, 6, 8, 10)),
    "contrast": (contrast, (0.4, 0.3, 0.2, 0.1, 0.05)),
    "brightness": (brightness, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "jpeg": (jpeg, (25, 18, 15, 10, 7)),
}
