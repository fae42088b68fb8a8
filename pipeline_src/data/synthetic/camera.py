"""From a drawn scene to something a camera could have taken: uneven light, exposure, blur, noise, eight bits."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline_src.data.synthetic.textures import noise


def uneven_light(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A multiplier (height, width) around 1: a slope, soft patches of shade, at times a sharp shadow, a vignette."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + rng.uniform(0, 0.35) * (np.cos(angle) * x + np.sin(angle) * y)
    light += rng.uniform(0, 0.6) * (noise(rng, height, width, 0.6 * height, 2) - 0.5)
    if rng.random() < 0.25:
        edge = (noise(rng, height, width, 0.4 * height, 3) - rng.uniform(0.4, 0.65)) * rng.uniform(5, 25)
        light *= 1 - rng.uniform(0.25, 0.6) * np.clip(edge, 0, 1)
    return np.clip(light * (1 - rng.uniform(0, 0.25) * (x * x + y * y)), 0.15, 1.8)


def photograph(rng: np.random.Generator, scene: np.ndarray) -> np.ndarray:
    """Scene RGB float32 (H, W, 3), about [0, 1] -> uint8 RGB of the same size."""
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
    return (np.clip(taken + grain, 0, 1) * 255 + 0.5).astype(np.uint8)
