"""Silhouettes of things: animals, people, plants, vessels, buildings, stones.

A shape is (outline, inner): lists of polygons, float (N, 2), x to the right and y down, within
about [-1, 1]. The union of `outline` is the object; `inner` are parts (a head, a label, windows)
that carry another surface.
"""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from pipeline_src.data.synthetic.textures import Rng, blurred

Polygons = list[np.ndarray]
Shape = tuple[Polygons, Polygons]

_TURNS = np.linspace(0, 2 * np.pi, 24, endpoint=False)


def around(turns: np.ndarray, radius: np.ndarray | float = 1) -> np.ndarray:
    """Return points around the origin at angles in radians, (N, 2)."""
    return np.stack([radius * np.cos(turns), radius * np.sin(turns)], 1)


def axes(angle: float) -> np.ndarray:
    """Return the directions to the right and down in a picture turned by an angle, (2, 2)."""
    return around(np.array([angle, angle + np.pi / 2]))


def polygon(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points)


def ellipse(x: float, y: float, a: float, b: float, angle: float = 0) -> np.ndarray:
    return around(_TURNS) * (a, b) @ axes(angle) + (x, y)


def limb(*points: tuple[float, float, float]) -> Polygons:
    """Return a chain of discs (x, y, radius) with what lies between them: legs, tails, necks."""
    discs = [ellipse(x, y, radius, radius) for x, y, radius in points]
    return [
        cv2.convexHull(np.vstack(pair).astype(np.float32))[:, 0]
        for pair in itertools.pairwise(discs)
    ]


def quadruped(rng: Rng) -> Shape:
    long, thick, leg, rise, snout = rng.uniform(
        (0.4, 0.18, 0.35, -0.5, 0.1), (0.6, 0.3, 0.65, 0.1, 0.28)
    )
    waist = thick * rng.uniform(0.85, 1.1)
    outline = limb((-long, -0.05, thick), (0, 0, waist), (long, -0.08, thick * 0.95))
    x = long + 0.3
    y = rise * 0.6 - 0.2
    skull = thick * rng.uniform(0.55, 0.8)
    outline += limb((long, -0.1, thick * 0.75), (x - 0.05, y, skull * 0.8))
    head = limb((x, y, skull), (x + snout, y + 0.4 * skull, skull * 0.55))
    for side in (-skull, skull / 1.2):
        ear = x + side * 0.48
        root = y - 0.4 * skull
        tip = (x + side * 0.78, y - skull * rng.uniform(1.2, 2.6))
        head.append(polygon((ear - 0.06, root), tip, (ear + 0.07, root)))
    for hip in (-long * 0.95, -long * 0.7, long * 0.7, long * 0.95):
        knee, foot = hip + rng.normal(0, (0.09, 0.13))
        outline += limb(
            (hip, 0.05, thick * 0.5), (knee, 0.1 + leg * 0.6, 0.07), (foot, 0.12 + leg, 0.06)
        )
    back = -long - thick
    middle, end = rng.uniform((-0.35, -0.6), (0.15, 0.3))
    outline += limb((back + 0.1, -0.1, 0.06), (back - 0.12, middle, 0.05), (back - 0.2, end, 0.04))
    inner = [ellipse(0, 0.25, long, thick)]
    if rng.integers(3):
        inner += head
    return outline + head, inner


def bird(rng: Rng) -> Shape:
    plump, neck, leg = rng.uniform((0.25, 0.1, 0.1), (0.42, 0.6, 0.5))
    outline = limb((-0.35, 0.1, plump * 0.6), (0.1, 0.02, plump), (0.28, -0.08, plump * 0.8))
    upper, lower = rng.uniform((0, 0.3), (0.35, 0.5))
    outline.append(polygon((-0.3, -0.05), (-1, upper), (-0.9, lower), (-0.3, 0.3)))
    x = rng.uniform(0.37, 0.57)
    y = -0.2 - neck
    bend = rng.uniform(0.3, 0.55)
    throat = limb((0.33, -0.12, plump * 0.55), (bend, -0.15 - neck / 2, 0.12), (x, y, 0.14))
    tip = x + rng.uniform(0.25, 0.5)
    beak = polygon((x + 0.05, y - 0.08), (tip, y + 0.05), (x + 0.05, y + 0.09))
    for hip in (0.02, 0.16):
        outline += limb((hip, 0.2, 0.07), (hip + rng.normal(0, 0.05), 0.3 + leg, 0.035))
    inner = [ellipse(-0.15, 0.02, 0.5, plump * 0.6, rng.uniform(-0.4, 0.1)), beak]
    if rng.random() < 0.4:
        inner += throat
    return [*outline, *throat, beak], inner


