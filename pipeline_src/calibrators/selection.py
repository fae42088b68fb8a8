"""The choice among calibrators: by the NLL of held-out images."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline_src.calibrators.calibrator import Calibrator, fitted, nll
from pipeline_src.calibrators.pixels import Pixels
from pipeline_src.rng import generator

FOLDS = 5


def folds_of(groups: np.ndarray) -> np.ndarray:
    """(I,) the fold of each image, 0 to 4 (fewer for fewer groups), drawn with a fixed key. Groups of images (I,) stay
    together."""
    units = groups.max(initial=-1) + 1
    order = generator("calibrate", "folds", int(units)).permutation(units)
    return (order % min(FOLDS, units))[groups]


def cross_validated(
    calibrator: type[Calibrator], pixels: Pixels, folds: np.ndarray, **options: Any
) -> tuple[list[Calibrator], float]:
    """For each fold the calibrator fitted to the images of all others, and the NLL of all pixels under the one that has
    not seen their image.

    Args:
        folds: (I,) the fold of each image, two or more in all.
        options: of the calibrator's fit.
    """
    calibrators, total = [], 0.0
    for fold in range(folds.max() + 1):
        calibrators.append(fitted(calibrator, pixels.take(folds != fold), **options))
        held_out = pixels.take(folds == fold)
        if held_out.weights.sum():
            total += nll(calibrators[-1].of_pixels(held_out), held_out) * held_out.weights.sum()
    return calibrators, float(total / pixels.weights.sum())
