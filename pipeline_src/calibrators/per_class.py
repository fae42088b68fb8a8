"""Calibrators of one probability, class by class for K classes."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self

import numpy as np
from scipy.special import log_softmax

from pipeline_src.calibrators.calibrator import Calibrator
from pipeline_src.calibrators.pixels import Pixels


class Curve(Protocol):
    """A function of one probability, given by its logit."""

    @classmethod
    def fit(cls, z: np.ndarray, hits: np.ndarray, weights: np.ndarray) -> Self:
        """Fitted to logits z (N,), whether each is a hit (N,) bool, and weights (N,)."""

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """Logits (N,) -> probabilities (N,)."""


TINY = 1e-12


class PerClass(Calibrator):
    """One curve for one logit. Of K classes one for each against the rest, and their values over their sum (Zadrozny
    and Elkan, KDD 2002)."""

    curve: ClassVar[type[Curve]]

    curves: list[Any]

    @classmethod
    def fit(cls, pixels: Pixels) -> Self:
        z = _one_against_rest(pixels.z)
        classes = [1] if z.shape[1] == 1 else range(z.shape[1])
        fitted = [
            cls.curve.fit(column, pixels.labels == k, pixels.weights) for k, column in zip(classes, z.T, strict=True)
        ]
        return cls(curves=fitted)

    def probabilities(self, z: np.ndarray, features: np.ndarray) -> np.ndarray:
        z = _one_against_rest(z)
        f = np.stack([curve(column) for curve, column in zip(self.curves, z.T, strict=True)], axis=1)
        if f.shape[1] == 1:
            return f
        f = f.clip(TINY, None)  # where no class has any, all have the same
        return f / f.sum(axis=1, keepdims=True)


def _one_against_rest(z: np.ndarray) -> np.ndarray:
    """The log-odds of each class, (N, C); of one logit itself."""
    if z.shape[1] == 1:
        return z
    log_f = log_softmax(z, axis=1)
    return log_f - np.log(-np.expm1(np.minimum(log_f, -TINY)))