def person(rng: Rng) -> Shape:
    wide, waist = rng.uniform((0.16, 0), (0.26, 0.15))
    outline = limb((0, -0.38, wide), (rng.normal(0, 0.03), waist, wide * 0.9))
    inner = limb((0, -0.65, 0.08), (0, -0.45, 0.1))
    inner.append(ellipse(rng.normal(0, 0.05), -0.8, 0.14, 0.18))
    legs: Polygons = []
    for side in (-1, 1):
        x, y = rng.uniform((wide + 0.05, -0.45), (wide + 0.3, 0))  # the elbow
        reach, drop = rng.uniform((-0.25, -0.35), (0.2, 0.35))
        hand = (side * (x + reach), y + drop, 0.07)
        outline += limb((side * wide, -0.42, 0.09), (side * x, y, 0.08), hand)
        foot = side * 0.12 + rng.normal(0, 0.14)
        knee = (foot + side * 0.09) / 2
        legs += limb((side * 0.09, waist, 0.13), (knee, 0.5, 0.11), (foot, 0.93, 0.09))
    outline += inner + legs
    if rng.random() < 0.8:
        inner += legs
    return outline, inner


def fish(rng: Rng) -> Shape:
    deep = rng.uniform(0.2, 0.45)
    bend = rng.normal(0, 0.1)
    up, down = rng.uniform(0.25, 0.5, 2)
    inner = [polygon((-0.45, 0), (-1, bend - up), (-0.8, bend), (-1, bend + down))]
    for side, x in zip((-1, 1), rng.uniform(-0.3, 0.1, 2), strict=True):
        root = side * deep * 0.7
        tip = side * (deep + rng.uniform(0.1, 0.3))
        inner.append(polygon((-0.2, root), (x, tip), (0.4, root)))
    return [ellipse(0.1, 0, 0.72, deep), *inner], [*inner, ellipse(0.62, -0.05, 0.2, 0.3)]


def flower(rng: Rng) -> Shape:
    count = rng.integers(4, 13)
    long, wide = rng.uniform((0.35, 0.8), (0.48, 1.5))
    turns = np.arange(count) * 2 * np.pi / count + rng.normal(0, 0.1, count)
    outline = []
    for turn, (x, y) in zip(turns, around(turns, 0.5), strict=True):
        outline.append(ellipse(x, y, long * rng.uniform(0.85, 1.15), wide / count, turn))
    width, height = rng.uniform(0.16, 0.34, 2)
    heart = ellipse(0, 0, width, height)
    return [*outline, heart], [heart]


def butterfly(rng: Rng) -> Shape:
    top, low, flap = rng.uniform((0.35, 0.25, 0.5), (0.5, 0.4, 1))
    inner = limb((0, -0.4, 0.08), (0, 0.5, 0.05))
    outline = inner.copy()
    for side in (-1, 1):
        x = side * flap
        outline.append(ellipse(x * 0.42, -0.28, top * flap, 0.32, -0.7 * side))
        outline.append(ellipse(x * 0.32, 0.3, low * flap, 0.3, 0.7 * side))
        inner.append(ellipse(x * 0.5, -0.35, 0.14 * flap, 0.12))
        inner.append(ellipse(x * 0.35, 0.3, 0.1, 0.1))
    return outline, inner


def vessel(rng: Rng) -> Shape:
    """Return a turned profile: vases, bottles, jars, lamps."""
    y = np.linspace(-0.95, 0.95, 24)
    knots = rng.uniform(0.12, 0.6, 5)
    knots[-1] = max(knots[-1], 0.25)
    half = np.interp(y, np.linspace(-0.95, 0.95, 5), knots)
    half = np.convolve(np.pad(half, 3, "edge"), np.full(7, 1 / 7), "valid")
    outline = [np.stack([np.r_[half, -half[::-1]], np.r_[y, -y]], 1)]
    top, bottom = np.sort(rng.uniform(-0.8, 0.8, 2))
    if rng.random() < 0.2:
        outline.append(ellipse(0.45, 0, 0.3, 0.35))
    return outline, [polygon((-1, top), (1, top), (1, bottom), (-1, bottom))]


