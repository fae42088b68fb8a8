"""Silhouettes of things: animals, people, plants, vessels, buildings, stones.

A shape is (outline, inner): lists of polygons, float (N, 2), x to the right and y down, within
about [-1, 1]. The union of `outline` is the object; `inner` are parts (a head, a label, windows)
that carry another surface.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import cv2
import numpy as np

Rng = np.random.Generator
Polygons = list[np.ndarray]
Shape = tuple[Polygons, Polygons]
Point = tuple[float, float]


def turned(count: int) -> np.ndarray:
    """Return `count` points around the unit circle, (count, 2)."""
    turns = np.linspace(0, 2 * np.pi, count + 1)[:-1]
    return np.stack([np.cos(turns), np.sin(turns)], 1)


def polygon(*points: Point) -> np.ndarray:
    return np.array(points)


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return polygon((left, top), (right, top), (right, bottom), (left, bottom))


def ellipse(x: float, y: float, a: float, b: float, angle: float = 0) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(_CIRCLE * (a, b) @ np.array([[cos, sin], [-sin, cos]]) + (x, y))


def limb(*points: tuple[float, float, float]) -> Polygons:
    """Return a chain of discs (x, y, radius) and what lies between neighbors: arms, legs, tails, necks."""
    discs = [_CIRCLE * r + (x, y) for x, y, r in points]
    links = [
        cv2.convexHull(np.vstack(pair).astype(np.float32))[:, 0]
        for pair in itertools.pairwise(discs)
    ]
    return links or discs


def quadruped(rng: Rng) -> Shape:
    long, thick, leg = rng.uniform(0.4, 0.6), rng.uniform(0.18, 0.3), rng.uniform(0.35, 0.65)
    rise, snout = rng.uniform(-0.5, 0.1), rng.uniform(0.1, 0.28)
    body = limb(
        (-long, -0.05, thick), (0, 0, thick * rng.uniform(0.85, 1.1)), (long, -0.08, thick * 0.95)
    )
    x, y, skull = long + 0.3, -0.2 + rise * 0.6, thick * rng.uniform(0.55, 0.8)
    neck = limb((long, -0.1, thick * 0.75), (x - 0.05, y, skull * 0.8))
    head = limb((x, y, skull), (x + snout, y + 0.4 * skull, skull * 0.55))
    for side in (-0.6, 0.5):
        ear, tip = (
            x + skull * side * 0.8,
            (x + skull * side * 1.3, y - skull * rng.uniform(1.2, 2.6)),
        )
        head.append(polygon((ear - 0.06, y - 0.4 * skull), tip, (ear + 0.07, y - 0.4 * skull)))
    legs: Polygons = []
    for hip in (-long * 0.95, -long * 0.7, long * 0.7, long * 0.95):
        knee, foot = hip + rng.normal(0, 0.09), hip + rng.normal(0, 0.13)
        legs += limb(
            (hip, 0.05, thick * 0.5), (knee, 0.1 + leg * 0.6, 0.07), (foot, 0.12 + leg, 0.06)
        )
    back, middle, end = (
        -long - thick,
        -0.1 + rng.uniform(-0.25, 0.25),
        -0.1 + rng.uniform(-0.5, 0.4),
    )
    tail = limb((back + 0.1, -0.1, 0.06), (back - 0.12, middle, 0.05), (back - 0.2, end, 0.04))
    return body + neck + head + legs + tail, rng.choice([0, 1, 2]) * head + [
        ellipse(0, 0.25, long, thick)
    ]


def bird(rng: Rng) -> Shape:
    plump, neck, leg = rng.uniform(0.25, 0.42), rng.uniform(0.1, 0.6), rng.uniform(0.1, 0.5)
    body = limb((-0.35, 0.1, plump * 0.6), (0.1, 0.02, plump), (0.28, -0.08, plump * 0.8))
    tail = polygon(
        (-0.3, -0.05), (-1, rng.uniform(0, 0.35)), (-0.9, rng.uniform(0.3, 0.5)), (-0.3, 0.3)
    )
    x, y = 0.42 + rng.uniform(-0.05, 0.15), -0.2 - neck
    throat = limb(
        (0.33, -0.12, plump * 0.55),
        (0.4 + rng.uniform(-0.1, 0.15), -0.15 - neck / 2, 0.12),
        (x, y, 0.14),
    )
    beak = polygon(
        (x + 0.05, y - 0.08), (x + rng.uniform(0.25, 0.5), y + 0.05), (x + 0.05, y + 0.09)
    )
    legs: Polygons = []
    for hip in (0.02, 0.16):
        legs += limb((hip, 0.2, 0.07), (hip + rng.normal(0, 0.05), 0.3 + leg, 0.035))
    wing = ellipse(-0.15, 0.02, 0.5, plump * 0.6, rng.uniform(-0.4, 0.1))
    return [*body, tail, *throat, beak, *legs], [
        wing,
        beak,
        *(throat if rng.random() < 0.4 else []),
    ]


def person(rng: Rng) -> Shape:
    wide, waist = rng.uniform(0.16, 0.26), rng.uniform(0, 0.15)
    torso = limb((0, -0.38, wide), (rng.normal(0, 0.03), waist, wide * 0.9))
    head = [
        ellipse(rng.normal(0, 0.05), -0.8, 0.14, 0.18),
        *limb((0, -0.65, 0.08), (0, -0.45, 0.1)),
    ]
    arms: Polygons = []
    legs: Polygons = []
    for side in (-1, 1):
        x, y = side * (wide + rng.uniform(0.05, 0.3)), rng.uniform(-0.45, 0)  # the elbow
        hand = (x + side * rng.uniform(-0.25, 0.2), y + rng.uniform(-0.35, 0.35))
        arms += limb((side * wide, -0.42, 0.09), (x, y, 0.08), (*hand, 0.07))
        foot = side * 0.12 + rng.normal(0, 0.14)
        legs += limb(
            (side * 0.09, waist, 0.13), ((foot + side * 0.09) / 2, 0.5, 0.11), (foot, 0.93, 0.09)
        )
    return torso + head + arms + legs, (legs if rng.random() < 0.8 else []) + head


def fish(rng: Rng) -> Shape:
    deep, bend = rng.uniform(0.2, 0.45), rng.normal(0, 0.1)
    up, down = rng.uniform(0.25, 0.5, 2)
    tail = polygon((-0.45, 0), (-1, bend - up), (-0.8, bend), (-1, bend + down))
    fins = [
        polygon(
            (-0.2, side * deep * 0.7),
            (x, side * (deep + rng.uniform(0.1, 0.3))),
            (0.4, side * deep * 0.7),
        )
        for side, x in zip((-1, 1), rng.uniform(-0.3, 0.1, 2), strict=True)
    ]
    return [ellipse(0.1, 0, 0.72, deep), tail, *fins], [tail, *fins, ellipse(0.62, -0.05, 0.2, 0.3)]


def flower(rng: Rng) -> Shape:
    count, long, wide = int(rng.integers(4, 13)), rng.uniform(0.35, 0.48), rng.uniform(0.8, 1.5)
    turns = np.arange(count) * 2 * np.pi / count + rng.normal(0, 0.1, count)
    petals = [
        ellipse(0.5 * np.cos(t), 0.5 * np.sin(t), long * rng.uniform(0.85, 1.15), wide / count, t)
        for t in turns
    ]
    heart = ellipse(0, 0, *rng.uniform(0.16, 0.34, 2))
    return [*petals, heart], [heart]


def butterfly(rng: Rng) -> Shape:
    top, low, flap = rng.uniform(0.35, 0.5), rng.uniform(0.25, 0.4), rng.uniform(0.5, 1)
    inner, outline = limb((0, -0.4, 0.08), (0, 0.5, 0.05)), limb((0, -0.4, 0.08), (0, 0.5, 0.05))
    for side in (-flap, flap):
        turn = np.copysign(0.7, side)
        outline.append(ellipse(side * 0.42, -0.28, top * flap, 0.32, -turn))
        outline.append(ellipse(side * 0.32, 0.3, low * flap, 0.3, turn))
        inner += [
            ellipse(side * 0.5, -0.35, 0.14 * flap, 0.12),
            ellipse(side * 0.35, 0.3, 0.1, 0.1),
        ]
    return outline, inner


def vessel(rng: Rng) -> Shape:
    """Return a turned profile: vases, bottles, jars, lamps."""
    y = np.linspace(-0.95, 0.95, 24)
    knots = rng.uniform(0.12, 0.6, 5)
    knots[-1] = max(knots[-1], 0.25)
    half = np.interp(y, np.linspace(-0.95, 0.95, 5), knots)
    half = np.convolve(np.pad(half, 3, mode="edge"), np.full(7, 1 / 7), "valid")
    outline = np.vstack([np.stack([half, y], 1), np.stack([-half, y], 1)[::-1]])
    top, bottom = np.sort(rng.uniform(-0.8, 0.8, 2))
    handle = [ellipse(0.45, 0, 0.3, 0.35)] if rng.random() < 0.2 else []
    return [outline, *handle], [box(-1, top, 1, bottom)]


def mushroom(rng: Rng) -> Shape:
    cap = ellipse(0, -0.3, rng.uniform(0.6, 0.95), rng.uniform(0.35, 0.6))
    cap = cap[cap[:, 1] < rng.uniform(-0.25, 0)]
    stem = limb((0, -0.3, 0.14), (rng.normal(0, 0.08), 0.7, rng.uniform(0.14, 0.28)))
    return [cap, *stem], stem


def building(rng: Rng) -> Shape:
    wide, top = rng.uniform(0.5, 0.95), rng.uniform(-0.9, -0.3)
    left, right = top + rng.normal(0, 0.15, 2)
    ridge = (rng.normal(0, 0.3), top - rng.uniform(0.2, 0.5))
    rows, columns = rng.integers(1, 4), rng.integers(2, 5)
    w, h = 0.5 * wide / columns, 0.28 * (0.85 - top) / rows
    centers = [
        (-wide + 2 * wide * (column + 0.5) / columns, top + (0.85 - top) * (row + 0.6) / rows)
        for row in range(rows)
        for column in range(columns)
    ]
    wall = polygon((-wide, 0.85), (-wide, left), (wide, right), (wide, 0.85))
    roof = [polygon((-wide * 1.1, left), ridge, (wide * 1.1, right))] if rng.random() < 0.6 else []
    return [wall, *roof], [box(x - w, y - h, x + w, y + h) for x, y in centers]


def vehicle(rng: Rng) -> Shape:
    deck, cabin = rng.uniform(-0.1, 0.1), rng.uniform(-0.55, -0.25)
    a, b = rng.uniform(-0.7, -0.3), rng.uniform(0.2, 0.5)
    hull = polygon((-0.95, deck + 0.05), (0.9, deck), (1, deck + 0.25), (0.92, 0.4), (-0.95, 0.4))
    top = polygon(
        (a - 0.15, deck + 0.05), (a, cabin), (b, cabin), (b + rng.uniform(0.15, 0.4), deck + 0.02)
    )
    wheels = [ellipse(x, 0.38, 0.2, 0.2) for x in (-0.55, 0.58)]
    window = top * (0.82, 0.7) + ((a + b) / 2 * 0.18, (cabin + deck) / 2 * 0.3)
    return [hull, top, *wheels], [window, *wheels]


def sign(rng: Rng) -> Shape:
    corners = int(rng.choice([3, 4, 4, 6, 8, 24]))
    turns = np.arange(corners) * 2 * np.pi / corners + rng.uniform(0, 2 * np.pi)
    plate = np.stack([np.cos(turns), np.sin(turns)], 1) * rng.uniform(0.65, 0.95, 2)
    return [plate], [blob(rng)[0][0] * 0.5]


def blob(rng: Rng) -> Shape:
    """Return a closed curve of a few harmonics: stones, fruit, bags."""
    turns = np.linspace(0, 2 * np.pi, 60)[:-1]
    radius = np.full(59, 0.75)
    for k in range(2, 7):
        radius += rng.normal(0, 0.16 / k) * np.cos(k * turns + rng.uniform(0, 2 * np.pi))
    outline = turned(59) * radius[:, None] * rng.uniform(0.6, 1, 2)
    return [outline], [outline * rng.uniform(0.3, 0.7) + rng.normal(0, 0.25, 2)]


def bouquet(rng: Rng) -> Shape:
    """Return many round things close together: bushes, fruit in a bowl, balloons."""
    balls = []
    for _ in range(int(rng.integers(5, 14))):
        (x, y), (a, b) = rng.normal(0, 0.36, 2), rng.uniform(0.18, 0.4, 2)
        balls.append(ellipse(x, y, a, b, rng.uniform(0, 3)))
    return balls, balls[:: int(rng.integers(2, 4))]


_CIRCLE = turned(24)
SHAPES: tuple[Callable[[Rng], Shape], ...] = (
    *(
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
    ),
)
UPRIGHT = {quadruped, person, vessel, mushroom, building, vehicle}
_FINE = 3  # masks are drawn so many times larger and averaged down: their grey edges are exact area shares


def filled(
    polygons: Sequence[np.ndarray], place: np.ndarray, height: int, width: int, rounding: float = 0
) -> np.ndarray:
    """Return the coverage float32 (height, width) in [0, 1] of the union of `polygons` in the
    image.

    Args:
        place: affine map (2, 3) to pixels.
        rounding: pixels by which limbs melt into the body and corners are rounded, as skin and
            cloth do.
    """
    canvas = np.zeros((height * _FINE, width * _FINE), np.uint8)
    for points in (polygon @ place[:, :2].T + place[:, 2] for polygon in polygons):
        cv2.fillPoly(
            canvas, [np.round(np.clip(points * _FINE, -20000, 20000)).astype(np.int32)], 255
        )
    cover = (
        cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    )
    if (
        rounding > 0.4
    ):  # blurred, then sharpened around one half until the border is a pixel wide again
        soft = cv2.GaussianBlur(cover, (0, 0), float(rounding))
        cover = np.clip((soft - 0.5) * (2.5 * rounding) + 0.5, 0, 1).astype(np.float32)
    return cover
