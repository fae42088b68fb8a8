"""Photo-like surfaces from numbers: patterns, colors and light.

A surface is a pattern (tone in [0, 1], which also serves as its relief), colored by a palette and
lit from one side. Patterns take (rng, height, width, period) with the period in pixels and return a
float32 (height, width) array.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Rng = np.random.Generator
Array = np.ndarray


def noise(
    rng: Rng, height: int, width: int, cell: float, octaves: int = 4, stretch: float = 1.0
) -> Array:
    """Return smooth noise in [0, 1] with features of `cell` pixels (x: times `stretch`) and, by octaves, smaller."""
    total = np.zeros((height, width), np.float32)
    gain = 1.0
    for _ in range(octaves):
        rows, columns = int(height / cell) + 4, int(width / (cell * stretch)) + 4
        grid = rng.random((rows, columns), dtype=np.float32)
        big = cv2.resize(
            grid,
            (int(columns * cell * stretch) + 1, int(rows * cell) + 1),
            interpolation=cv2.INTER_CUBIC,
        )
        top, left = rng.integers(big.shape[0] - height + 1), rng.integers(big.shape[1] - width + 1)
        total += gain * big[top : top + height, left : left + width]
        gain, cell = gain * 0.55, cell / 2
        if cell < 1:
            break
    return np.asarray(cv2.normalize(total, np.empty_like(total), 0, 1, cv2.NORM_MINMAX))


def coordinates(
    rng: Rng, height: int, width: int, period: float, warp: float = 0.5
) -> tuple[Array, Array]:
    """Return a turned, tilted and warped frame (u, v) in periods; `warp` is how far noise moves a point, in periods."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    depth = 1 + rng.uniform(0, 0.6) * (
        1 - y / height
    )  # a surface seen at a slant has finer periods farther away
    strength = rng.uniform(0, 2 * warp)
    moved = noise(rng, height, width, max(3 * period, 12), 2) - 0.5
    return u * depth / period + strength * moved, v * depth / period - strength * moved


def _table(rng: Rng, bands: int) -> Array:
    """Return 256 tones in `bands` bands of unequal widths with soft edges, periodic."""
    edges = np.sort(rng.integers(0, 256, bands))
    tones = rng.random(bands + 1, dtype=np.float32)
    tones[-1] = tones[0]
    table = tones[np.searchsorted(edges, np.arange(256), side="right")]
    return np.convolve(
        np.r_[table[-3:], table, table[:3]], np.full(7, 1 / 7, np.float32), "valid"
    ).astype(np.float32)


def _look_up(table: Array, phase: Array) -> Array:
    return np.asarray(table[(np.floor(phase * 256).astype(np.int32)) & 255])


