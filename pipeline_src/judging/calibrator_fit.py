"""The calibrator of saved maps: the pixels that it is fitted to, and the one of least cross-validated NLL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src.calibrators import files, selection
from pipeline_src.calibrators.calibrator import Calibrator, fitted
from pipeline_src.calibrators.image_temperature import ImageTemperatureCalibrator
from pipeline_src.calibrators.pixels import FEATURES, Pixels, image_pixels, joined, log_odds
from pipeline_src.errors import UserError, did_you_mean, few
from pipeline_src.judging import several_classes, two_classes
from pipeline_src.judging.files import Pairs
from pipeline_src.judging.folder_counts import FolderCounts
from pipeline_src.labels import IGNORED
from pipeline_src.rng import generator

MOST_NUMBERS = 2**23  # of pixels of K classes that are held at once
AUTO = "auto"


@dataclass(frozen=True)
class FolderFit:
    """A calibrator fitted to a folder of maps.

    Attributes:
        calibrator: fitted to all pixels.
        of_images: by image, the same one fitted without its fold; empty where it is not cross-validated.
        cross_validated_nll: of all candidates; empty where one method is asked for and not cross-validated.
        nll_as_they_are: of the maps without a calibrator; None where there is no other to compare it with.
    """

    calibrator: Calibrator
    of_images: list[Calibrator]
    cross_validated_nll: dict[str, float]
    nll_as_they_are: float | None

    def warnings(self, method: str, pixels: Pixels) -> list[str]:
        """What to know of the fit of `method` to these pixels, a line each."""
        lines = _left_out(method, pixels) + self.calibrator.warnings(pixels)
        if self.nll_as_they_are is not None and min(self.cross_validated_nll.values()) >= self.nll_as_they_are:
            lines.append("on unseen images no calibrator has a lower NLL than the maps as they are: keep them")
        return lines


def options_of(method: str, features: str, shape: bool) -> dict[str, Any]:
    """Of the fit of `image_temperature`; UserError where another method is asked for, or for features that there are
    not, or that are repeated."""
    options: dict[str, Any] = {"features": tuple(features.split(","))} if features else {}
    options |= {"shape": True} if shape else {}
    if options and method != ImageTemperatureCalibrator.name:
        raise UserError(
            f"--{next(iter(options))} is an option of {ImageTemperatureCalibrator.name}",
            found=f"--method {method}",
            do=f"--method {ImageTemperatureCalibrator.name}",
        )
    given = options.get("features", ())
    if unknown := [name for name in given if name not in FEATURES]:
        raise UserError(
            "--features: there is no feature of this name",
            found=unknown[0],
            expected=", ".join(FEATURES),
            do=did_you_mean(unknown[0], FEATURES) or f"--features {','.join(FEATURES)}",
        )
    if repeated := sorted({name for name in given if given.count(name) > 1}):
        raise UserError(
            "--features: a feature is repeated",
            found=", ".join(repeated),
            expected="each once",
            do=f"--features {','.join(dict.fromkeys(given))}",
        )
    return options


def pixels_of(
    pairs: Pairs, classes: int | None, counted: FolderCounts, ignore: int | None
) -> tuple[Pixels, np.ndarray]:
    """The pixels of all pairs: of two classes all, grouped; of more as many of each image as fit, each of which stands
    for an equal share of it. And of each map the highest level of its type, 0 for floats."""
    parts, tops, void = [], [], IGNORED if ignore is None else ignore
    for pair in pairs:
        if classes:
            probability, truth, _ = several_classes.read(pair, classes, void)
            truth = np.where(truth == void, classes, truth)
        else:
            probability, truth, *_ = two_classes.read(pair, counted.meaning)
        z, chosen = log_odds(probability), None
        if len(z) > 1:
            valid, most = int((truth < len(z)).sum()), max(1, MOST_NUMBERS // (len(z) * len(pairs)))
            draws = generator(pair.stem, "calibrate")
            chosen = draws.choice(valid, most, replace=False) if valid > most else None
        parts.append(image_pixels(z, truth, chosen).grouped())
        tops.append(np.iinfo(probability.dtype).max if probability.dtype.kind == "u" else 0)
    return joined(parts), np.array(tops)


def check_labels(pixels: Pixels, mask: Path) -> None:
    """UserError where the pixels of the masks in `mask` are all of one class."""
    present = np.unique(pixels.labels[pixels.weights > 0])
    if len(present) < 2:
        one = {0: "background"}.get(int(present[0]), f"class {present[0]}") if len(present) else "no pixel that counts"
        raise UserError(
            f"no calibrator can be fitted to the masks in {mask}",
            found=f"{one} alone",
            expected="pixels of two classes or more",
            do="give --mask the masks of validation images with and without objects",
        )


def fit(
    method: str,
    pixels: Pixels,
    tops: np.ndarray,
    units: np.ndarray | None,
    options: Mapping[str, Any],
    cross_validate: bool,
) -> FolderFit:
    """The fit of the candidate of least cross-validated NLL.

    Args:
        tops: (I,) as in `selection.cross_validated`.
        units: (I,) the group of each image; None where each is its own.
    """
    candidates = _candidates(method, pixels)
    if method != AUTO and not cross_validate:
        return FolderFit(fitted(candidates[method], pixels, **options), [], {}, None)
    folds = selection.folds_of(np.arange(pixels.number) if units is None else units)
    if folds.max(initial=0) < 1:
        raise UserError(
            "one image, or one group of images, cannot be cross-validated",
            found=f"{pixels.number} image(s) in --pred",
            expected="two or more, of two groups",
            do="give more images, or --method and --test-mask",
        )
    results = {
        name: selection.cross_validated(kind, pixels, folds, tops, **options) for name, kind in candidates.items()
    }
    best = min(results, key=lambda name: results[name][1])
    of_images = [results[best][0][fold] for fold in folds.tolist()]
    nlls = {name: nll for name, (_, nll) in results.items()}
    unchanged = selection.nll_as_they_are(pixels, tops)
    return FolderFit(fitted(candidates[best], pixels, **options), of_images, nlls, unchanged)


def _left_out(method: str, pixels: Pixels) -> list[str]:
    """A line where `auto` has not tried all calibrators."""
    tried = _candidates(method, pixels)
    names = [name for name, kind in files.CALIBRATORS.items() if kind.takes(pixels.classes) and name not in tried]
    if method != AUTO or not names:
        return []
    return [
        f"no fitted pixel is of class {few(pixels.absent)}: auto chose among the calibrators that keep the predicted "
        f"class, since the others ({', '.join(names)}) learn not to predict what they have not seen"
    ]


def _candidates(method: str, pixels: Pixels) -> dict[str, type[Calibrator]]:
    """The calibrator of this name, or all for this number of classes; where a class has no pixel, those of them that
    keep the predicted class."""
    if method != AUTO:
        return {method: files.CALIBRATORS[method]}
    usable = {name: kind for name, kind in files.CALIBRATORS.items() if kind.takes(pixels.classes)}
    return {name: kind for name, kind in usable.items() if kind.keeps_class or not pixels.absent}
