"""Temperature scaling (Guo et al., ICML 2017): one number for all logits."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field
from scipy.optimize import minimize_scalar
from scipy.special import expit, logsumexp, softmax

from pipeline_src.calibrators.calibrator import Calibrator
from pipeline_src.calibrators.pixels import Pixels

BOUNDS = (1e-2, 1e2)
NEAR = 1.001  # times a bound is at it
FLAT = 1e-9  # as a share of the NLL
Temperature = Annotated[float, Field(ge=1e-3, le=1e3)]  # of a file, which can be written by hand


class TemperatureCalibrator(Calibrator):
    """softmax(z / T), sigmoid for one logit, where T minimises the NLL. The class of a pixel stays what it was, but for
    logits so near 0 (within 6e-8 T) that a float32 probability rounds to 0.5."""

    name: ClassVar[str] = "temperature"
    keeps_class: ClassVar[bool] = True

    temperature: Temperature

    @classmethod
    def fit(cls, pixels: Pixels) -> Self:
        return cls(temperature=minimised(pixels.z, pixels.labels, pixels.weights))

    def warnings(self, pixels: Pixels) -> list[str]:
        return undetermined(pixels.z, pixels.labels, pixels.weights, self.temperature)

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


def undetermined(z: np.ndarray, labels: np.ndarray, weights: np.ndarray, temperature: float) -> list[str]:
    """A line where a temperature at a bound has no larger NLL than the fitted one: the minimum lies there, or the NLL
    is flat up to it, as that of hard maps without errors is, which underflows."""
    most = nll_at(z, labels, weights, temperature) * (1 + FLAT)
    at = [bound for bound in BOUNDS if nll_at(z, labels, weights, bound) <= most]
    if not at:
        return []
    near = any(bound / NEAR < temperature < bound * NEAR for bound in at)
    flat = " and ".join(f"{bound:g}" for bound in at)
    where = "lies at a bound" if near else f"is one of many: the loss is flat up to {flat}"
    return [f"the temperature {temperature:.4g} {where}; the pixels do not determine it"]