def mushroom(rng: Rng) -> Shape:
    width, height, rim = rng.uniform((0.6, 0.35, -0.25), (0.95, 0.6, 0))
    cap = ellipse(0, -0.3, width, height)
    stem = limb((0, -0.3, 0.14), (rng.normal(0, 0.08), 0.7, rng.uniform(0.14, 0.28)))
    return [cap[cap[:, 1] < rim], *stem], stem


def building(rng: Rng) -> Shape:
    wide, top = rng.uniform((0.5, -0.9), (0.95, -0.3))
    left, right = top + rng.normal(0, 0.15, 2)
    ridge = (rng.normal(0, 0.3), top - rng.uniform(0.2, 0.5))
    rows, columns = rng.integers((1, 2), (4, 5))
    width = wide / columns
    height = (0.85 - top) / rows
    window = polygon((-0.5, -0.28), (0.5, -0.28), (0.5, 0.28), (-0.5, 0.28))
    inner = []
    for row, column in np.ndindex(rows, columns):
        place = (2 * column + 1 - columns, row + 0.6)
        inner.append((window + place) * (width, height) + (0, top))
    outline = [polygon((-wide, 0.85), (-wide, left), (wide, right), (wide, 0.85))]
    if rng.random() < 0.6:
        outline.append(polygon((-wide * 1.1, left), ridge, (wide * 1.1, right)))
    return outline, inner


def vehicle(rng: Rng) -> Shape:
    deck, cabin, left, right = rng.uniform((-0.1, -0.55, -0.7, 0.2), (0.1, -0.25, -0.3, 0.5))
    hull = polygon((-0.95, deck + 0.05), (0.9, deck), (1, deck + 0.25), (0.92, 0.4), (-0.95, 0.4))
    hood = right + rng.uniform(0.15, 0.4)
    top = polygon((left - 0.15, deck + 0.05), (left, cabin), (right, cabin), (hood, deck + 0.02))
    window = top * (0.82, 0.7) + ((left + right) * 0.09, (cabin + deck) * 0.15)
    wheels = [ellipse(-0.55, 0.38, 0.2, 0.2), ellipse(0.58, 0.38, 0.2, 0.2)]
    return [hull, top, *wheels], [window, *wheels]


def sign(rng: Rng) -> Shape:
    corners = rng.choice([3, 4, 4, 6, 8, 24])
    turns = np.arange(corners) * 2 * np.pi / corners + rng.uniform(0, 2 * np.pi)
    plate = around(turns) * rng.uniform(0.65, 0.95, 2)
    return [plate], [blob(rng)[0][0] * 0.5]


def blob(rng: Rng) -> Shape:
    """Return a closed curve of a few harmonics: stones, fruit, bags."""
    turns = np.linspace(0, 2 * np.pi, 59, endpoint=False)
    radius = np.full(59, 0.75)
    for k in range(2, 7):
        radius += rng.normal(0, 0.16 / k) * np.cos(k * turns + rng.uniform(0, 2 * np.pi))
    outline = around(turns, radius) * rng.uniform(0.6, 1, 2)
    return [outline], [outline * rng.uniform(0.3, 0.7) + rng.normal(0, 0.25, 2)]


def bouquet(rng: Rng) -> Shape:
    """Return many round things close together: bushes, fruit in a bowl, balloons."""
    balls = []
    for _ in range(rng.integers(5, 14)):
        x, y = rng.normal(0, 0.36, 2)
        a, b, angle = rng.uniform((0.18, 0.18, 0), (0.4, 0.4, 3))
        balls.append(ellipse(x, y, a, b, angle))
    return balls, balls[:: rng.integers(2, 4)]


UPRIGHT = (quadruped, person, vessel, mushroom, building, vehicle)
SHAPES = np.array(
    [
        quadruped,
        bird,
        person,
        fish,
        flower,
        butterfly,
        vessel,
        mushroom,
        building,
        vehicle,
        sign,
        blob,
        bouquet,
    ]
)
_FINE = 3  # masks are drawn so many times larger: their grey edges are exact area shares


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
