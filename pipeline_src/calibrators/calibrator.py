"""The interface of a calibrator, the likelihood that it is fitted by, and its file."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import expit, log_expit, log_softmax

from pipeline_src.calibrators.pixels import (
    Pixels,
    logit_blocks,
    map_entropy,
    mean_entropy,
    to_probabilities,
)
from pipeline_src.counting.levels import CLAMP
from pipeline_src.errors import UserError
from pipeline_src.files import hash_of
from pipeline_src.validation import Strict

Bounds = Sequence[tuple[float | None, float | None]]
ValueAndGradient = tuple[float, np.ndarray]
Loss = Callable[[np.ndarray], ValueAndGradient]  # a function of the parameters of a calibrator


class Calibrator(Strict):
    """A fitted post-hoc calibrator; its fields are its parameters.

    Attributes:
        name: its name in the registry, which is also its name as a post-hoc method.
        keeps_class: whether the predicted class of every pixel stays the same.
        per_image: whether a pixel's probability depends on other pixels of its image; else on its
            own logits only.
        two_classes: whether it is defined for two classes only.
    """

    name: ClassVar[str]
    keeps_class: ClassVar[bool]
    per_image: ClassVar[bool] = False
    two_classes: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def fit(cls, pixels: Pixels) -> Self:
        """Return the calibrator that is fitted to weighted pixels with logits and labels."""

    @abstractmethod
    def probabilities(self, z: np.ndarray, entropy: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities (N, C) float64.

        Args:
            z: (N, C) logits; C = 1 for two classes, K for K classes.
            entropy: (N,) or (1,), the mean entropy of the pixels' images; NaN unless `per_image`.

        Returns:
            The probability of the positive class for one logit, else of the K classes.
        """

    def apply(self, z: np.ndarray, entropy: float | None = None) -> np.ndarray:
        """Return the calibrated probabilities of one image, float64.

        `probabilities` does the same for columns of pixels.

        Args:
            z: (1, H, W) or (K, H, W) logits, of a whole image or of some of its pixels.
            entropy: mean entropy of the whole image; None where `z` has all of its pixels.

        Returns:
            (H, W) of one logit, else (K, H, W).
        """
        if entropy is None:
            entropy = mean_entropy(z) if self.per_image else np.nan
        columns = z.reshape(len(z), -1).T.astype(np.float64)
        f = self.probabilities(columns, np.array([entropy])).T.reshape(z.shape)
        return f[0] if len(z) == 1 else f

    def of_pixels(self, pixels: Pixels) -> np.ndarray:
        """Return the calibrated probabilities (N, C) of the pixels of several images."""
        return self.probabilities(pixels.z, pixels.entropy[pixels.images])


# The fit


def fitted(calibrator: type[Calibrator], pixels: Pixels) -> Calibrator:
    """Return a calibrator that is fitted to pixels, pooled over images unless it is `per_image`.

    Pixels with nearly equal logits are merged first, which makes the fit fast.

    Raises:
        UserError: the calibrator is not defined for their number of classes.
    """
    if calibrator.two_classes and pixels.classes > 2:
        raise UserError(
            f"the calibrator {calibrator.name} is for two classes",
            found=f"{pixels.classes} classes",
            fix="use another one, such as temperature or platt",
        )
    return calibrator.fit(pixels.grouped() if calibrator.per_image else pixels.pooled())


def minimize_loss(loss: Loss, start: Sequence[float], bounds: Bounds | None = None) -> np.ndarray:
    """Return the parameters that minimize `loss`, found by L-BFGS-B to high precision.

    Args:
        loss: returns the value and the gradient at some parameters.
        start: parameters at which the search begins.
        bounds: lowest and highest value of each parameter, None for no bound.
    """
    result = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 2000, "maxfun": 20_000},
    )
    return result.x


def nll_and_gradient(z: np.ndarray, pixels: Pixels) -> ValueAndGradient:
    """Return the weighted mean NLL of pixels with logits z (N, C), and its gradient by z, (N, C).

    The labels and weights are those of `pixels`; `z` are their logits after a calibrator.
    """
    labels = pixels.labels
    weights = pixels.shares
    if z.shape[1] == 1:
        sign = 1.0 - 2 * labels  # 1 for background, -1 for foreground
        loss = -(weights @ log_expit(-sign * z[:, 0]))
        return loss, (weights * sign * expit(sign * z[:, 0]))[:, None]
    log_f = log_softmax(z, axis=1)
    rows = np.arange(len(z))
    gradient = np.exp(log_f)
    gradient[rows, labels] -= 1
    return -(weights @ log_f[rows, labels]), weights[:, None] * gradient


