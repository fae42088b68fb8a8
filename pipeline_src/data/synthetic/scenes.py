"""Synthetic data: photo-like scenes with salient objects, and pure textures that hold no object.

A scene has a background (one surface, a ground under a wall or sky, leaf litter), one to four
candidates for the salient object, occluders, light and a camera. A rule that can be learned, though
not without error, decides what is salient: the candidate with the largest product of visible size,
centrality and contrast, and any that comes close.
Difficulty varies by image: contrast and camouflage, clutter, blur, haze, noise and the margin by
which an object wins.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np

from pipeline_src.data.synthetic.shapes import SHAPES, UPRIGHT, Shape, axes, filled
from pipeline_src.data.synthetic.textures import (
    NATURAL,
    WORKED,
    Array,
    Frame,
    Rng,
    blurred,
    cloud,
    fibres,
    palette,
    surface,
)
from pipeline_src.rng import generator

_CLOSE = 0.8  # share of the best score from which a second candidate counts too
_JPEG_QUALITY = 92
_SIDES = (176, 136)  # usual width and height in pixels


class _Thing(NamedTuple):
    """A candidate for the salient object.

    Attributes:
        colors: float32 (H, W, 3).
        cover: the coverage of the image, float32 (H, W).
        outline: the coverage as a labeler would draw it.
        center: x and y, as shares of width and height.
        shadow: the darkness of its shadow, 0 for none.
    """

    colors: Array
    cover: Array
    outline: Array
    center: Array
    shadow: float


def _lay(scene: Array, colors: Array, cover: Array) -> None:
    """Paint `colors` (H, W, 3) over a scene, where `cover` (H, W) says."""
    scene += cover[..., None] * (colors - scene)


def _background(frame: Frame) -> tuple[Array, Array]:
    """Return a background, RGB (H, W, 3), and the palette of the surface that objects stand on."""
    colors = palette(frame)
    pattern = frame.choice(NATURAL if frame.random() < 0.92 else WORKED)
    scene = surface(frame, pattern, colors, frame.uniform(5, 20), frame.uniform(0, 0.6))
    if frame.random() < 0.45:  # something else above a horizon or an edge
        _lay(scene, *_beyond(frame))
    if frame.random() < 0.35:  # clutter: shapes, mostly blurred
        for _ in range(frame.integers(2, 7)):
            shape = frame.choice(SHAPES)
            size = frame.uniform(0.08, 0.22)
            thing = _thing(frame, shape, size, frame.random(2), colors, 0.6)
            _lay(scene, thing.colors, blurred(thing.cover, frame.uniform(0.8, 3)))
    if frame.random() < 0.5:  # out of focus
        scene = blurred(scene, frame.uniform(0.8, 4.5))
    return scene, colors


def _beyond(frame: Frame) -> tuple[Array, Array]:
    """Return the colors and the coverage of what is above a horizon or an edge."""
    height, width = frame.shape
    y, x = np.indices(frame.shape, np.float32)
    line = frame.uniform(0.15, 0.65) * height + frame.normal(0, 0.08) * (x - width / 2)
    line += frame.uniform(0, 0.25) * height * (frame.noise(0.3 * width) - 0.5)
    cover = np.clip((line - y) / frame.uniform(0.7, 4) + 0.5, 0, 1)
    colors = palette(frame)
    pattern = frame.choice([cloud, cloud, *NATURAL])
    return surface(frame, pattern, colors, frame.uniform(6, 20), frame.uniform(0, 0.4)), cover


def _thing(
    frame: Frame,
    draw: Callable[[Rng], Shape],
    size: float,
    center: Array,
    around: Array,
    hidden: float,
) -> _Thing:
    """Return a shaded object.

    Args:
        size: share of sqrt(height width).
        center: x and y, as shares of width and height.
        around: the palette around the object (4, 3).
        hidden: share in [0, 1] of the colors `around` in its colors.
    """
    outline, inner = draw(frame)
    turn = frame.normal(0, 0.12) if draw in UPRIGHT else frame.uniform(-np.pi, np.pi)
    flip = frame.choice([-1, 1])
    stretch = np.exp(frame.normal(0, 0.12))
    scale = float(size * np.sqrt(np.prod(frame.shape)))
    directions = scale * np.array([[flip * stretch], [1 / stretch]]) * axes(turn)
    middle = center * frame.shape[::-1]
    drawn = filled(outline, directions, middle, frame.shape, 0.04 * scale)
    parts = filled(inner, directions, middle, frame.shape, 0.02 * scale)
    colors = np.zeros((*frame.shape, 3), np.float32)
    ys, xs = np.nonzero(drawn)
    if len(ys):
        box = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
        colors[box] = _skin(frame, drawn[box], parts[box], scale, around, hidden)
    cover = drawn
    if frame.random() < 0.3:  # fur, feathers, leaves: the border is finer than a labeled outline
        fringe = 1.2 * (frame.noise(4, 2) - 0.5) * (cover < 0.99)
        cover = np.clip(blurred(cover, frame.uniform(0.8, 2)) * 2.2 - 0.6 + fringe, 0, 1)
    if frame.random() < 0.35:
        cover = blurred(cover, frame.uniform(0.4, 1.6))
    shadow = frame.uniform(0.2, 0.7)
    return _Thing(colors, cover, drawn, center, shadow if frame.random() < 0.6 else 0)


def _skin(
    rng: Rng, cover: Array, parts: Array, scale: float, around: Array, hidden: float
) -> Array:
    """Return the colors of an object, (H, W, 3), lit as if it were round."""
    frame = Frame(rng, *cover.shape)
    smooth = frame.random() < 0.4
    color, inner = (_paint(frame, smooth, around, hidden) for _ in range(2))
    _lay(color, inner, frame.uniform(0.5, 1) * parts)
    # The distance to the border is taken for a height, and lit from above left or right.
    solid = np.pad((cover > 0.5).astype(np.uint8), 1)
    depth = cv2.distanceTransform(solid, cv2.DIST_L2, 3)[1:-1, 1:-1]
    reach = max(frame.uniform(0.15, 0.4) * scale, 2)
    bulge = reach * np.sqrt(1 - (1 - np.minimum(depth / reach, 1)) ** 2)
    bulge = blurred(bulge, max(0.15 * reach, 0.8))
    slope_x = cv2.Sobel(bulge, cv2.CV_32F, 1, 0, scale=1 / 8)
    slope_y = cv2.Sobel(bulge, cv2.CV_32F, 0, 1, scale=1 / 8)
    side = frame.uniform(-0.8, 0.8)
    facing = (1 - side * slope_x + 0.7 * slope_y) / np.sqrt(1 + slope_x**2 + slope_y**2)
    strength = frame.uniform(0.1, 0.75)
    color *= (1 - strength + strength * np.clip(facing, 0, 1.6))[..., None]
    if frame.random() < 0.25:
        color += (frame.uniform(0.2, 0.6) * np.clip(facing - 1.15, 0, 1) ** 2 * 8)[..., None]
    return color


def _paint(frame: Frame, smooth: bool, around: Array, hidden: float) -> Array:
    """Return a surface of an object, blended with the palette around the object."""
    mood = frame.choice(["warm", "any", "grey", "earth", "blue", "green"])
    colors = (1 - hidden) * palette(frame, mood) + hidden * around
    pattern = cloud if smooth else frame.choice(WORKED if frame.random() < 0.65 else NATURAL)
    return surface(frame, pattern, colors, frame.uniform(3, 10), frame.uniform(0, 0.5))


def _candidates(frame: Frame, around: Array) -> list[_Thing]:
    """Return one to four objects, the farthest first."""
    count = frame.choice([1, 2, 3, 4], p=[0.42, 0.3, 0.17, 0.11])
    alike = frame.random() < 0.5
    kind = frame.choice(SHAPES)
    hidden = frame.beta(0.9, 1.4)
    things = []
    for number in range(count):
        shape = kind
        if number and not alike:
            shape = frame.choice(SHAPES)
        size = np.clip(np.exp(frame.normal(np.log(0.33), 0.3)), 0.15, 0.65)
        if number:
            size *= frame.uniform(0.35, 0.95)
            center = frame.uniform(0.02, 0.98, 2)
        else:
            center = frame.normal(0.5, 0.13, 2)
        blend = hidden
        if not alike:
            blend += frame.normal(0, 0.2)
        things.append(_thing(frame, shape, size, center, around, np.clip(blend, 0, 0.93)))
    return sorted(things, key=lambda thing: thing.center[1])  # lower is nearer


def _score(thing: _Thing, seen: Array, scene: Array) -> float:
    """Return the salience of an object whose part `seen` (H, W) is visible."""
    area = float(seen.sum())
    if area < 30:
        return 0
    ring = np.clip(cv2.blur(thing.cover, (15, 15)) * 3, 0, 1) * (1 - np.clip(thing.cover * 3, 0, 1))
    ring += 1e-6
    inside = np.tensordot(seen, scene, 2) / area
    outside = np.tensordot(ring, scene, 2) / ring.sum()
    contrast = np.linalg.norm(inside - outside)
    centrality = np.exp(-3 * ((thing.center - 0.5) ** 2).sum())
    return float(np.sqrt(area / seen.size) * centrality * (0.35 + contrast))


def _occluder(frame: Frame) -> tuple[Array, Array]:
    """Return the colors and the coverage of a near branch, post or blade in front of everything."""
    start, end = frame.uniform(-0.1, 1.1, (2, 2))
    start[1] = frame.choice([-0.1, 1.1])
    if frame.random() >= 0.5:
        end[1] = 1.1
    middle = (start + end) / 2 + frame.normal(0, 0.08, 2)
    t = np.linspace(0, 1, 9)[:, None]
    curve = ((1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t * t * end) * frame.shape[::-1]
    cover = np.zeros(frame.shape, np.float32)
    thickness = int(frame.integers(1, 9))
    cv2.polylines(cover, [curve.astype(np.int32)], False, 1, thickness, cv2.LINE_AA)
    cover = blurred(cover, frame.uniform(0.4, 2))
    return surface(frame, fibres, palette(frame), 5, 0.3), cover


def draw_scene(frame: Frame) -> tuple[Array, Array]:
    """Return a scene and the mask of its salient objects.

    Returns:
        image: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width), 0 background to 255 object, grey where an edge crosses a pixel.
    """
    while True:  # nearly every first scene holds an object of a plausible size
        scene, around = _background(frame)
        things = _candidates(frame, around)
        seen: list[Array] = []
        for thing in things:
            if thing.shadow:
                right = frame.uniform(-8, 8)
                moved = np.array([[1, 0.15, right], [0, 1, frame.uniform(1, 6)]])
                shade = cv2.warpAffine(thing.cover, moved, frame.shape[::-1])
                shade = blurred(shade, frame.uniform(2, 6))
                scene *= 1 - thing.shadow * shade[..., None]
            _lay(scene, thing.colors, thing.cover)
            seen = [outline * (1 - thing.outline) for outline in seen] + [thing.outline]
        scores = np.array([_score(*pair, scene) for pair in zip(things, seen, strict=True)])
        mask = np.array(seen)[scores >= _CLOSE * scores.max()].sum(0)
        if frame.random() < 0.3:
            for _ in range(frame.integers(1, 4)):
                colors, cover = _occluder(frame)
                _lay(scene, colors, cover)
                if cover.mean() > 0.03:  # labelers cut around thick things, and with a sharp line
                    mask *= 1 - np.clip(4 * cover - 1.5, 0, 1)
        if 0.015 < (mask > 0.5).mean() < 0.7:
            return simulate_camera(frame, scene), np.round(np.clip(mask, 0, 1) * 255).astype(
                np.uint8
            )


def draw_texture(frame: Frame) -> Array:
    """Return a surface that fills the frame and holds no object: uint8 (height, width, 3), RGB."""
    mixed = frame.random() < 0.4
    scene = _layer(frame)
    if mixed:  # moss on stone, rust on paint, stains: patches without an outline, all over
        other = _layer(frame)
        patches = (frame.noise(frame.uniform(20, 60)) - 0.5) * frame.uniform(3, 15) + 0.5
        _lay(scene, other, np.clip(patches, 0, 1))
    return simulate_camera(frame, scene)


def _layer(frame: Frame) -> Array:
    pattern = frame.choice(WORKED if frame.random() < 0.7 else NATURAL)
    period = float(np.exp(frame.uniform(np.log(5), np.log(32))))
    return surface(frame, pattern, palette(frame), period, frame.uniform(0.05, 0.8))


def uneven_light(frame: Frame) -> Array:
    """Return a multiplier (height, width) around 1.

    It has a slope, soft shade, and at times a sharp shadow or a vignette.
    """
    height, width = frame.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    angle = frame.uniform(0, 2 * np.pi)
    light = 1 + frame.uniform(0, 0.35) * (np.cos(angle) * x + np.sin(angle) * y)
    light += frame.uniform(0, 0.6) * (frame.noise(0.6 * height, 2) - 0.5)
    if frame.random() < 0.25:
        edge = frame.noise(0.4 * height, 3) - frame.uniform(0.4, 0.65)
        edge = np.clip(edge * frame.uniform(5, 25), 0, 1)
        light *= 1 - frame.uniform(0.25, 0.6) * edge
    return np.clip(light * (1 - frame.uniform(0, 0.25) * (x * x + y * y)), 0.15, 1.8)


def simulate_camera(frame: Frame, scene: Array) -> Array:
    """Return the photo of a scene, RGB (H, W, 3) of about [0, 1]: uint8 RGB of the same size."""
    balance = np.exp(frame.normal(0, 0.07, 3)) * np.exp(frame.normal(0, 0.18))
    taken = scene * uneven_light(frame)[..., None] * balance.astype(np.float32)
    taken = np.clip(taken, 0, 1.3) ** np.float32(np.exp(frame.normal(0, 0.15)))
    if frame.random() < 0.3:  # haze: low contrast
        veil = frame.uniform(0.15, 0.6)
        taken += veil * (frame.uniform(0.4, 0.85) - taken)
    if frame.random() < 0.6:
        taken = blurred(taken, frame.uniform(0.3, 1.3))
    taken += frame.standard_normal(taken.shape, np.float32) * frame.uniform(0.003, 0.045)
    return (np.clip(taken, 0, 1) * 255 + 0.5).astype(np.uint8)


def write_set(
    kind: Literal["scenes", "textures"], split: str, count: int, seed: int, folder: Path
) -> None:
    """Write a dataset with the layout of a downloaded one: Image/<stem>.jpg, GT/<stem>.png.

    Masks of textures are 0. Each image depends only on (seed, kind, split, its number): a longer
    set begins with the shorter one.
    """
    for name in ("Image", "GT"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        rng = generator(seed, kind, split, number)
        # Sizes differ as those of photos of one collection; one in five stands upright.
        long, short = np.rint(_SIDES * rng.uniform(0.9, 1.1, 2)).astype(int).tolist()
        frame = Frame(rng, short, long)
        if rng.random() < 0.2:
            frame = Frame(rng, long, short)
        if kind == "scenes":
            image, mask = draw_scene(frame)
        else:
            image, mask = draw_texture(frame), np.zeros(frame.shape, np.uint8)
        stem = f"{kind.removesuffix('s')}_{split}_{number:04d}"
        options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        cv2.imwrite(str(folder / "Image" / f"{stem}.jpg"), image[..., ::-1], options)
        cv2.imwrite(str(folder / "GT" / f"{stem}.png"), mask)
