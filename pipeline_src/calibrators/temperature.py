"""Temperature scaling (Guo et al., ICML 2017): one number for all logits."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field
from scipy.optimize import minimize_scalar

from pipeline_src.calibrators.calibrator import Calibrator, nll_and_gradient
from pipeline_src.calibrators.pixels import Pixels, to_probabilities

BOUNDS = (1e-2, 1e2)  # of a fitted temperature


class TemperatureCalibrator(Calibrator):
    """Divide all logits by one temperature T > 0: softmax(z / T), for one logit sigmoid(z / T).

    T minimizes the NLL of the valid validation pixels. T > 1 makes an overconfident network less
    confident. The predicted class of every pixel stays, except for logits so near 0 (within 6e-8 T)
    that a float32 probability rounds to 0.5.

    Kind: posthoc
    Idea: One number, fitted on the validation images, divides all logits.
    Formula: `f = sigmoid(z / T)`, `T` of least NLL on the validation images
    Changes: probabilities
    Setting: The authors' criterion, NLL on the validation set. Ours: a pixel stands for a sample.
    Source: Guo et al., ICML 2017
    """

    name = "temperature"
    keeps_class = True

    temperature: float = Field(gt=0)

    @classmethod
    def fit(cls, pixels: Pixels) -> Self:
        """Return the calibrator whose temperature T, within `BOUNDS`, has the least NLL."""

        def loss(log_t: float) -> float:
            """Return the NLL at the temperature exp(log_t)."""
            return nll_and_gradient(pixels.z / np.exp(log_t), pixels)[0]

        # The NLL is convex in 1 / T, so there is one minimum.
        bounds = np.log(BOUNDS)
        result = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
        return cls(temperature=float(np.exp(result.x)))

    def probabilities(self, z: np.ndarray, entropy: np.ndarray) -> np.ndarray:
        """Return the calibrated probabilities (N, C) of logits z (N, C); `entropy` is not used."""
        return to_probabilities(z / self.temperature)
