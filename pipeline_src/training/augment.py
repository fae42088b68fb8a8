"""Augmentation of the paper's program (docs/protocol.md): flip, centered crop, rotation, in one warp."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline_src.params.schema import Augmentation


def augment(
    image: np.ndarray, mask: np.ndarray, rng: np.random.Generator, settings: Augmentation, ids: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """A randomly changed copy of `image` (S, S, 3) uint8 and of its `mask` (S, S) uint8: soft in 0..255, or class ids.

    The number of values drawn from `rng` does not depend on their outcome. Areas that a rotation brings in from outside
    are black background, and ignored (255) in a mask of ids. Pixels are interpolated once, so mask edges stay as soft
    as they were; ids take the nearest.
    """
    side = image.shape[0]
    flip = rng.random() < settings.flip
    cut = rng.uniform(0, settings.crop, size=2) * side
    turned = rng.random() < settings.rotate_probability
    angle = rng.uniform(-settings.rotate_degrees, settings.rotate_degrees)

    # Where a pixel of the result comes from: (result) -> crop's scale and offset -> rotation about the center -> flip.
    center = (side - 1) / 2
    scale = np.diag([*(1 - cut / side), 1.0])
    radians = np.deg2rad(angle) if turned else 0.0
    rotation = np.array([[np.cos(radians), -np.sin(radians), 0], [np.sin(radians), np.cos(radians), 0], [0, 0, 1]])
    mirror = np.diag([-1.0 if flip else 1.0, 1.0, 1.0])
    to_center, back = np.eye(3), np.eye(3)
    to_center[:2, 2], back[:2, 2] = -center, center
    source = (back @ mirror @ rotation @ scale @ to_center)[:2]

    def warp(picture: np.ndarray, interpolation: int = cv2.INTER_LINEAR, border: int = 0) -> np.ndarray:
        return cv2.warpAffine(
            picture, source, (side, side), flags=interpolation | cv2.WARP_INVERSE_MAP, borderValue=border
        )

    return warp(image), warp(mask, cv2.INTER_NEAREST, 255) if ids else warp(mask)
