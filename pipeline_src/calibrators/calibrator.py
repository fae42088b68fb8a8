"""What a calibrator is: its interface, the likelihood that it is fitted by, and the minimisation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import expit, log_expit, log_softmax

from pipeline_src.calibrators.pixels import FEATURES, Pixels, image_features, log_odds
from pipeline_src.counting.levels import CLAMP
from pipeline_src.errors import UserError, few
from pipeline_src.validation import Strict

Coefficient = Annotated[float, Field(ge=-1e9, le=1e9)]  # times a logit, it is a number
VERSION = 1  # of calibrator.json
Bounds = Sequence[tuple[float | None, float | None]]


class Calibrator(Strict):
    """A fitted calibrator; its fields are its parameters.

    Attributes:
        name: that of the file and of the method.
        keeps_class: whether the predicted class of every pixel stays what it was.
        of_image: whether a pixel's probability depends on other pixels of its image; else on its own logits alone.
        classes: for which numbers of classes it is defined: "two", "several" (three or more) or "any".
    """

    name: ClassVar[str]
    keeps_class: ClassVar[bool]
    of_image: ClassVar[bool] = False
    classes: ClassVar[str] = "any"

    @classmethod
    @abstractmethod
    def fit(cls, pixels: Pixels) -> Self:
        """Fitted to pixels, each with its weight. UserError where the pixels are of a wrong number of classes."""

    @abstractmethod
    def probabilities(self, z: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Logits (N, C) and the `FEATURES` of their images (N, 4) or (1, 4) -> probabilities (N, C) float64: of the
        positive class for one logit, else of the K classes."""

    def apply(self, z: np.ndarray) -> np.ndarray:
        """The logits of one whole image, (C, H, W) -> its probabilities float64: (H, W) for one logit, else (K, H,
        W)."""
        features = image_features(z) if self.of_image else np.full(len(FEATURES), np.nan)
        f = self.probabilities(z.reshape(len(z), -1).T.astype(np.float64), features[None]).T
        return f.reshape(z.shape)[0] if len(z) == 1 else f.reshape(z.shape)

    def of_pixels(self, pixels: Pixels) -> np.ndarray:
        """The probabilities (N, C) of pixels."""
        return self.probabilities(pixels.z, pixels.of_images)

    def warnings(self, pixels: Pixels) -> list[str]:
        """Lines on a fit to these pixels that should make one look at the maps and masks again."""
        if self.keeps_class or not pixels.absent:
            return []
        return [
            f"no fitted pixel is of class {few(pixels.absent)}: {self.name} learns not to predict what it has not "
            "seen; fit to masks that have all classes, or take one that keeps the predicted class, such as temperature"
        ]

    @classmethod
    def takes(cls, classes: int) -> bool:
        """Whether it is defined for a number of classes."""
        return cls.classes == "any" or (cls.classes == "two") == (classes == 2)

    @classmethod
    def check_classes(cls, classes: int) -> None:
        """UserError where it is not defined for a number of classes."""
        if not cls.takes(classes):
            raise UserError(
                f"the calibrator {cls.name} is for {cls.classes} classes",
                found=f"{classes} classes",
                do="take another one, such as platt or temperature",
            )


def calibrated(calibrator: Calibrator, probability: np.ndarray) -> np.ndarray:
    """A map as it was stored, (H, W) or (K, H, W), with calibrated probabilities in the same type."""
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
    """Probabilities as an integer map with the highest level `top` holds them, a whole number of levels over `top`.

    They are rounded on both sides of 0.5 alike, halves away from it: rounding moves no pixel to the other class, and
    leaves what is on a level.
    """
    from_middle = (np.floor(np.abs(f - 0.5) * top + 1e-6) + 0.5) / top
    return np.where(f >= 0.5, 0.5 + from_middle, 0.5 - from_middle)


class FittedOn(Strict):
    """What a calibrator was fitted on: number of images and pixels, and the NLL of the pixels in nats."""

    images: int
    pixels: int
    nll_before: float
    nll_after: float


class Record(Strict):
    """A calibrator as it is kept: the content of calibrator.json, and of a post-hoc method's run.json."""

    version: Literal[1]  # VERSION
    calibrator: str
    classes: int
    parameters: dict[str, Any]
    fitted_on: FittedOn

    @classmethod
    def of(cls, calibrator: Calibrator, pixels: Pixels) -> Record:
        """The record of a calibrator and of the pixels that it was fitted to."""
        fitted_on = FittedOn(
            images=pixels.number,
            pixels=round(pixels.weights.sum()),
            nll_before=nll(uncalibrated(pixels), pixels),
            nll_after=nll(calibrator.of_pixels(pixels), pixels),
        )
        parameters = calibrator.model_dump(mode="json")
        return cls(
            version=VERSION,
            calibrator=calibrator.name,
            classes=pixels.classes,
            parameters=parameters,
            fitted_on=fitted_on,
        )


def fitted(calibrator: type[Calibrator], pixels: Pixels, **options: Any) -> Calibrator:
    """`calibrator.fit`, of pixels pooled where their images do not matter to it."""
    return calibrator.fit(pixels if calibrator.of_image else pixels.pooled(), **options)


def uncalibrated(pixels: Pixels) -> np.ndarray:
    """The probabilities (N, C) of pixels as they are."""
    return expit(pixels.z) if pixels.z.shape[1] == 1 else np.exp(log_softmax(pixels.z, axis=1))


def nll(f: np.ndarray, pixels: Pixels) -> float:
    """Mean negative log-likelihood in nats of the probabilities f (N, C) of pixels, clamped to [1e-7, 1 - 1e-7]."""
    if f.shape[1] == 1:
        given = np.where(pixels.labels == 1, f[:, 0], 1 - f[:, 0])
    else:
        given = f[np.arange(len(f)), pixels.labels]
    return float(-(pixels.weights @ np.log(given.clip(CLAMP, 1 - CLAMP))) / pixels.weights.sum())


def nll_and_gradient(z: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean NLL of logits z (N, C) with weights that sum to 1, and its gradient by z, (N, C)."""
    if z.shape[1] == 1:
        sign = 1.0 - 2 * labels
        loss = -(weights @ log_expit(-sign * z[:, 0]))
        return loss, (weights * sign * expit(sign * z[:, 0]))[:, None]
    log_f = log_softmax(z, axis=1)
    rows = np.arange(len(z))
    gradient = np.exp(log_f)
    gradient[rows, labels] -= 1
    return -(weights @ log_f[rows, labels]), weights[:, None] * gradient


def least(
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]], start: Sequence[float], bounds: Bounds | None = None
) -> np.ndarray:
    """The parameters of least loss. `loss` returns its value and its gradient."""
    options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 2000, "maxfun": 20_000}
    return minimize(loss, np.asarray(start, float), jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