def nll(f: np.ndarray, pixels: Pixels) -> float:
    """Return the weighted mean NLL in nats of probabilities f (N, C) of `pixels`.

    Probabilities are clamped to [1e-7, 1 - 1e-7], because some calibrators give 0 and 1.
    """
    if f.shape[1] == 1:
        f = np.column_stack([1 - f, f])
    of_label = f[np.arange(len(f)), pixels.labels]
    log_f = np.log(of_label.clip(CLAMP, 1 - CLAMP))
    return float(-(pixels.weights @ log_f) / pixels.weights.sum())


# Saved maps


def calibrated(
    calibrator: Calibrator, probability: np.ndarray, logits: np.ndarray | None = None
) -> np.ndarray:
    """Return a saved map with calibrated probabilities, in the same shape and type.

    Args:
        probability: (H, W) or (K, H, W), float in [0, 1] or unsigned integers.
        logits: the logits of the map, where these were stored: they are more precise.
    """
    entropy = map_entropy(probability, logits) if calibrator.per_image else np.nan
    result = np.empty(probability.shape, probability.dtype)
    # The same memory as (1, H W) or (K, 1, H W): blocks of pixels are written into it.
    planes = result.reshape(*result.shape[:-2], 1, -1)
    for place, z in logit_blocks(probability, logits):
        f = calibrator.apply(z, entropy)
        if planes.ndim > f.ndim:  # a map of two planes, which one logit describes
            f = np.stack([1 - f, f])
        planes[..., place] = f if probability.dtype.kind == "f" else _levels(f, probability.dtype)
    return result


def _levels(f: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return probabilities as levels 0 to 255 or 65535 of an unsigned integer type.

    A value in the middle between two levels is rounded away from 0.5. So no pixel moves to the
    other class, and a value that is a level stays.
    """
    top = int(np.iinfo(dtype).max)
    # 0.5 lies between two levels, so levels are 0.5, 1.5, 2.5... steps away from it. Without the
    # 1e-6, rounding errors could move a value that is a level one step down.
    from_middle = (np.floor(np.abs(f - 0.5) * top + 1e-6) + 0.5) / top
    return np.rint(np.where(f >= 0.5, 0.5 + from_middle, 0.5 - from_middle) * top)


# The file


class FittedOn(Strict):
    """The data that a calibrator was fitted to.

    Attributes:
        images, pixels: numbers of images and pixels.
        nll_before, nll_after: mean NLL of the pixels in nats, without and with the calibrator.
    """

    images: int
    pixels: int
    nll_before: float
    nll_after: float


class Record(Strict):
    """A stored calibrator: the content of calibrator.json, and of a post-hoc method's run.json.

    Attributes:
        calibrator: its name in the registry.
        classes: number of classes of the predictions that it was fitted to.
        parameters: the fields of the calibrator.
        digest: a digest of the other fields, in calibrator.json only; empty elsewhere.
    """

    version: Literal[1] = 1
    calibrator: str
    classes: int
    parameters: dict[str, Any]
    fitted_on: FittedOn
    digest: str = Field("", exclude=True)

    @classmethod
    def of(cls, calibrator: Calibrator, pixels: Pixels) -> Self:
        """Return the record of a calibrator that was fitted to these pixels."""
        fitted_on = FittedOn(
            images=pixels.number,
            pixels=round(pixels.weights.sum()),
            nll_before=nll(to_probabilities(pixels.z), pixels),
            nll_after=nll(calibrator.of_pixels(pixels), pixels),
        )
        return cls(
            calibrator=calibrator.name,
            classes=pixels.classes,
            parameters=calibrator.model_dump(mode="json"),
            fitted_on=fitted_on,
        )

    def file_text(self) -> str:
        """Return the text of calibrator.json, with a digest that reveals altered values."""
        content = self.model_dump(mode="json")
        return json.dumps(content | {"digest": hash_of(**content)}, indent=2) + "\n"
