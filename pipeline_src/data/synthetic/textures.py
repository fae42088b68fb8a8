"""Photo-like surfaces from numbers: patterns, colors and light.

A surface is a pattern (tone in [0, 1], which also serves as its relief), colored by a palette and
lit from one side. Patterns take a frame and a period in pixels, and return (height, width).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Rng = np.random.Generator
Array = np.ndarray


class Frame(np.random.Generator):
    """The size of a picture, and a numpy generator of its random draws.

    It continues the stream of another generator.

    Attributes:
        shape: height and width in pixels.
    """

    def __init__(self, rng: Rng, height: int, width: int):
        super().__init__(rng.bit_generator)
        self.shape = (height, width)

    def noise(self, cell: float, octaves: int = 4) -> Array:
        """Return smooth noise in [0, 1], float32 (height, width): a sum of enlarged random pixels.

        Args:
            cell: size of the largest features in pixels; each octave halves it.
            octaves: number of sizes of features; smaller ones are weaker.
        """
        height, width = self.shape
        total = np.zeros(self.shape, np.float32)
        for octave in range(octaves):
            size = max(cell / 2**octave, 1)
            # A few pixels more than needed: the enlarged noise must cover the picture.
            small = self.random((int(height / size) + 3, int(width / size) + 3), np.float32)
            large = cv2.resize(small, None, fx=size, fy=size, interpolation=cv2.INTER_CUBIC)
            total += 0.55**octave * large[:height, :width]
        return cv2.normalize(total, total, 0, 1, cv2.NORM_MINMAX)


Pattern = Callable[[Frame, float], Array]


def blurred(picture: Array, sigma: float) -> Array:
    """Return a picture after a Gaussian blur with a standard deviation of `sigma` pixels."""
    return cv2.GaussianBlur(picture, (0, 0), sigma)


def _waves(frame: Frame, period: float) -> Array:
    """Return two crossing waves in [-1, 1], turned and warped, (2, height, width).

    Args:
        period: half a wavelength, in pixels.
    """
    y, x = np.indices(frame.shape)
    # A complex number holds both coordinates, so a product turns them.
    turned = (x + 1j * y) * np.exp(1j * frame.uniform(0, np.pi)) / period
    warped = turned + (1 + 1j) * frame.uniform(0, 1) * frame.noise(4 * period, 2)
    return np.sin(np.pi * np.stack([warped.real, warped.imag]))


def _cells(frame: Frame, period: float) -> tuple[Array, Array]:
    """Return the cells around random seeds, of about one seed per `period` x `period` pixels.

    Returns:
        the distance of each pixel to its nearest seed in periods, and the number of this seed, both
        (height, width).
    """
    canvas = (frame.random(frame.shape) > 1 / period**2).astype(np.uint8)
    canvas[0, 0] = 0  # never without a seed
    distance, label = cv2.distanceTransformWithLabels(
        canvas, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    return distance / period, label


def cloud(frame: Frame, period: float) -> Array:
    """Return a pattern in [0, 1]: smooth noise with features of four periods."""
    return frame.noise(4 * period, 5)


def granite(frame: Frame, period: float) -> Array:
    """Return a pattern in [0, 1] of fine grains: the difference of two noises."""
    return np.clip(0.5 + 2 * (frame.noise(period / 2, 3) - frame.noise(period, 3)), 0, 1)


def marble(frame: Frame, period: float) -> Array:
    """Return a pattern in [0, 1] of dark veins: the lines where smooth noise crosses its middle."""
    return np.clip(np.abs(2 * frame.noise(3 * period) - 1) * frame.uniform(2, 5), 0, 1)


def pebbles(frame: Frame, period: float) -> Array:
    """Return a pattern in [0, 1] of round cells, each of its own tone, that darken outward."""
    distance, label = _cells(frame, period)
    tones = frame.uniform(0.3, 1, label.max() + 1)
    return tones[label] * np.clip(1.2 - distance, 0, 1)


def litter(frame: Frame, period: float) -> Array:
    """Return a pattern in [0, 1] of dead leaves: overlapping ellipses, the largest below.

    Their sizes have a heavy tail, as those of things in photos.
    """
    canvas = np.full(frame.shape, 0.3, np.float32)
    for length in np.sort(0.7 * period / np.sqrt(frame.uniform(0.03, 1, 300)))[::-1]:
        x, y = frame.random(2) * frame.shape[::-1]
        box = ((x, y), (length, length * frame.uniform(0.3, 0.9)), frame.uniform(0, 180))
        cv2.ellipse(canvas, box, frame.random(), -1, cv2.LINE_AA)
    return canvas


def stripes(frame: Frame, period: float) -> Array:
    """Return a pattern in [0, 1] of parallel, slightly warped stripes."""
    return np.clip(0.5 + frame.uniform(0.5, 3) * _waves(frame, period)[0], 0, 1)


def checks(frame: Frame, period: float) -> Array:
    """Return a pattern in [0, 1], a warped checkerboard: the product of two crossing waves."""
    return np.clip(0.5 + frame.uniform(0.5, 3) * _waves(frame, period).prod(0), 0, 1)


def weave(frame: Frame, period: float) -> Array:
    """Return a pattern in [0, 1] of crossing threads; one or the other lies on top."""
    across, down = _waves(frame, period)
    return np.abs(np.where(across * down > 0, across, 0.85 * down))


def dots(frame: Frame, period: float) -> Array:
    """Return a pattern in [0, 1] of round dots around scattered seeds."""
    distance, _ = _cells(frame, 1.5 * period)
    return np.clip((frame.uniform(0.2, 0.4) - distance) * frame.uniform(4, 12) + 0.5, 0, 1)


def bumps(frame: Frame, period: float) -> Array:
    """Return a pattern in [0, 1], a warped grid of bumps."""
    return np.abs(_waves(frame, period).prod(0)) ** 0.5


# Patterns of grounds and walls, and patterns that are mostly on objects: a texture set full of the
# latter is out of distribution for a network that has seen them on objects.
NATURAL = np.array([cloud, granite, marble, pebbles, litter])
WORKED = np.array([stripes, checks, weave, dots, bumps])


def palette(rng: Rng) -> Array:
    """Return four random RGB colors around a hue, dark to light: float32 (4, 3) in [0, 1]."""
    # Hue in degrees, saturation and value.
    values = rng.uniform(0.2, 0.8) + rng.uniform(0.12, 0.5) * np.linspace(-1, 1, 4)
    colors = np.empty((4, 3), np.float32)
    colors[:, 0] = 360 * np.mod(rng.normal(0.15, 0.2) + rng.normal(0, 0.025, 4), 1)
    colors[:, 1] = rng.beta(1.2, 2) * rng.uniform(0.6, 1, 4)
    colors[:, 2] = np.clip(values, 0.02, 0.98)
    return cv2.cvtColor(colors[None], cv2.COLOR_HSV2RGB)[0]


def surface(frame: Frame, pattern: Pattern, colors: Array, period: float, relief: float) -> Array:
    """Return a pattern colored by a palette and lit by its own relief: RGB (height, width, 3).

    Args:
        pattern: returns tones in [0, 1], which also serve as heights.
        colors: the palette from dark to light, (N, 3).
        period: size of the pattern's features in pixels.
        relief: strength of the light on the slopes of the pattern.
    """
    tone = pattern(frame, period).astype(np.float32)
    light = 0.8 + relief * np.clip(cv2.Sobel(blurred(tone, 0.8), cv2.CV_32F, 1, 0), -1.5, 1.5)
    light += 0.4 * frame.noise(2 * period)
    levels = np.linspace(0, 1, len(colors))
    painted = np.stack([np.interp(tone, levels, channel) for channel in colors.T], -1)
    return painted * light[..., None]
