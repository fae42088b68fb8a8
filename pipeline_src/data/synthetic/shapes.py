"""Random silhouettes of things, the objects of synthetic scenes: animals, plants, vessels, stones.

A shape is (outline, inner): lists of polygons, float (N, 2), x to the right and y down, within
about [-1, 1]. The union of `outline` is the object; `inner` are parts (a head, windows) that carry
another surface.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline_src.data.synthetic.textures import Rng, blurred

Polygons = list[np.ndarray]
Shape = tuple[Polygons, Polygons]

_TURNS = np.linspace(0, 2 * np.pi, 48, endpoint=False)  # angles of the points of round outlines


def around(turns: np.ndarray, radius: np.ndarray | float = 1) -> np.ndarray:
    """Return the points (x, y) around the origin at angles `turns` in radians, (N, 2)."""
    return np.stack([radius * np.cos(turns), radius * np.sin(turns)], 1)


def axes(angle: float) -> np.ndarray:
    """Return the rotation matrix of an angle in radians, (2, 2), for points (N, 2) on its left.

    Its rows are the turned directions to the right and down.
    """
    return around(np.array([angle, angle + np.pi / 2]))


def ellipse(x: float, y: float, a: float, b: float, angle: float = 0) -> np.ndarray:
    """Return the outline of an ellipse, (48, 2).

    Args:
        x, y: center.
        a, b: semi-axes.
        angle: angle of the axis `a` in radians.
    """
    return around(_TURNS) * (a, b) @ axes(angle) + (x, y)


def animal(rng: Rng) -> Shape:
    """Return a random animal seen from the side, of ellipses: body, head, neck, tail, four legs.

    The head is an inner part, with a surface of its own.
    """
    # Half the distance of the outer legs, half the height of the body, the length of a leg.
    long, thick, leg = rng.uniform((0.4, 0.18, 0.4), (0.6, 0.3, 0.8))
    # The center of the head, and its radius.
    x, y, head = rng.uniform((0.5, -0.7, 0.15), (0.9, -0.1, 0.3))
    neck = np.arctan2(y, x - long)  # angle from the front end of the body to the head
    inner = [ellipse(x, y, head, head * rng.uniform(0.6, 1), rng.uniform(0, 1))]
    outline = [ellipse(0, 0, long + thick, thick), *inner]
    outline.append(ellipse((x + long) / 2, y / 2, np.hypot(y, x - long) / 2, 0.12, neck))
    outline.append(ellipse(-long - thick, -0.1, 0.3, 0.06, rng.uniform(-1, 1)))
    for hip in (-long, -long * 0.7, long * 0.7, long):
        outline.append(ellipse(hip, leg / 2, leg / 2 + 0.1, 0.07, np.pi / 2 + rng.normal(0, 0.15)))
    return outline, inner


def fish(rng: Rng) -> Shape:
    """Return a random fish seen from the side; the tail and two fins are inner parts."""
    # Half the height of the body, and the height of the tail's middle above or below the body's.
    deep, bend = rng.uniform((0.2, -0.2), (0.45, 0.2))
    tail = np.array([(-0.45, 0), (-1, bend - 0.4), (-0.8, bend), (-1, bend + 0.4)])
    fin = np.array([(-0.2, 0), (rng.uniform(-0.3, 0.1), -deep - 0.2), (0.4, 0)])
    inner = [tail, fin, fin * (1, -1)]
    return [ellipse(0.1, 0, 0.72, deep), *inner], inner


def flower(rng: Rng) -> Shape:
    """Return a random flower: 4 to 12 elliptic petals around a round heart, an inner part."""
    turns = np.linspace(0, 2 * np.pi, rng.integers(4, 13), endpoint=False)
    # Half the length of a petal, half the widths of all petals together, the radius of the heart.
    long, wide, heart = rng.uniform((0.35, 0.8, 0.16), (0.48, 1.5, 0.34))
    inner = [ellipse(0, 0, heart, heart)]
    outline = inner.copy()
    for turn, (x, y) in zip(turns, around(turns, 0.5), strict=True):
        outline.append(ellipse(x, y, long, wide / len(turns), turn))
    return outline, inner


def vessel(rng: Rng) -> Shape:
    """Return a random vessel, such as a vase or bottle; its label is an inner part."""
    y = np.linspace(-0.95, 0.95, 24)
    # Half the width at each height; the right profile and its mirror image are the outline.
    half = np.interp(y, np.linspace(-0.95, 0.95, 5), rng.uniform(0.15, 0.6, 5))
    top, bottom = np.sort(rng.uniform(-0.8, 0.8, 2))
    label = np.array([(-1, top), (1, top), (1, bottom), (-1, bottom)])
    return [np.stack([np.r_[half, -half[::-1]], np.r_[y, -y]], 1)], [label]


def house(rng: Rng) -> Shape:
    """Return a random house with a gable roof; two windows are inner parts."""
    # Half the width, the y of the eaves, and the x of the ridge.
    wide, top, ridge = rng.uniform((0.5, -0.6, -0.3), (0.9, -0.1, 0.3))
    wall = np.array([(-wide, 0.85), (-wide, top), (ridge, top - 0.4), (wide, top), (wide, 0.85)])
    # The windows are small copies of the house.
    return [wall], [wall * 0.2 + (-wide / 2, 0.3), wall * 0.2 + (wide / 2, 0.3)]


def blob(rng: Rng) -> Shape:
    """Return a random closed curve, such as a stone, a fruit or a bag; a smaller copy is inner.

    The radius is a constant plus a few harmonics of the angle.
    """
    radius = np.full(len(_TURNS), 0.75)
    for k in range(2, 7):
        radius += rng.normal(0, 0.16 / k) * np.cos(k * _TURNS + rng.uniform(0, 2 * np.pi))
    outline = around(_TURNS, radius) * rng.uniform(0.6, 1, 2)
    return [outline], [outline * rng.uniform(0.3, 0.7) + rng.normal(0, 0.25, 2)]


def bouquet(rng: Rng) -> Shape:
    """Return random ellipses close together, such as a bush or balloons; every second is inner."""
    balls = []
    for x, y in rng.normal(0, 0.36, (rng.integers(5, 14), 2)):
        a, b, angle = rng.uniform((0.18, 0.18, 0), (0.4, 0.4, 3))
        balls.append(ellipse(x, y, a, b, angle))
    return balls, balls[::2]


UPRIGHT = (animal, vessel, house)  # others may lie in any direction
SHAPES = np.array([animal, fish, flower, vessel, house, blob, bouquet])
_FINE = 3  # masks are drawn so many times larger, then averaged: edges get grey levels


def filled(
    polygons: Polygons,
    directions: np.ndarray,
    center: np.ndarray,
    shape: tuple[int, int],
    rounding: float = 0,
) -> np.ndarray:
    """Return the coverage of an image by the union of polygons, float32 (height, width) in [0, 1].

    Args:
        directions: the vectors of pixels that the points (1, 0) and (0, 1) become, (2, 2).
        center: the pixel that the point (0, 0) becomes.
        shape: height and width of the image.
        rounding: pixels by which limbs melt into the body and corners are rounded, as skin and
            cloth do.
    """
    canvas = np.zeros(np.multiply(shape, _FINE), np.uint8)
    for points in polygons:
        pixels = points @ directions + center
        cv2.fillPoly(canvas, [np.round(pixels * _FINE).astype(np.int32)], 255)
    cover = cv2.resize(canvas, shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    if rounding > 0.4:  # sharpened around one half until the border is a pixel wide again
        soft = blurred(cover, rounding)
        cover = np.clip((soft - 0.5) * (2.5 * rounding) + 0.5, 0, 1)
    return cover
