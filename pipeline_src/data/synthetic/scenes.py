"""Synthetic data: photo-like scenes with salient objects, and pure textures that hold no object.

A scene has a background (one surface, a ground under a wall or sky, leaf litter), one to four
candidates for the salient object, occluders, light and a camera. A rule that can be learned, though
not without error, decides what is
salient: the candidate with the largest product of visible size, centrality and contrast, and any
    that comes close.
Difficulty varies by image: contrast and camouflage, clutter, blur, haze, noise and the margin by
which an object wins.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np

from pipeline_src.data.synthetic.shapes import SHAPES, UPRIGHT, Shape, filled
from pipeline_src.data.synthetic.textures import PATTERNS, Array, Rng, noise, palette, surface
from pipeline_src.rng import generator

# Patterns of grounds and walls, and patterns that are mostly on objects: a texture set full of the
# latter is out of distribution for a network that has seen them on objects.
_NATURAL = (
    "cloud",
    "fibres",
    "granite",
    "litter",
    "grass",
    "pebbles",
    "cracks",
    "marble",
    "bricks",
)
_WORKED = tuple(name for name in PATTERNS if name not in _NATURAL)
_CLOSE = 0.8  # share of the best score from which a second candidate counts too
_JPEG_QUALITY = 92
_SIDES = (176, 136)  # usual width and height in pixels
_TRIES = 50  # nearly every first try holds an object of a plausible size


Draw = Callable[[Rng], Shape]


class _Thing(NamedTuple):
    """A candidate: its colors (H, W, 3), coverage of the image and of the drawn outline (H, W), center and shadow."""

    colors: Array
    cover: Array
    outline: Array
    center: tuple[float, float]
    shadow: float


def _background(rng: Rng, height: int, width: int) -> tuple[Array, Array]:
    """Return a background, RGB float32 (H, W, 3), and the palette of the surface that objects stand on."""
    colors = palette(rng)
    pattern = rng.choice(_NATURAL if rng.random() < 0.92 else _WORKED)
    scene = surface(rng, height, width, pattern, colors, rng.uniform(5, 20), rng.uniform(0, 0.6))
    if rng.random() < 0.45:  # something else above a horizon or an edge
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        line = rng.uniform(0.15, 0.65) * height + rng.normal(0, 0.08) * (x - width / 2)
        line += rng.uniform(0, 0.25) * height * (noise(rng, height, width, 0.3 * width, 4) - 0.5)
        upper = np.clip((line - y) / rng.uniform(0.7, 4) + 0.5, 0, 1)[..., None]
        far_colors, pattern = palette(rng), rng.choice(["cloud", "cloud", *_NATURAL])
        far = surface(
            rng, height, width, pattern, far_colors, rng.uniform(6, 20), rng.uniform(0, 0.4)
        )
        scene += upper * (far - scene)
    if rng.random() < 0.35:  # clutter: shapes, mostly blurred
        for _ in range(int(rng.integers(2, 7))):
            shape = SHAPES[rng.integers(len(SHAPES))]
            thing = _thing(
                rng, height, width, shape, rng.uniform(0.08, 0.22), rng.random(2), colors, 0.6
            )
            cover = cv2.GaussianBlur(thing.cover, (0, 0), rng.uniform(0.8, 3))[..., None]
            scene += cover * (thing.colors - scene)
    if rng.random() < 0.5:  # out of focus
        scene = cv2.GaussianBlur(scene, (0, 0), rng.uniform(0.8, 4.5))
    return scene, colors


def _thing(
    rng: Rng,
    height: int,
    width: int,
    shape: Draw,
    size: float,
    center: Array,
    around: Array,
    hidden: float,
) -> _Thing:
    """Return a shaded object: `size` is a share of sqrt(height width), `center` (x, y) of width and
    height. `hidden` in [0, 1] blends its colors with those `around` it (4, 3).
    """
    outline, inner = shape(rng)
    turn = rng.normal(0, 0.12) if shape in UPRIGHT else rng.uniform(-np.pi, np.pi)
    flip = rng.choice([-1, 1])
    stretch = np.exp(rng.normal(0, 0.12))
    scale = float(size * np.sqrt(height * width))
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = scale * rotation @ np.diag([flip * stretch, 1 / stretch])
    place = np.column_stack([linear, center * (width, height)])
    cover = filled(outline, place, height, width, 0.04 * scale)
    parts = filled(inner, place, height, width, 0.02 * scale) if inner else np.zeros_like(cover)
    ys, xs = np.nonzero(cover > 0)
    colors = np.zeros((height, width, 3), np.float32)
    if len(ys):
        box = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
        colors[box] = _skin(rng, cover[box], parts[box], scale, around, hidden)
    drawn = cover
    if rng.random() < 0.3:  # fur, feathers, leaves: the border is finer than a labeled outline
        fringe = 1.2 * (noise(rng, height, width, 4, 2) - 0.5) * (cover < 0.99)
        cover = np.clip(
            cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.8, 2)) * 2.2 - 0.6 + fringe, 0, 1
        )
    if rng.random() < 0.35:
        cover = cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.4, 1.6))
    return _Thing(colors, cover, drawn, tuple(center), rng.uniform(0.2, 0.7) * (rng.random() < 0.6))


def _skin(
    rng: Rng, cover: Array, parts: Array, scale: float, around: Array, hidden: float
) -> Array:
    height, width = cover.shape
    smooth = rng.random() < 0.4
    painted = []
    for _ in range(2):
        colors = palette(rng, rng.choice(["warm", "any", "grey", "earth", "blue", "green"]))
        colors = (1 - hidden) * colors + hidden * around
        pattern = "cloud" if smooth else rng.choice(_WORKED if rng.random() < 0.65 else _NATURAL)
        painted.append(
            surface(rng, height, width, pattern, colors, rng.uniform(3, 10), rng.uniform(0, 0.5))
        )
    color = painted[0] + (rng.uniform(0.5, 1) * parts)[..., None] * (painted[1] - painted[0])
    # Roundness: the distance to the border is taken for a height, and lit from above left or right.
    solid = np.pad((cover > 0.5).astype(np.uint8), 1)
    depth = cv2.distanceTransform(solid, cv2.DIST_L2, 3)[1:-1, 1:-1]
    reach = float(max(rng.uniform(0.15, 0.4) * scale, 2))
    bulge = (reach * np.sqrt(np.clip(1 - (1 - np.minimum(depth / reach, 1)) ** 2, 0, 1))).astype(
        np.float32
    )
    bulge = cv2.GaussianBlur(bulge, (0, 0), max(0.15 * reach, 0.8))
    slope_x, slope_y = (
        cv2.Sobel(bulge, cv2.CV_32F, 1, 0, scale=1 / 8),
        cv2.Sobel(bulge, cv2.CV_32F, 0, 1, scale=1 / 8),
    )
    side = rng.uniform(-0.8, 0.8)
    facing = (1 - side * slope_x + 0.7 * slope_y) / np.sqrt(1 + slope_x**2 + slope_y**2)
    strength = rng.uniform(0.1, 0.75)
    color = color * (1 - strength + strength * np.clip(facing, 0, 1.6))[..., None]
    if rng.random() < 0.25:
        color += (rng.uniform(0.2, 0.6) * np.clip(facing - 1.15, 0, 1) ** 2 * 8)[..., None].astype(
            np.float32
        )
    return np.asarray(color.astype(np.float32))


def _candidates(rng: Rng, height: int, width: int, around: Array) -> list[_Thing]:
    count = int(rng.choice([1, 2, 3, 4], p=[0.42, 0.3, 0.17, 0.11]))
    alike = rng.random() < 0.5
    kind = SHAPES[rng.integers(len(SHAPES))]
    hidden = float(rng.beta(0.9, 1.4))
    things = []
    for i in range(count):
        shape = kind if alike or i == 0 else SHAPES[rng.integers(len(SHAPES))]
        size = np.clip(np.exp(rng.normal(np.log(0.33), 0.3)), 0.15, 0.65) * (
            1 if i == 0 else rng.uniform(0.35, 0.95)
        )
        center = rng.normal(0.5, 0.13, 2) if i == 0 else rng.uniform(0.02, 0.98, 2)
        blend = np.clip(hidden + (0 if alike else rng.normal(0, 0.2)), 0, 0.93)
        things.append(_thing(rng, height, width, shape, size, center, around, blend))
    return sorted(things, key=lambda thing: thing.center[1])  # lower is nearer


def _score(thing: _Thing, seen: Array, scene: Array) -> float:
    """Return the salience of a candidate whose part `seen` (H, W) is visible: size, centrality and contrast."""
    area = float(seen.sum())
    if area < 30:
        return 0.0
    ring = (
        np.clip(cv2.blur(thing.cover, (15, 15)) * 3, 0, 1) * (1 - np.clip(thing.cover * 3, 0, 1))
        + 1e-6
    )
    inside = (scene * seen[..., None]).sum((0, 1)) / area
    outside = (scene * ring[..., None]).sum((0, 1)) / ring.sum()
    contrast = float(np.linalg.norm(inside - outside))
    away = (thing.center[0] - 0.5) ** 2 + (thing.center[1] - 0.5) ** 2
    return float(np.sqrt(area / seen.size) * float(np.exp(-3 * away)) * (0.35 + contrast))


def _occluder(rng: Rng, height: int, width: int) -> tuple[Array, Array]:
    """Return the colors and the coverage of a near branch, post or blade in front of everything."""
    start, end = (
        rng.uniform(-0.1, 1.1, 2) * (width, height),
        rng.uniform(-0.1, 1.1, 2) * (width, height),
    )
    start[1], end[1] = (
        rng.choice([-0.1, 1.1]) * height,
        end[1] if rng.random() < 0.5 else 1.1 * height,
    )
    cover = np.zeros((height, width), np.float32)
    middle = (start + end) / 2 + rng.normal(0, 0.08, 2) * (width, height)
    curve = np.array(
        [
            (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t * t * end
            for t in np.linspace(0, 1, 9)
        ]
    )
    cv2.polylines(cover, [curve.astype(np.int32)], False, 1, int(rng.integers(1, 9)), cv2.LINE_AA)
    cover = cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.4, 2))
    return surface(rng, height, width, "fibres", palette(rng), 5, 0.3), cover


def draw_scene(rng: Rng, height: int, width: int) -> tuple[Array, Array]:
    """Return a scene and the mask of its salient objects.

    Returns:
        image: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width), 0 background to 255 object, grey where an edge crosses a pixel.

    Raises:
        RuntimeError: no try gave an object of a plausible size.
    """
    for _ in range(_TRIES):
        scene, around = _background(rng, height, width)
        things = _candidates(rng, height, width, around)
        seen: list[Array] = []
        for thing in things:
            if thing.shadow:
                moved = np.array(
                    [[1, 0.15, rng.uniform(-8, 8)], [0, 1, rng.uniform(1, 6)]], np.float32
                )
                shade = cv2.GaussianBlur(
                    cv2.warpAffine(thing.cover, moved, (width, height)), (0, 0), rng.uniform(2, 6)
                )
                scene *= 1 - thing.shadow * shade[..., None]
            scene += thing.cover[..., None] * (thing.colors - scene)
            seen = [outline * (1 - thing.outline) for outline in seen] + [thing.outline]
        scores = [
            _score(thing, visible, scene) for thing, visible in zip(things, seen, strict=True)
        ]
        salient = (
            visible
            for visible, score in zip(seen, scores, strict=True)
            if score >= _CLOSE * max(scores)
        )
        mask = sum(salient, np.zeros((height, width), np.float32))
        for _ in range(int(rng.integers(1, 4)) if rng.random() < 0.3 else 0):
            colors, cover = _occluder(rng, height, width)
            scene += cover[..., None] * (colors - scene)
            if cover.mean() > 0.03:  # labelers cut around thick things only, and with a sharp line
                mask = mask * (1 - np.clip(4 * cover - 1.5, 0, 1))
        if 0.015 < float((mask > 0.5).mean()) < 0.7:  # else a new scene from the same stream
            return simulate_camera(rng, scene), np.round(np.clip(mask, 0, 1) * 255).astype(np.uint8)
    raise RuntimeError(
        f"no scene of {height} x {width} px with a plausible object in {_TRIES} tries"
    )


def draw_texture(rng: Rng, height: int, width: int) -> Array:
    """Return a surface that fills the frame and holds no object: uint8 (height, width, 3), RGB."""
    layers = []
    for _ in range(2 if rng.random() < 0.4 else 1):
        pattern = rng.choice(_WORKED if rng.random() < 0.7 else _NATURAL)
        period = float(np.exp(rng.uniform(np.log(5), np.log(32))))
        layers.append(
            surface(rng, height, width, pattern, palette(rng), period, rng.uniform(0.05, 0.8))
        )
    scene = layers[0]
    if (
        len(layers) > 1
    ):  # moss on stone, rust on paint, stains: patches without an outline of their own, all over
        patch = np.clip(
            (noise(rng, height, width, rng.uniform(20, 60), 4) - 0.5) * rng.uniform(3, 15) + 0.5,
            0,
            1,
        )
        scene = scene + patch[..., None] * (layers[1] - scene)
    return simulate_camera(rng, scene)


def uneven_light(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return a multiplier (height, width) around 1: a slope, soft shade, and at times a sharp shadow or a vignette."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + rng.uniform(0, 0.35) * (np.cos(angle) * x + np.sin(angle) * y)
    light += rng.uniform(0, 0.6) * (noise(rng, height, width, 0.6 * height, 2) - 0.5)
    if rng.random() < 0.25:
        edge = (noise(rng, height, width, 0.4 * height, 3) - rng.uniform(0.4, 0.65)) * rng.uniform(
            5, 25
        )
        light *= 1 - rng.uniform(0.25, 0.6) * np.clip(edge, 0, 1)
    return np.asarray(np.clip(light * (1 - rng.uniform(0, 0.25) * (x * x + y * y)), 0.15, 1.8))


def simulate_camera(rng: np.random.Generator, scene: np.ndarray) -> np.ndarray:
    """Return the photo of a scene: RGB float32 (H, W, 3), about [0, 1] -> uint8 RGB of the same size."""
    height, width = scene.shape[:2]
    balance = np.exp(rng.normal(0, 0.07, 3)) * np.exp(rng.normal(0, 0.18))
    taken = scene * uneven_light(rng, height, width)[..., None] * balance.astype(np.float32)
    taken = np.clip(taken, 0, 1.3) ** np.float32(np.exp(rng.normal(0, 0.15)))
    if rng.random() < 0.3:  # haze: low contrast
        veil = rng.uniform(0.15, 0.6)
        taken = taken * (1 - veil) + veil * rng.uniform(0.4, 0.85)
    if rng.random() < 0.6:
        taken = cv2.GaussianBlur(taken, (0, 0), rng.uniform(0.3, 1.3))
    grain = rng.standard_normal((height, width, 3), dtype=np.float32) * rng.uniform(0.003, 0.045)
    return np.asarray((np.clip(taken + grain, 0, 1) * 255 + 0.5).astype(np.uint8))


def _size(rng: Rng) -> tuple[int, int]:
    """Return height and width, which differ as those of photos of one collection; one in five stands upright."""
    long, short = (round(side * rng.uniform(0.9, 1.1)) for side in _SIDES)
    return (long, short) if rng.random() < 0.2 else (short, long)


def write_set(
    kind: Literal["scenes", "textures"], split: str, count: int, seed: int, folder: Path
) -> None:
    """Write `count` images with the layout of a downloaded set: Image/<stem>.jpg, GT/<stem>.png
    (all 0 for textures).

    Each image depends only on (seed, kind, split, its number): a longer set begins with the shorter
    one.
    """
    for name in ("Image", "GT"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        rng = generator(seed, kind, split, number)
        stem = f"{kind.removesuffix('s')}_{split}_{number:04d}"
        height, width = _size(rng)
        if kind == "scenes":
            image, mask = draw_scene(rng, height, width)
        else:
            image, mask = draw_texture(rng, height, width), np.zeros((height, width), np.uint8)
        cv2.imwrite(
            str(folder / "Image" / f"{stem}.jpg"),
            image[..., ::-1],
            [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY],
        )
        cv2.imwrite(str(folder / "GT" / f"{stem}.png"), mask)
