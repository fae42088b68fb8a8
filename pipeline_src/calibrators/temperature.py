"""Temperature scaling (Guo et al., ICML 2017): one number for all logits."""

from __future__ import annotations

import logging
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field
from scipy.optimize import minimize_scalar
from scipy.special import expit, logsumexp, softmax

from pipeline_src.calibrators.calibrator import Calibrator
from pipeline_src.calibrators.pixels import Pixels

log = logging.getLogger(__name__)

BOUNDS = (1e-2, 1e2)
Temperature = Annotated[float, Field(ge=1e-3, le=1e3)]  # of a file, which can be written by hand


class TemperatureCalibrator(Calibrator):
    """softmax(z / T), sigmoid for one logit, where T minimises the NLL. The class of a pixel stays what it was, but for
    logits so near 0 (within 6e-8 T) that a float32 probability rounds to 0.5."""

    name: ClassVar[str] = "temperature"
    keeps_class: ClassVar[bool] = True

    temperature: Temperature

    @classmethod
    def fit(cls, pixels: Pixels) -> Self:
        temperature = minimised(pixels.z, pixels.labels, pixels.weights)
        if not 1.001 * BOUNDS[0] < temperature < BOUNDS[1] / 1.001:
            log.warning("the temperature %g lies at a bound: the validation pixels don't determine it", temperature)
        return cls(temperature=temperature)

    def probabilities(self, z: np.ndarray, features: np.ndarray) -> np.ndarray:
        return expit(z / self.temperature) if z.shape[1] == 1 else softmax(z / self.temperature, axis=1)


def nll_at(z: np.ndarray, labels: np.ndarray, weights: np.ndarray, temperature: float) -> float:
    """Mean negative log-likelihood in nats of logits (N, C) at a temperature, with weights (N,); sigmoid for C = 1,
    softmax above. Not clamped, since logits can't be infinitely sure."""
    z = z / temperature
    if z.shape[1] == 1:
        of_pixel = np.logaddexp(0, (1 - 2 * labels) * z[:, 0])
    else:
        of_pixel = logsumexp(z, axis=1) - z[np.arange(len(z)), labels]
    return float(weights @ of_pixel / weights.sum())


def minimised(z: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """The temperature in `BOUNDS` of least NLL. NLL is convex in 1/T, so there is one minimum."""
    result = minimize_scalar(
        lambda log_t: nll_at(z, labels, weights, np.exp(log_t)),
        bounds=np.log(BOUNDS),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(result.x))