def _cells(rng: Rng, height: int, width: int, period: float) -> tuple[Array, Array]:
    """Return the distance in periods to the nearest of scattered seeds, and which seed that is (an int per pixel)."""
    rows, columns = int(height / period) + 2, int(width / period) + 2
    grid = np.stack([*np.mgrid[0:rows, 0:columns]], -1).reshape(-1, 2) - 0.5
    seeds = ((grid + rng.uniform(-0.4, 0.4, grid.shape)) * period).astype(int)
    seeds = seeds[(seeds >= 0).all(1) & (seeds[:, 0] < height) & (seeds[:, 1] < width)]
    canvas = np.full((height, width), 255, np.uint8)
    canvas[seeds[:, 0], seeds[:, 1]] = 0
    canvas[height // 2, width // 2] = 0  # never without a seed
    distance, label = cv2.distanceTransformWithLabels(
        canvas, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    return distance / period, label


def _edges(label: Array) -> Array:
    """Return the distance in pixels to the next border between cells."""
    edge = np.full(label.shape, 255, np.uint8)
    edge[:, 1:][label[:, 1:] != label[:, :-1]] = 0
    edge[1:][label[1:] != label[:-1]] = 0
    return cv2.distanceTransform(edge, cv2.DIST_L2, 3)


def stripes(rng: Rng, height: int, width: int, period: float) -> Array:
    u, _ = coordinates(rng, height, width, 2 * period)
    return _look_up(_table(rng, int(rng.integers(2, 8))), u)


def plaid(rng: Rng, height: int, width: int, period: float) -> Array:
    u, v = coordinates(rng, height, width, 2 * period, 0.25)
    table = _table(rng, int(rng.integers(2, 6)))
    return np.asarray(0.5 * (_look_up(table, u) + _look_up(table, v)))


def checks(rng: Rng, height: int, width: int, period: float) -> Array:
    u, v = coordinates(rng, height, width, 2 * period, 0.25)
    return np.asarray(0.5 + 0.5 * np.clip(4 * np.sin(2 * np.pi * u) * np.sin(2 * np.pi * v), -1, 1))


def weave(rng: Rng, height: int, width: int, period: float) -> Array:
    u, v = coordinates(rng, height, width, 2 * period, 0.25)
    a, b = np.sin(2 * np.pi * u), np.sin(2 * np.pi * v)
    return np.where(a * b > 0, np.abs(a), 0.85 * np.abs(b)).astype(np.float32)


def dots(rng: Rng, height: int, width: int, period: float) -> Array:
    distance, _ = _cells(rng, height, width, 1.5 * period)
    return np.clip((rng.uniform(0.2, 0.4) - distance) * rng.uniform(4, 12) + 0.5, 0, 1)


def bumps(rng: Rng, height: int, width: int, period: float) -> Array:
    distance, label = _cells(rng, height, width, 1.3 * period)
    size = rng.uniform(0.45, 0.75, label.max() + 1).astype(np.float32)[label]
    return np.asarray(np.sqrt(np.clip(1 - (distance / size) ** 2, 0, 1)))


def pebbles(rng: Rng, height: int, width: int, period: float) -> Array:
    _, label = _cells(rng, height, width, 1.4 * period)
    tone = rng.random(label.max() + 1, dtype=np.float32)[label]
    return np.asarray(
        (0.25 + 0.75 * tone) * np.clip(_edges(label) / (0.25 * period + 1), 0, 1) ** 0.7
    )


def cracks(rng: Rng, height: int, width: int, period: float) -> Array:
    _, label = _cells(rng, height, width, 2 * period)
    label = cv2.remap(
        label.astype(np.float32), *_jitter(rng, height, width, 0.6 * period), cv2.INTER_NEAREST
    )
    rough = noise(rng, height, width, period)
    return np.clip(_edges(label) / (1 + 2.5 * rough), 0, 1) * (
        0.6 + 0.4 * noise(rng, height, width, period / 2)
    )


def _jitter(rng: Rng, height: int, width: int, far: float) -> tuple[Array, Array]:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    moved = [2 * far * (noise(rng, height, width, 4 * far + 4, 3) - 0.5) for _ in range(2)]
    return x + moved[0], y + moved[1]


def fibres(rng: Rng, height: int, width: int, period: float) -> Array:
    tall = noise(rng, height, width, max(period / 3, 1.5), 3, stretch=rng.uniform(6, 14))
    if rng.random() < 0.5:
        tall = np.ascontiguousarray(
            cv2.resize(tall.T, (width, height), interpolation=cv2.INTER_LINEAR)
        )
    return cv2.remap(
        tall,
        *_jitter(rng, height, width, 1.5 * period),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )


def granite(rng: Rng, height: int, width: int, period: float) -> Array:
    fine = noise(rng, height, width, max(period / 3, 2), 3)
    return np.asarray(
        np.clip(0.5 + rng.uniform(1, 3) * (fine - noise(rng, height, width, period, 3)), 0, 1)
    )


def cloud(rng: Rng, height: int, width: int, period: float) -> Array:
    return noise(rng, height, width, 4 * period, 5)


def marble(rng: Rng, height: int, width: int, period: float) -> Array:
    ridge = np.abs(2 * noise(rng, height, width, 2.5 * period, 4) - 1)
    return np.asarray(np.clip(ridge * rng.uniform(2, 5), 0, 1))


def wood(rng: Rng, height: int, width: int, period: float) -> Array:
    u, v = coordinates(rng, height, width, period, 0.4)
    ring = np.sqrt((u - u.mean()) ** 2 + (0.1 * (v - v.min())) ** 2)
    return np.asarray(np.mod(ring + noise(rng, height, width, 3 * period, 3), 1).astype(np.float32))


def bricks(rng: Rng, height: int, width: int, period: float) -> Array:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    lean = rng.uniform(-0.15, 0.15)
    v = (y + lean * x) / period
    row = np.floor(v)
    u = x / (2.2 * period) + 0.5 * np.mod(row, 2)
    tone = rng.random(4096, dtype=np.float32)[
        (np.floor(u) * 131 + row * 17).astype(np.int32) & 4095
    ]
    joint = np.minimum(
        np.minimum(np.mod(v, 1), 1 - np.mod(v, 1)), 2.2 * np.minimum(np.mod(u, 1), 1 - np.mod(u, 1))
    )
    return np.asarray((0.35 + 0.65 * tone) * np.clip(joint * 9, 0.1, 1))


def scales(rng: Rng, height: int, width: int, period: float) -> Array:
    u, v = coordinates(rng, height, width, period, 0.4)
    row = np.floor(v)
    across = np.mod(u + 0.5 * np.mod(row, 2), 1) - 0.5
    down = np.mod(v, 1)
    return np.asarray(np.clip(1.1 - np.sqrt(across**2 * 2 + down**2), 0, 1).astype(np.float32))


def litter(rng: Rng, height: int, width: int, period: float) -> Array:
    """Return dead leaves: overlapping ellipses of heavy-tailed sizes, whose edges are like those of natural images."""
    canvas = np.full((height, width), 0.3, np.float32)
    count = int(min(1.6 * height * width / period**2 + 20, 350))
    size = np.minimum(0.35 * period / np.sqrt(rng.uniform(0.03, 1, count)), 2.5 * period)
    center = rng.uniform(0, 1, (count, 2)) * (width, height)
    ratio, turn, tone = (
        rng.uniform(0.25, 0.9, count),
        rng.uniform(0, 180, count),
        rng.uniform(0.05, 1, count),
    )
    for i in np.argsort(-size):  # the small ones last, or the large ones would hide them
        box = (tuple(center[i]), (2 * size[i], 2 * size[i] * ratio[i]), turn[i])
        cv2.ellipse(canvas, box, tone[i], -1, cv2.LINE_AA)
    return canvas


def grass(rng: Rng, height: int, width: int, period: float) -> Array:
    canvas = noise(rng, height, width, 2 * period, 3) * 0.4
    count = int(min(8 * height * width / period**2 + 50, 500))
    foot = rng.uniform(-0.05, 1.15, (count, 2)) * (width, height)
    foot = foot[np.argsort(foot[:, 1])]
    lean = rng.normal(0, 0.35, count) + rng.normal(0, 0.3)
    length = rng.uniform(0.6, 2.2, count) * period
    tip = foot - np.stack([np.sin(lean), np.cos(lean)], 1) * length[:, None]
    tone = rng.uniform(0.15, 1, count)
    thick = rng.integers(1, max(2, int(period / 5)) + 1, count)
    for a, b, value, weight in zip(
        foot.astype(int).tolist(), tip.astype(int).tolist(), tone, thick, strict=True
    ):
        cv2.line(canvas, a, b, value, int(weight), cv2.LINE_AA)
    return canvas


PATTERNS: dict[str, Callable[[Rng, int, int, float], Array]] = {
    pattern.__name__: pattern
    for pattern in (
        *(
            stripes,
            plaid,
            checks,
            weave,
            dots,
            bumps,
            pebbles,
            cracks,
            fibres,
            granite,
            cloud,
            marble,
            wood,
        ),
        *(bricks, scales, litter, grass),
    )
}

# Hue (turns), how far it strays, and the range of saturation: what outdoor and indoor images mostly
# consist of.
_HUES = {
    "earth": (0.08, 0.03, 0.15, 0.65),
    "green": (0.26, 0.06, 0.2, 0.75),
    "grey": (0.1, 0.5, 0.0, 0.12),
    "blue": (0.58, 0.05, 0.15, 0.65),
    "warm": (0.03, 0.05, 0.4, 0.95),
    "any": (0.5, 0.5, 0.1, 0.9),
}


def palette(rng: Rng, mood: str | None = None) -> Array:
    """Return four RGB colors, float32 (4, 3) in [0, 1], dark to light around a hue of `mood` (`_HUES`)."""
    mood = mood or rng.choice(list(_HUES), p=[0.27, 0.22, 0.17, 0.1, 0.12, 0.12])
    hue, stray, low, high = _HUES[mood]
    hue, saturation = hue + rng.uniform(-stray, stray), rng.uniform(low, high)
    middle, spread = rng.uniform(0.2, 0.8), rng.uniform(0.12, 0.5)
    value = np.clip(
        middle + spread * np.array([-1, -0.3, 0.35, 1]) * rng.uniform(0.7, 1.2, 4), 0.02, 0.98
    )
    hues = np.mod(hue + rng.normal(0, 0.025, 4), 1)
    colors = np.stack([360 * hues, np.clip(saturation * rng.uniform(0.6, 1.2, 4), 0, 1), value], 1)
    if rng.random() < 0.15:
        colors[rng.integers(4), 0] = rng.uniform(0, 360)
    return np.asarray(cv2.cvtColor(colors.astype(np.float32)[None], cv2.COLOR_HSV2RGB)[0])


def colored(tone: Array, colors: Array) -> Array:
    """Return a tone (H, W) in [0, 1] as RGB float32 (H, W, 3) through a palette (4, 3)."""
    steps = np.linspace(0, 1, 256)
    table = np.stack(
        [np.interp(steps, np.linspace(0, 1, len(colors)), colors[:, c]) for c in range(3)], 1
    )
    return cv2.LUT(
        (np.clip(tone, 0, 1) * 255).astype(np.uint8)[..., None].repeat(3, 2),
        table.astype(np.float32)[None],
    )


def surface(
    rng: Rng, height: int, width: int, pattern: str, colors: Array, period: float, relief: float
) -> Array:
    """Return a pattern colored and lit by its own relief: RGB float32 (height, width, 3)."""
    tone = PATTERNS[pattern](rng, height, width, period).astype(np.float32)
    grain = noise(rng, height, width, max(period, 6), 5)
    body = cv2.GaussianBlur(tone, (0, 0), 0.8)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * cv2.Sobel(body, cv2.CV_32F, 1, 0) + np.sin(angle) * cv2.Sobel(
        body, cv2.CV_32F, 0, 1
    )
    light = 1 + relief * np.clip(slope, -1.5, 1.5) + 0.35 * (grain - 0.5)
    return np.asarray(colored(0.8 * tone + 0.25 * (grain - 0.1), colors) * light[..., None])
