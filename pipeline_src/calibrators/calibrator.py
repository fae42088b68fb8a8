"""The interface of a calibrator, the likelihood that it is fitted by, and calibrated maps in the type of their file."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit, log_softmax

from pipeline_src.calibrators.pixels import FEATURES, Pixels, image_features, log_odds
from pipeline_src.counting.levels import CLAMP
from pipeline_src.errors import UserError
from pipeline_src.rng import generator
from pipeline_src.validation import Strict

Bounds = Sequence[tuple[float | None, float | None]]
FOLDS = 5
TINY = 1e-12  # the least probability of a class before the classes are normalized


class Calibrator(Strict):
    """A fitted calibrator; its fields are its parameters.

    Attributes:
        name: the name of its file, of the post-hoc method and of `--method`.
        keeps_class: whether the predicted class of every pixel stays the same.
        of_image: whether a pixel's probability depends on other pixels of its image; else on its own logits only.
        classes: the numbers of classes for which it is defined: "two", "several" (three or more) or "any".
    """

    name: ClassVar[str]
    keeps_class: ClassVar[bool]
    of_image: ClassVar[bool] = False
    classes: ClassVar[str] = "any"

    @classmethod
    @abstractmethod
    def fit(cls, pixels: Pixels) -> Self:
        """Fit to weighted pixels. UserError where the calibrator is not defined for their number of classes."""

    @abstractmethod
    def probabilities(self, z: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities (N, C) float64.

        Args:
            z: (N, C) logits; C = 1 for two classes, K for K classes.
            features: (N, 4) or (1, 4), the `FEATURES` of the pixels' images.

        Returns:
            The probability of the positive class for one logit, else of the K classes.
        """

    def apply(self, z: np.ndarray) -> np.ndarray:
        """The calibrated probabilities of one image, float64: logits (1, H, W) -> (H, W), (K, H, W) -> (K, H, W)."""
        features = image_features(z) if self.of_image else np.full(len(FEATURES), np.nan)
        f = self.probabilities(z.reshape(len(z), -1).T.astype(np.float64), features[None]).T
        return f.reshape(z.shape)[0] if len(z) == 1 else f.reshape(z.shape)

    def of_pixels(self, pixels: Pixels) -> np.ndarray:
        """The calibrated probabilities (N, C) of pixels."""
        return self.probabilities(pixels.z, pixels.of_images)

    def warnings(self, pixels: Pixels) -> list[str]:
        """Return warnings about the fit to these pixels, a line each."""
        return []

    @classmethod
    def check_classes(cls, classes: int) -> None:
        """UserError where the calibrator is not defined for a number of classes."""
        if cls.classes != "any" and (cls.classes == "two") != (classes == 2):
            raise UserError(
                f"the calibrator {cls.name} is for {cls.classes} classes",
                found=f"{classes} classes",
                fix="use another one, such as platt or temperature",
            )


class PerClass(Calibrator):
    """A calibrator that is one curve for two classes. For K classes it has one curve for each class against the rest,
    and divides their values by their sum (Zadrozny and Elkan, KDD 2002)."""

    curve: ClassVar[Any]  # fit(z (N,), whether the class is right (N,), weights (N,)); curve(z) -> probabilities (N,)

    curves: list[Any]

    @classmethod
    def fit(cls, pixels: Pixels) -> Self:
        """Fit one curve per class."""
        z = _one_against_rest(pixels.z)
        classes = [1] if z.shape[1] == 1 else range(z.shape[1])
        columns = zip(classes, z.T, strict=True)
        return cls(curves=[cls.curve.fit(column, pixels.labels == k, pixels.weights) for k, column in columns])

    def probabilities(self, z: np.ndarray, features: np.ndarray) -> np.ndarray:
        """See `Calibrator`."""
        columns = zip(self.curves, _one_against_rest(z).T, strict=True)
        f = np.stack([curve(column) for curve, column in columns], axis=1)
        if f.shape[1] == 1:
            return f
        f = f.clip(TINY, None)  # where all curves are 0, all classes get the same probability
        return f / f.sum(axis=1, keepdims=True)


def _one_against_rest(z: np.ndarray) -> np.ndarray:
    """The log-odds of each class, (N, C); of one logit itself."""
    if z.shape[1] == 1:
        return z
    log_f = log_softmax(z, axis=1)
    return log_f - np.log(-np.expm1(np.minimum(log_f, -TINY)))


