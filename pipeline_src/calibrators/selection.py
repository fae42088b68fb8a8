"""The choice among calibrators: by the NLL of held-out images."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline_src.calibrators.calibrator import Calibrator, fitted, nll, rounded
from pipeline_src.calibrators.pixels import Pixels
from pipeline_src.calibrators.temperature import TemperatureCalibrator
from pipeline_src.rng import generator

FOLDS = 5


def folds_of(groups: np.ndarray) -> np.ndarray:
    """(I,) the fold of each image, 0 to 4 (fewer for fewer groups), drawn with a fixed key. Groups of images (I,) stay
    together."""
    units = groups.max(initial=-1) + 1
    order = generator("calibrate", "folds", int(units)).permutation(units)
    return (order % min(FOLDS, units))[groups]


def cross_validated(
    calibrator: type[Calibrator], pixels: Pixels, folds: np.ndarray, tops: np.ndarray, **options: Any
) -> tuple[list[Calibrator], float]:
    """For each fold the calibrator fitted to the images of all others, and the NLL of all pixels under the one that has
    not seen their image, rounded as their map is when it is written: a wrong pixel at the first or the last level of an
    integer map costs as much as it does in the scores of that map.

    Args:
        folds: (I,) the fold of each image, two or more in all.
        tops: (I,) the highest level of each image's map, 255 or 65,535; 0 for floats.
        options: of the calibrator's fit.
    """
    calibrators, total = [], 0.0
    for fold in range(folds.max() + 1):
        calibrators.append(fitted(calibrator, pixels.take(folds != fold), **options))
        held_out = pixels.take(folds == fold)
        if held_out.weights.sum():
            f = _written(calibrators[-1].of_pixels(held_out), tops[folds == fold][held_out.images])
            total += nll(f, held_out) * held_out.weights.sum()
    return calibrators, float(total / pixels.weights.sum())


def nll_as_they_are(pixels: Pixels, tops: np.ndarray) -> float:
    """The NLL of maps that are left as they are; `tops` as in `cross_validated`."""
    unchanged = TemperatureCalibrator(temperature=1)
    return nll(_written(unchanged.of_pixels(pixels), tops[pixels.images]), pixels)


def _written(f: np.ndarray, tops: np.ndarray) -> np.ndarray:
    """Probabilities (N, C) as maps with these highest levels (N,) hold them."""
    if not tops.any():
        return f
    top = tops[:, None]
    return np.where(top > 0, rounded(f, np.maximum(top, 1)), f)
