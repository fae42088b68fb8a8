"""The choice among calibrators: by the NLL of held-out images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline_src.calibrators import files
from pipeline_src.calibrators.calibrator import Calibrator, fitted, nll, rounded
from pipeline_src.calibrators.pixels import Pixels
from pipeline_src.calibrators.temperature import TemperatureCalibrator
from pipeline_src.errors import UserError, few
from pipeline_src.rng import generator

AUTO = "auto"  # the method that takes the calibrator of least cross-validated NLL
FOLDS = 5


@dataclass(frozen=True)
class Selection:
    """A fitted calibrator, and how it was chosen.

    Attributes:
        calibrator: fitted to all pixels.
        of_images: for each image, the same calibrator fitted to the other folds (cross-fitting); empty without
            cross-validation.
        cross_validated_nll: by candidate; empty without cross-validation.
        nll_as_they_are: the NLL of the maps without a calibrator; None without cross-validation.
    """

    calibrator: Calibrator
    of_images: list[Calibrator]
    cross_validated_nll: dict[str, float]
    nll_as_they_are: float | None

    def warnings(self, method: str, pixels: Pixels) -> list[str]:
        """Return warnings about the fit of `method` to these pixels, a line each."""
        lines = _left_out(method, pixels) + self.calibrator.warnings(pixels)
        if self.nll_as_they_are is not None and min(self.cross_validated_nll.values()) >= self.nll_as_they_are:
            lines.append("on unseen images no calibrator has a lower NLL than the maps as they are: keep them")
        return lines


def select(
    method: str,
    pixels: Pixels,
    tops: np.ndarray,
    units: np.ndarray | None,
    options: dict[str, Any],
    cross_validate: bool,
) -> Selection:
    """Fit the calibrator `method`, or for `auto` the one with the lowest cross-validated NLL.

    Args:
        tops: (I,) the highest level of each image's map, 255 or 65,535; 0 for floats.
        units: (I,) the group of each image; None where images are independent.
        options: of the calibrator's fit.
        cross_validate: whether images are scored by the calibrator of the other folds.

    Raises:
        UserError: cross-validation of a single image or group.
    """
    candidates = _candidates(method, pixels)
    if method != AUTO and not cross_validate:
        return Selection(fitted(candidates[method], pixels, **options), [], {}, None)
    folds = folds_of(np.arange(pixels.number) if units is None else units)
    if folds.max(initial=0) < 1:
        raise UserError(
            "one image, or one group of images, cannot be cross-validated",
            found=f"{pixels.number} image(s) in --pred",
            expected="two or more, of two groups",
            fix="give more images, or --method and --test-mask",
        )
    results = {name: cross_validated(kind, pixels, folds, tops, **options) for name, kind in candidates.items()}
    best = min(results, key=lambda name: results[name][1])
    return Selection(
        calibrator=fitted(candidates[best], pixels, **options),
        of_images=[results[best][0][fold] for fold in folds.tolist()],
        cross_validated_nll={name: loss for name, (_, loss) in results.items()},
        nll_as_they_are=nll_as_they_are(pixels, tops),
    )


def _candidates(method: str, pixels: Pixels) -> dict[str, type[Calibrator]]:
    """The calibrator of this name. For `auto` all calibrators for this number of classes; where a class has no pixel,
    only calibrators that keep the predicted class."""
    if method != AUTO:
        return {method: files.CALIBRATORS[method]}
    usable = {name: kind for name, kind in files.CALIBRATORS.items() if kind.takes(pixels.classes)}
    return {name: kind for name, kind in usable.items() if kind.keeps_class or not pixels.absent}


def _left_out(method: str, pixels: Pixels) -> list[str]:
    """A line where `auto` did not try all calibrators."""
    tried = _candidates(method, pixels)
    names = [name for name, kind in files.CALIBRATORS.items() if kind.takes(pixels.classes) and name not in tried]
    if method != AUTO or not names:
        return []
    return [
        f"no fitted pixel is of class {few(pixels.absent)}: auto chose among the calibrators that keep the predicted "
        f"class, because the others ({', '.join(names)}) learn not to predict what they have not seen"
    ]


def folds_of(groups: np.ndarray) -> np.ndarray:
    """The fold of each image (I,), 0 to 4 (fewer for fewer groups), drawn with a fixed key. Images of one group share a
    fold."""
    units = groups.max(initial=-1) + 1
    order = generator("calibrate", "folds", int(units)).permutation(units)
    return (order % min(FOLDS, units))[groups]


def cross_validated(
    calibrator: type[Calibrator], pixels: Pixels, folds: np.ndarray, tops: np.ndarray, **options: Any
) -> tuple[list[Calibrator], float]:
    """Fit a calibrator without each fold, and score each image by the fit without its fold.

    Probabilities are rounded as their map is when it is written. So a wrong pixel at the first or last level of an
    integer map costs as much here as in the scores of that map.

    Args:
        folds: (I,) the fold of each image, two or more folds in all.
        tops: (I,) the highest level of each image's map, 255 or 65,535; 0 for floats.
        options: of the calibrator's fit.

    Returns:
        The calibrator that was fitted without each fold, and the mean NLL of all pixels.
    """
    calibrators, total = [], 0.0
    for fold in range(folds.max() + 1):
        calibrators.append(fitted(calibrator, pixels.take(folds != fold), **options))
        held_out = pixels.take(folds == fold)
        if held_out.weights.sum():
            f = _as_written(calibrators[-1].of_pixels(held_out), tops[folds == fold][held_out.images])
            total += nll(f, held_out) * held_out.weights.sum()
    return calibrators, float(total / pixels.weights.sum())


def nll_as_they_are(pixels: Pixels, tops: np.ndarray) -> float:
    """The NLL of maps without a calibrator; `tops` as in `cross_validated`."""
    unchanged = TemperatureCalibrator(temperature=1)
    return nll(_as_written(unchanged.of_pixels(pixels), tops[pixels.images]), pixels)


def _as_written(f: np.ndarray, tops: np.ndarray) -> np.ndarray:
    """Probabilities (N, C) as maps with these highest levels (N,) store them."""
    if not tops.any():
        return f
    top = tops[:, None]
    return np.where(top > 0, rounded(f, np.maximum(top, 1)), f)
