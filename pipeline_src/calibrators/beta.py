"""Beta calibration (Kull, Silva Filho, Flach, AISTATS 2017)."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from pydantic import Field
from scipy.special import expit, log_expit

from pipeline_src.calibrators.calibrator import Coefficient, least, nll_and_gradient
from pipeline_src.calibrators.per_class import PerClass
from pipeline_src.validation import Strict


class BetaCurve(Strict):
    """sigmoid(a log f - b log(1 - f) + c) with a, b >= 0; a = b = 1 and c = 0 is the identity."""

    a: Coefficient = Field(ge=0)
    b: Coefficient = Field(ge=0)
    c: Coefficient

    @classmethod
    def fit(cls, z: np.ndarray, hits: np.ndarray, weights: np.ndarray) -> Self:
        terms = np.stack([log_expit(z), -log_expit(-z), np.ones_like(z)], axis=1)
        labels, weights = hits.astype(np.int64), weights / weights.sum()

        def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = nll_and_gradient((terms @ parameters)[:, None], labels, weights)
            return value, gradient[:, 0] @ terms

        a, b, c = least(loss, [1.0, 1.0, 0.0], [(0, None), (0, None), (None, None)])
        return cls(a=a, b=b, c=c)

    def __call__(self, z: np.ndarray) -> np.ndarray:
        return expit(self.a * log_expit(z) - self.b * log_expit(-z) + self.c)


class BetaCalibrator(PerClass):
    """The three-parameter map of Kull et al., by maximum likelihood under a, b >= 0, so that it never falls. It moves
    the threshold: the class of a pixel may change. Contains Platt scaling (a = b) and the identity."""

    name: ClassVar[str] = "beta"
    keeps_class: ClassVar[bool] = False
    curve: ClassVar[type[BetaCurve]] = BetaCurve

    curves: list[BetaCurve]
