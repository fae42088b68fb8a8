"""Synthetic data: photo-like scenes with salient objects, and pure textures that hold no object.

A scene has a background, one to four candidates for the salient object, light and a camera. A rule
that can be learned, though not without error, decides what is salient: the candidate with the
largest product of visible size, centrality and contrast, and any that comes close.
Difficulty varies by image: contrast and camouflage, blur, haze, noise and the margin by which an
object wins.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np

from pipeline_src.data.synthetic.shapes import SHAPES, UPRIGHT, axes, filled
from pipeline_src.data.synthetic.textures import (
    NATURAL,
    WORKED,
    Array,
    Frame,
    blurred,
    palette,
    surface,
)
from pipeline_src.rng import generator

_CLOSE = 0.8  # a candidate is salient if its score is at least this share of the highest score
_JPEG_QUALITY = 92  # in OpenCV's range, 0 to 100
_SIDES = (176, 136)  # usual width and height in pixels


class _Thing(NamedTuple):
    """A candidate for the salient object.

    Attributes:
        colors: RGB of the object's surface at each pixel of the image, (H, W, 3).
        cover: the share of each pixel that the object covers, float32 (H, W).
        center: x and y, as shares of width and height.
    """

    colors: Array
    cover: Array
    center: Array


def _lay(scene: Array, colors: Array, cover: Array) -> None:
    """Paint `colors` (H, W, 3) over a scene in place, with the coverage `cover` (H, W)."""
    scene += cover[..., None] * (colors - scene)


def _background(frame: Frame) -> tuple[Array, Array]:
    """Return a background, RGB (H, W, 3), and the palette (4, 3) of its main surface.

    Camouflaged objects take colors of this palette.

    Args:
        frame: the size of the picture, and its random draws.
    """
    colors = palette(frame)
    pattern = frame.choice(NATURAL)
    scene = surface(
        frame, pattern, colors, period=frame.uniform(5, 20), relief=frame.uniform(0, 0.6)
    )
    if frame.random() < 0.45:  # something else above a horizon or an edge
        rows = np.linspace(0, 1, frame.shape[0])[:, None]
        # The row, as a share of the height, above which the other surface is seen: a wavy line.
        line = frame.uniform(0.15, 0.65) + frame.uniform(0, 0.25) * frame.noise(cell=50)
        upper = np.clip((line - rows) * frame.uniform(30, 100), 0, 1)
        far = surface(
            frame, frame.choice(NATURAL), palette(frame), period=frame.uniform(6, 20), relief=0.2
        )
        _lay(scene, far, upper)
    if frame.random() < 0.5:  # out of focus
        scene = blurred(scene, frame.uniform(0.8, 4.5))
    return scene, colors


def _thing(frame: Frame, size: float, center: Array, around: Array, hidden: float) -> _Thing:
    """Return a candidate for the salient object: a random shape, shaded as if it were round.

    Args:
        frame: the size of the picture, and its random draws.
        size: of the object, as a share of sqrt(height width).
        center: x and y, as shares of width and height.
        around: the palette around the object (4, 3).
        hidden: share in [0, 1] of the colors `around` in the object's colors.
    """
    draw = frame.choice(SHAPES)
    outline, inner = draw(frame)
    turn = frame.normal(0, 0.12 if draw in UPRIGHT else 2)  # radians: others lie in any direction
    scale = float(size * np.sqrt(np.prod(frame.shape)))
    # The shape is scaled, mirrored at random, stretched in height, and turned.
    directions = scale * np.array([[frame.choice([-1, 1])], [frame.uniform(0.8, 1.2)]]) * axes(turn)
    middle = center * frame.shape[::-1]  # x and y in pixels
    cover = filled(outline, directions, middle, frame.shape, 0.04 * scale)
    parts = filled(inner, directions, middle, frame.shape)
    # The inner parts (a head, windows) have another surface, blended in.
    colors, colors_of_parts = (_skin(frame, around, hidden) for _ in range(2))
    _lay(colors, colors_of_parts, frame.uniform(0.5, 1) * parts)
    # The distance to the border is taken for a height, and lit from the left or right.
    depth = cv2.distanceTransform((cover > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    bulge = blurred(np.sqrt(np.minimum(depth, 0.3 * scale)), 2)
    slope = cv2.Sobel(bulge, cv2.CV_32F, 1, 0, scale=frame.uniform(-0.3, 0.3))
    colors *= np.clip(1 + slope, 0.3, 1.7)[..., None]
    return _Thing(colors, cover, center)


def _skin(frame: Frame, around: Array, hidden: float) -> Array:
    """Return a random surface of an object, RGB (H, W, 3), with colors of its surroundings.

    Args:
        around: the palette around the object (4, 3).
        hidden: share in [0, 1] of the colors `around`: 1 camouflages the object.
    """
    colors = (1 - hidden) * palette(frame) + hidden * around
    pattern = frame.choice(WORKED if frame.random() < 0.4 else NATURAL)
    return surface(
        frame, pattern, colors, period=frame.uniform(3, 10), relief=frame.uniform(0, 0.5)
    )


def _candidates(frame: Frame, around: Array) -> list[_Thing]:
    """Return one to four candidates for the salient object, the farthest from the camera first.

    The first one tends to be large and central; the others are smaller, and anywhere.

    Args:
        around: the palette around the objects (4, 3).
    """
    hidden = frame.beta(0.9, 1.4)  # how much the objects of this scene are camouflaged
    things = []
    for number in range(frame.choice([1, 2, 3, 4], p=[0.42, 0.3, 0.17, 0.11])):
        size = np.clip(np.exp(frame.normal(np.log(0.33), 0.3)), 0.15, 0.65)
        center = frame.normal(0.5, 0.13, 2)
        if number:
            size *= frame.uniform(0.35, 0.95)
            center = frame.uniform(0.02, 0.98, 2)
        blend = np.clip(hidden + frame.normal(0, 0.15), 0, 0.93)
        things.append(_thing(frame, size, center, around, hidden=blend))
    return sorted(things, key=lambda thing: thing.center[1])  # lower is nearer


def _score(thing: _Thing, seen: Array, scene: Array) -> float:
    """Return the salience of an object: visible size times centrality times contrast.

    Args:
        seen: the share of each pixel in which the object is visible, (H, W).
        scene: the picture, RGB (H, W, 3).
    """
    area = seen.sum()
    if area < 30:  # pixels: hardly visible
        return 0
    # The contrast of the object with a ring around it.
    ring = np.clip(blurred(thing.cover, 5) - thing.cover, 0, 1) + 1e-6
    contrast = np.average(scene, (0, 1), seen) - np.average(scene, (0, 1), ring)
    centrality = np.exp(-3 * ((thing.center - 0.5) ** 2).sum())
    return float(np.sqrt(area / seen.size) * centrality * (0.35 + np.linalg.norm(contrast)))


def draw_scene(frame: Frame) -> tuple[Array, Array]:
    """Return a scene and the mask of its salient objects.

    Objects are painted from far to near; each casts a shadow. Those with the highest salience, or
    nearly so, are in the mask.

    Args:
        frame: the size of the picture, and its random draws.

    Returns:
        image: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width), 0 background to 255 object, grey where an edge crosses a pixel.
    """
    while True:  # nearly every first scene holds an object of a plausible size
        scene, around = _background(frame)
        things = _candidates(frame, around)
        seen: list[Array] = []
        for thing in things:
            # The shadow is the blurred shape, moved by 3 pixels down and 4 to the right.
            shade = np.roll(blurred(thing.cover, 4), (3, 4), (0, 1))
            scene *= 1 - frame.uniform(0, 0.6) * shade[..., None]
            _lay(scene, thing.colors, thing.cover)
            # The object hides parts of those that were painted before.
            seen = [visible * (1 - thing.cover) for visible in seen] + [thing.cover]
        scores = np.array([_score(*pair, scene) for pair in zip(things, seen, strict=True)])
        mask = np.array(seen)[scores >= _CLOSE * scores.max()].sum(0)
        if 0.015 < (mask > 0.5).mean() < 0.7:
            grey = np.round(np.clip(mask, 0, 1) * 255).astype(np.uint8)
            return simulate_camera(frame, scene), grey


def draw_texture(frame: Frame) -> Array:
    """Return a picture of one surface, without an object: uint8 (height, width, 3), RGB.

    Most show patterns that scenes have on objects, so a network may take them for objects.

    Args:
        frame: the size of the picture, and its random draws.
    """
    pattern = frame.choice(WORKED if frame.random() < 0.7 else NATURAL)
    period = float(np.exp(frame.uniform(np.log(5), np.log(32))))
    scene = surface(frame, pattern, palette(frame), period, frame.uniform(0.05, 0.8))
    return simulate_camera(frame, scene)


def uneven_light(frame: Frame) -> Array:
    """Return the light on each pixel, a factor around 1, (height, width).

    It combines a random slope, smooth shade, and a vignette (darker corners).
    """
    height, width = frame.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    slope = frame.uniform(-0.3, 0.3) * x + frame.uniform(-0.3, 0.3) * y
    shade = frame.uniform(0, 0.6) * (frame.noise(0.6 * height, 2) - 0.5)
    return np.clip((1 + slope + shade) * (1 - frame.uniform(0, 0.25) * (x * x + y * y)), 0.15, 1.8)


def simulate_camera(frame: Frame, scene: Array) -> Array:
    """Return a photo, uint8 (H, W, 3), of a scene, RGB (H, W, 3) with values of about [0, 1].

    The camera adds uneven light, white balance and exposure, haze, blur and noise, all at random.
    """
    balance = np.exp(frame.normal(0, 0.07, 3) + frame.normal(0, 0.18))  # white balance, exposure
    taken = np.clip(scene * uneven_light(frame)[..., None] * balance, 0, 1.3)
    if frame.random() < 0.3:  # haze: low contrast
        taken += frame.uniform(0.15, 0.6) * (frame.uniform(0.4, 0.85) - taken)
    if frame.random() < 0.6:
        taken = blurred(taken, frame.uniform(0.3, 1.3))
    taken += frame.normal(0, frame.uniform(0.003, 0.045), taken.shape)
    return (np.clip(taken, 0, 1) * 255 + 0.5).astype(np.uint8)


def write_set(
    kind: Literal["scenes", "textures"], split: str, count: int, seed: int, folder: Path
) -> None:
    """Write a split of a synthetic dataset: Image/<stem>.jpg, GT/<stem>.png, as downloaded sets do.

    Masks of textures are 0. Each image depends only on (seed, kind, split, its number): a longer
    set begins with the shorter one.

    Args:
        count: number of images.
        folder: folder of the split.
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
        # OpenCV writes BGR.
        cv2.imwrite(str(folder / "Image" / f"{stem}.jpg"), image[..., ::-1], options)
        cv2.imwrite(str(folder / "GT" / f"{stem}.png"), mask)
