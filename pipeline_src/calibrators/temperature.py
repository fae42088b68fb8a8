"""Temperature scaling (Guo et al., On Calibration of Modern Neural Networks, ICML 2017): one number for all logits."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field
from scipy.optimize import minimize_scalar
from scipy.special import expit, logsumexp, softmax

from pipeline_src.calibrators.calibrator import Calibrator
from pipeline_src.calibrators.pixels import Pixels

BOUNDS = (1e-2, 1e2)  # of a fitted temperature
NEAR = 1.001  # a temperature within this factor of a bound is at the bound
Temperature = Annotated[float, Field(ge=1e-3, le=1e3)]  # of a file


class TemperatureCalibrator(Calibrator):
    """Divide all logits by one temperature T > 0: softmax(z / T), for one logit sigmoid(z / T).

    T minimizes the NLL of the valid validation pixels. T > 1 makes an overconfident network less confident. The
    predicted class of every pixel stays, except for logits so near 0 (within 6e-8 T) that a float32 probability rounds
    to 0.5.

    Kind: posthoc
    Idea: One number, fitted on the validation images, divides all logits.
    Formula: `f = sigmoid(z / T)`, `T` of least NLL on the validation images
    Changes: probabilities
    Cost: none; the fit is one pass over the validation images
    Setting: The authors' criterion, NLL on the validation set. Ours: a pixel stands for a sample.
    Source: Guo et al., ICML 2017
    """

    name: ClassVar[str] = "temperature"
    keeps_class: ClassVar[bool] = True

    temperature: Temperature

    @classmethod
    def fit(cls, pixels: Pixels) -> Self:
        """Minimize the NLL over T in `BOUNDS`."""
        return cls(temperature=fit_temperature(pixels.z, pixels.labels, pixels.weights))

    def warnings(self, pixels: Pixels) -> list[str]:
        """A line where T lies at a bound."""
        return at_bound(np.array([self.temperature]))

    def probabilities(self, z: np.ndarray, entropy: np.ndarray) -> np.ndarray:
        """See `Calibrator`."""
        return expit(z / self.temperature) if z.shape[1] == 1 else softmax(z / self.temperature, axis=1)


def nll_at(z: np.ndarray, labels: np.ndarray, weights: np.ndarray, temperature: float) -> float:
    """Mean negative log-likelihood in nats of logits (N, C) divided by a temperature, with weights (N,): of the sigmoid
    for C = 1, of the softmax above. It is not clamped, because logits are finite."""
    z = z / temperature
    if z.shape[1] == 1:
        losses = np.logaddexp(0, (1 - 2 * labels) * z[:, 0])
    else:
        losses = logsumexp(z, axis=1) - z[np.arange(len(z)), labels]
    return float(weights @ losses / weights.sum())


def fit_temperature(z: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """The temperature in `BOUNDS` of least NLL. The NLL is convex in 1 / T, so there is one minimum."""
    result = minimize_scalar(
        lambda log_t: nll_at(z, labels, weights, np.exp(log_t)),
        bounds=np.log(BOUNDS),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(result.x))


def at_bound(temperatures: np.ndarray) -> list[str]:
    """A line where some of the temperatures (N,) lie at a bound."""
    number = int(((temperatures < BOUNDS[0] * NEAR) | (temperatures > BOUNDS[1] / NEAR)).sum())
    return [f"{number} fitted temperature(s) lie at a bound: the pixels do not determine them"] * (number > 0)
