"""Beta calibration (Kull, Silva Filho, Flach, AISTATS 2017)."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field
from scipy.special import expit, log_expit

from pipeline_src.calibrators.calibrator import (
    Calibrator,
    ValueAndGradient,
    minimize_loss,
    nll_and_gradient,
)
from pipeline_src.calibrators.pixels import Pixels


class BetaCalibrator(Calibrator):
    """Give probabilities near 0 and near 1 a slope each: the three-parameter map of Kull et al.

    It is fitted by maximum likelihood under a, b >= 0, so it never falls. It contains Platt scaling
    of slopes that are not negative (a = b) and the identity. It moves the threshold: the class of a
    pixel may change.

    Kind: posthoc
    Idea: The two ends of the scale have a slope each. The threshold moves.
    Formula: `f' = sigmoid(a log f - b log(1 - f) + c)`, `a, b >= 0`, of least NLL on the validation
        images
    Changes: probabilities and, by the bias, classes
    Setting: Maximum likelihood, as the authors'. Ours: a pixel stands for a sample.
    Source: Kull, Silva Filho, Flach, AISTATS 2017
    """

    name = "beta"
    keeps_class = False
    two_classes = True

    a: float = Field(ge=0)
    b: float = Field(ge=0)
    c: float

    @classmethod
    def fit(cls, pixels: Pixels) -> Self:
        """Return the calibrator of maximum likelihood over a, b >= 0 and c.

        The search starts at a = b = 1 and c = 0, the identity.
        """
        z = pixels.z[:, 0]
        # The logit of the result is linear in a, b and c: log f, -log(1 - f) and 1 per pixel.
        terms = np.stack([log_expit(z), -log_expit(-z), np.ones_like(z)], axis=1)

        def loss(parameters: np.ndarray) -> ValueAndGradient:
            """Return the NLL and its gradient by (a, b, c)."""
            value, gradient = nll_and_gradient((terms @ parameters)[:, None], pixels)
            return value, gradient[:, 0] @ terms

        a, b, c = minimize_loss(loss, [1.0, 1.0, 0.0], [(0, None), (0, None), (None, None)])
        return cls(a=a, b=b, c=c)

    def probabilities(self, z: np.ndarray, entropy: np.ndarray) -> np.ndarray:
        """Return the calibrated probabilities (N, 1) of logits z (N, 1); `entropy` is not used."""
        return expit(self.a * log_expit(z) - self.b * log_expit(-z) + self.c)