def fitted(calibrator: type[Calibrator], pixels: Pixels, **options: Any) -> Calibrator:
    """Fit a calibrator, to pixels pooled over images unless it uses features of images."""
    return calibrator.fit(pixels if calibrator.of_image else pixels.pooled(), **options)


def folds_of(groups: np.ndarray) -> np.ndarray:
    """The fold of each image (I,), 0 to 4 (fewer for fewer groups), drawn with a fixed key. Images of one group share a
    fold."""
    units = groups.max(initial=-1) + 1
    order = generator("calibrate", "folds", int(units)).permutation(units)
    return (order % min(FOLDS, units))[groups]


def cross_fitted(calibrator: type[Calibrator], pixels: Pixels, groups: np.ndarray | None) -> list[Calibrator]:
    """For each image the calibrator that is fitted to the other folds.

    Args:
        groups: (I,) the group of each image; None where images are independent.

    Raises:
        UserError: there is a single image or group.
    """
    folds = folds_of(np.arange(pixels.number) if groups is None else groups)
    if folds.max(initial=0) < 1:
        raise UserError(
            "one image, or one group of images, cannot be cross-validated",
            found=f"{pixels.number} image(s) to fit to",
            expected="two or more, of two groups",
            fix="give more images, or --test-mask",
        )
    of_folds = [fitted(calibrator, pixels.take(folds != fold)) for fold in range(folds.max() + 1)]
    return [of_folds[fold] for fold in folds]


def calibrated(calibrator: Calibrator, probability: np.ndarray) -> np.ndarray:
    """A stored map, (H, W) or (K, H, W), with calibrated probabilities in the same type."""
    if probability.dtype == np.uint8 and probability.size > 256 and not calibrator.of_image:
        return calibrated(calibrator, np.arange(256, dtype=np.uint8)[None])[0][probability]
    f = calibrator.apply(log_odds(probability))
    if probability.ndim > f.ndim:  # two planes, of one logit
        f = np.stack([1 - f, f])
    if probability.dtype.kind != "u":
        return f.astype(probability.dtype)
    top = int(np.iinfo(probability.dtype).max)
    return np.rint(rounded(f, top) * top).astype(probability.dtype)


def rounded(f: np.ndarray, top: int | np.ndarray) -> np.ndarray:
    """Round probabilities to the levels k / top of an integer map.

    Values are rounded alike on both sides of 0.5, halves away from it. So rounding moves no pixel to the other class,
    and a value on a level stays.
    """
    from_middle = (np.floor(np.abs(f - 0.5) * top + 1e-6) + 0.5) / top
    return np.where(f >= 0.5, 0.5 + from_middle, 0.5 - from_middle)


def uncalibrated(pixels: Pixels) -> np.ndarray:
    """The probabilities (N, C) of pixels without a calibrator."""
    return expit(pixels.z) if pixels.z.shape[1] == 1 else np.exp(log_softmax(pixels.z, axis=1))


def nll(f: np.ndarray, pixels: Pixels) -> float:
    """Mean negative log-likelihood in nats of the probabilities f (N, C) of pixels, clamped to [1e-7, 1 - 1e-7]."""
    if f.shape[1] == 1:
        given = np.where(pixels.labels == 1, f[:, 0], 1 - f[:, 0])
    else:
        given = f[np.arange(len(f)), pixels.labels]
    return float(-(pixels.weights @ np.log(given.clip(CLAMP, 1 - CLAMP))) / pixels.weights.sum())


def nll_and_gradient(z: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean NLL of logits z (N, C) with weights that sum to 1, and its gradient with respect to z, (N, C)."""
    if z.shape[1] == 1:
        sign = 1.0 - 2 * labels
        loss = -(weights @ log_expit(-sign * z[:, 0]))
        return loss, (weights * sign * expit(sign * z[:, 0]))[:, None]
    log_f = log_softmax(z, axis=1)
    rows = np.arange(len(z))
    gradient = np.exp(log_f)
    gradient[rows, labels] -= 1
    return -(weights @ log_f[rows, labels]), weights[:, None] * gradient


def minimize_loss(
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]], start: Sequence[float], bounds: Bounds | None = None
) -> np.ndarray:
    """The parameters that minimize `loss`, which returns its value and its gradient (L-BFGS-B)."""
    options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 2000, "maxfun": 20_000}
    return minimize(loss, np.asarray(start, float), jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
