"""Augmentation of the paper's program (docs/protocol.md): flip, centred crop, rotation, in one warp."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline_src.params.schema import Augmentation


def augment(
    image: np.ndarray, mask: np.ndarray, rng: np.random.Generator, how: Augmentation, ids: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """A randomly changed copy of `image` (S, S, 3) uint8 and of its `mask` (S, S) uint8: soft in 0..255, or class ids.

    The same number of values is drawn from `rng` whatever they turn out to be. What a rotation turns in from outside
    is black background, in a mask of ids 255: ignored. Pixels are interpolated once, so mask edges stay as soft as they
    were; ids take the nearest.
    """
    side = image.shape[0]
    flip = rng.random() < how.flip
    cut = rng.uniform(0, how.crop, size=2) * side
    turned = rng.random() < how.rotate_probability
    angle = rng.uniform(-how.rotate_degrees, how.rotate_degrees) if turned else (rng.random(), 0.0)[1]

    # Where a pixel of the result comes from: (result) -> crop's scale and offset -> rotation about the centre -> flip.
    centre = (side - 1) / 2
    scale = np.diag([*(1 - cut / side), 1.0])
    radians = np.deg2rad(angle)
    rotation = np.array([[np.cos(radians), -np.sin(radians), 0], [np.sin(radians), np.cos(radians), 0], [0, 0, 1]])
    mirror = np.diag([-1.0 if flip else 1.0, 1.0, 1.0])
    to_centre, back = np.eye(3), np.eye(3)
    to_centre[:2, 2], back[:2, 2] = -centre, centre
    source = (back @ mirror @ rotation @ scale @ to_centre)[:2]

    def warp(picture: np.ndarray, how: int = cv2.INTER_LINEAR, outside: int = 0) -> np.ndarray:
        return cv2.warpAffine(picture, source, (side, side), flags=how | cv2.WARP_INVERSE_MAP, borderValue=outside)

    return warp(image), warp(mask, cv2.INTER_NEAREST, 255) if ids else warp(mask)
