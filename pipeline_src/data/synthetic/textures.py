"""Photo-like surfaces from numbers: patterns, colors and light.

A surface is a pattern (tone in [0, 1], which also serves as its relief), colored by a palette and
lit from one side. Patterns take a frame and a period in pixels, and return float32 or float64
(height, width).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Rng = np.random.Generator
Array = np.ndarray


class Frame(np.random.Generator):
    """Random draws for a picture of one size, from the stream of another generator.

    Attributes:
        shape: height and width in pixels.
    """

    def __init__(self, rng: Rng, height: int, width: int):
        super().__init__(rng.bit_generator)
        self.shape = (height, width)

    def noise(self, cell: float, octaves: int = 4, stretch: float = 1) -> Array:
        """Return smooth noise in [0, 1], float32 (height, width).

        Args:
            cell: size of the largest features in pixels; each octave halves it.
            stretch: how many times wider than high the features are.
        """
        height, width = self.shape
        total = np.zeros(self.shape, np.float32)
        for octave in range(octaves):
            scale = 2**octave
            if octave and cell < scale:
                break
            cells = np.array([cell, cell * stretch]) / scale
            counts = np.divide(self.shape, cells).astype(int) + 4
            size = (counts * cells).astype(int) + 1
            small = self.random(counts, np.float32)
            large = cv2.resize(small, size[::-1].tolist(), interpolation=cv2.INTER_CUBIC)
            top, left = self.integers(size - self.shape + 1)
            total += 0.55**octave * large[top:, left:][:height, :width]
        return cv2.normalize(total, total, 0, 1, cv2.NORM_MINMAX)


Pattern = Callable[[Frame, float], Array]


def blurred(picture: Array, sigma: float) -> Array:
    return cv2.GaussianBlur(picture, (0, 0), sigma)


def _coordinates(frame: Frame, period: float, warp: float = 0.5) -> Array:
    """Return a turned, tilted and warped plane in periods, float64 (2, height, width).

    Args:
        warp: how far noise moves a point, in periods.
    """
    y, x = np.indices(frame.shape, np.float32)
    angle = frame.uniform(0, np.pi)
    # A surface seen at a slant has finer periods farther away.
    depth = 1 + frame.uniform(0, 0.6) * (1 - y / frame.shape[0])
    strength = frame.uniform(0, 2 * warp)
    moved = frame.noise(max(3 * period, 12), 2) - 0.5
    plane = (x + 1j * y) * np.exp(-1j * angle) * depth / period + strength * (1 - 1j) * moved
    return np.stack([plane.real, plane.imag])


def _bands(rng: Rng, most: int) -> Array:
    """Return 256 tones in 2 to `most` bands of unequal widths with soft edges, periodic."""
    count = rng.integers(2, most + 1)
    edges = np.sort(rng.integers(0, 256, count))
    tones = rng.random(count + 1, np.float32)
    tones[-1] = tones[0]
    sharp = tones[np.digitize(np.arange(256), edges)]
    return np.convolve(np.pad(sharp, 3, "wrap"), np.full(7, 1 / 7, np.float32), "valid")


def _look_up(table: Array, phase: Array) -> Array:
    return table[np.floor(phase * 256).astype(int) & 255]


def _cells(frame: Frame, period: float) -> tuple[Array, Array]:
    """Return the distance in periods to the nearest of scattered seeds, and the seed's number."""
    counts = np.divide(frame.shape, period).astype(int) + 2
    grid = np.argwhere(np.ones(counts)) - 0.5
    seeds = ((grid + frame.uniform(-0.4, 0.4, grid.shape)) * period).astype(int)
    inside = (seeds >= 0) & (seeds < frame.shape)
    rows, columns = seeds[inside.all(1)].T
    canvas = np.ones(frame.shape, np.uint8)
    canvas[rows, columns] = 0
    canvas[frame.shape[0] // 2, frame.shape[1] // 2] = 0  # never without a seed
    distance, label = cv2.distanceTransformWithLabels(
        canvas, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    return distance / period, label


def _edges(label: Array) -> Array:
    """Return the distance in pixels to the next border between cells."""
    across = np.diff(label, axis=1, prepend=label[:, :1])
    down = np.diff(label, axis=0, prepend=label[:1])
    inside = (across == 0) & (down == 0)
    return cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 3)


def stripes(frame: Frame, period: float) -> Array:
    across = _coordinates(frame, 2 * period)[0]
    return _look_up(_bands(frame, 7), across)


def plaid(frame: Frame, period: float) -> Array:
    plane = _coordinates(frame, 2 * period, 0.25)
    return _look_up(_bands(frame, 5), plane).mean(0)


def checks(frame: Frame, period: float) -> Array:
    across, down = np.sin(2 * np.pi * _coordinates(frame, 2 * period, 0.25))
    return 0.5 + 0.5 * np.clip(4 * across * down, -1, 1)


def weave(frame: Frame, period: float) -> Array:
    across, down = np.sin(2 * np.pi * _coordinates(frame, 2 * period, 0.25))
    return np.where(across * down > 0, np.abs(across), 0.85 * np.abs(down))


def dots(frame: Frame, period: float) -> Array:
    distance, _ = _cells(frame, 1.5 * period)
    return np.clip((frame.uniform(0.2, 0.4) - distance) * frame.uniform(4, 12) + 0.5, 0, 1)


def bumps(frame: Frame, period: float) -> Array:
    distance, label = _cells(frame, 1.3 * period)
    sizes = frame.uniform(0.45, 0.75, label.max() + 1).astype(np.float32)
    return np.sqrt(np.clip(1 - (distance / sizes[label]) ** 2, 0, 1))


def pebbles(frame: Frame, period: float) -> Array:
    _, label = _cells(frame, 1.4 * period)
    tones = frame.random(label.max() + 1, np.float32)
    height = np.clip(_edges(label) / (0.25 * period + 1), 0, 1) ** 0.7
    return (0.25 + 0.75 * tones[label]) * height


def cracks(frame: Frame, period: float) -> Array:
    _, label = _cells(frame, 2 * period)
    x, y = _jitter(frame, 0.6 * period)
    moved = cv2.remap(label.astype(np.float32), x, y, cv2.INTER_NEAREST)
    width = 1 + 2.5 * frame.noise(period)
    return np.clip(_edges(moved) / width, 0, 1) * (0.6 + 0.4 * frame.noise(period / 2))


def _jitter(frame: Frame, reach: float) -> Array:
    """Return x and y from which noise moves each pixel, up to about `reach` pixels away."""
    x_first = np.indices(frame.shape, np.float32)[::-1]
    noise = [frame.noise(4 * reach + 4, 3), frame.noise(4 * reach + 4, 3)]
    return x_first + 2 * reach * (np.array(noise) - 0.5)


def fibres(frame: Frame, period: float) -> Array:
    lines = frame.noise(max(period / 3, 1.5), 3, frame.uniform(6, 14))
    if frame.random() < 0.5:
        lines = cv2.resize(lines.T, frame.shape[::-1], interpolation=cv2.INTER_LINEAR)
    x, y = _jitter(frame, 1.5 * period)
    return cv2.remap(lines, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def granite(frame: Frame, period: float) -> Array:
    fine = frame.noise(max(period / 3, 2), 3)
    return np.clip(0.5 + frame.uniform(1, 3) * (fine - frame.noise(period, 3)), 0, 1)


def cloud(frame: Frame, period: float) -> Array:
    return frame.noise(4 * period, 5)


def marble(frame: Frame, period: float) -> Array:
    ridge = np.abs(2 * frame.noise(2.5 * period) - 1)
    return np.clip(ridge * frame.uniform(2, 5), 0, 1)


def wood(frame: Frame, period: float) -> Array:
    across, along = _coordinates(frame, period, 0.4)
    ring = np.hypot(across - across.mean(), 0.1 * (along - along.min()))
    return np.mod(ring + frame.noise(3 * period, 3), 1)


def bricks(frame: Frame, period: float) -> Array:
    y, x = np.indices(frame.shape, np.float32)
    down = (y + frame.uniform(-0.15, 0.15) * x) / period
    row = np.floor(down)
    across = x / (2.2 * period) + 0.5 * np.mod(row, 2)
    number = (np.floor(across) * 131 + row * 17).astype(int)
    tones = frame.random(4096, np.float32)
    joint = np.minimum(_to_whole(down), 2.2 * _to_whole(across))
    return (0.35 + 0.65 * tones[number & 4095]) * np.clip(joint * 9, 0.1, 1)


def _to_whole(values: Array) -> Array:
    """Return the distance to the nearest whole number."""
    rest = np.mod(values, 1)
    return np.minimum(rest, 1 - rest)


def scales(frame: Frame, period: float) -> Array:
    across, down = _coordinates(frame, period, 0.4)
    across = np.mod(across + 0.5 * np.mod(np.floor(down), 2), 1) - 0.5
    return np.clip(1.1 - np.sqrt(across**2 * 2 + np.mod(down, 1) ** 2), 0, 1)


def litter(frame: Frame, period: float) -> Array:
    """Return dead leaves: overlapping ellipses of heavy-tailed sizes.

    Their edges are like those of natural images.
    """
    canvas = np.full(frame.shape, 0.3, np.float32)
    count = int(min(1.6 * canvas.size / period**2 + 20, 350))
    length = np.minimum(0.7 * period / np.sqrt(frame.uniform(0.03, 1, count)), 5 * period)
    center = frame.uniform(0, 1, (count, 2)) * frame.shape[::-1]
    width = length * frame.uniform(0.25, 0.9, count)
    turn = frame.uniform(0, 180, count)
    tone = frame.uniform(0.05, 1, count)
    for i in np.argsort(-length):  # the small ones last, or the large ones would hide them
        box = (center[i], (length[i], width[i]), turn[i])
        cv2.ellipse(canvas, box, tone[i], -1, cv2.LINE_AA)
    return canvas


def grass(frame: Frame, period: float) -> Array:
    canvas = frame.noise(2 * period, 3) * 0.4
    count = int(min(8 * canvas.size / period**2 + 50, 500))
    foot = frame.uniform(-0.05, 1.15, (count, 2)) * frame.shape[::-1]
    foot = foot[np.argsort(foot[:, 1])]
    lean = frame.normal(0, 0.35, count) + frame.normal(0, 0.3)
    blade = np.stack([np.sin(lean), np.cos(lean)]) * frame.uniform(0.6, 2.2, count) * period
    start = foot.astype(int)
    end = (foot - blade.T).astype(int)
    tone = frame.uniform(0.15, 1, count)
    thickness = frame.integers(1, max(2, int(period / 5)) + 1, count)
    for i in range(count):
        cv2.line(canvas, start[i], end[i], tone[i], thickness[i], cv2.LINE_AA)
    return canvas


# Patterns of grounds and walls, and patterns that are mostly on objects: a texture set full of the
# latter is out of distribution for a network that has seen them on objects.
NATURAL = np.array([cloud, fibres, granite, litter, grass, pebbles, cracks, marble, bricks])
WORKED = np.array([stripes, plaid, checks, weave, dots, bumps, wood, scales])

# Hue (turns), how far it strays, the range of saturation, and share: what outdoor and indoor images
# mostly consist of.
_HUES = {
    "earth": (0.08, 0.03, 0.15, 0.65, 0.27),
    "green": (0.26, 0.06, 0.2, 0.75, 0.22),
    "grey": (0.1, 0.5, 0.0, 0.12, 0.17),
    "blue": (0.58, 0.05, 0.15, 0.65, 0.1),
    "warm": (0.03, 0.05, 0.4, 0.95, 0.12),
    "any": (0.5, 0.5, 0.1, 0.9, 0.12),
}


def palette(rng: Rng, mood: str | None = None) -> Array:
    """Return four RGB colors around a hue, dark to light: float32 (4, 3) in [0, 1].

    Args:
        mood: a key of `_HUES`, drawn by its share if it is not given.
    """
    mood = mood or rng.choice(list(_HUES), p=[share for *_, share in _HUES.values()])
    hue, stray, low, high, _ = _HUES[mood]
    hue += rng.uniform(-stray, stray)
    saturation = rng.uniform(low, high)
    middle = rng.uniform(0.2, 0.8)
    steps = rng.uniform(0.12, 0.5) * np.array([-1, -0.3, 0.35, 1]) * rng.uniform(0.7, 1.2, 4)
    colors = np.empty((4, 3), np.float32)
    colors[:, 0] = 360 * np.mod(hue + rng.normal(0, 0.025, 4), 1)
    colors[:, 1] = np.clip(saturation * rng.uniform(0.6, 1.2, 4), 0, 1)
    colors[:, 2] = np.clip(middle + steps, 0.02, 0.98)
    if rng.random() < 0.15:
        colors[rng.integers(4), 0] = rng.uniform(0, 360)
    return cv2.cvtColor(colors[None], cv2.COLOR_HSV2RGB)[0]


def colored(tone: Array, colors: Array) -> Array:
    """Return a tone (H, W) in [0, 1] as RGB float32 (H, W, 3) through a palette (4, 3)."""
    places = np.linspace(0, len(colors) - 1, 256)
    table = [np.interp(places, range(len(colors)), channel) for channel in colors.T]
    levels = (np.clip(tone, 0, 1) * 255).astype(np.uint8)
    return np.array(table, np.float32).T[levels]


def surface(frame: Frame, pattern: Pattern, colors: Array, period: float, relief: float) -> Array:
    """Return a pattern colored and lit by its own relief: RGB float32 (height, width, 3)."""
    tone = pattern(frame, period).astype(np.float32)
    grain = frame.noise(max(period, 6), 5)
    body = blurred(tone, 0.8)
    angle = frame.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * cv2.Sobel(body, cv2.CV_32F, 1, 0)
    slope += np.sin(angle) * cv2.Sobel(body, cv2.CV_32F, 0, 1)
    light = 1 + relief * np.clip(slope, -1.5, 1.5) + 0.35 * (grain - 0.5)
    return colored(0.8 * tone + 0.25 * (grain - 0.1), colors) * light[..., None]
