"""Platt scaling (Platt 1999), and vector scaling for K classes (Guo et al., ICML 2017)."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from scipy.special import expit, log_softmax, softmax

from pipeline_src.calibrators.calibrator import Calibrator, Coefficient, least, nll_and_gradient
from pipeline_src.calibrators.pixels import Pixels


class PlattCalibrator(Calibrator):
    """sigmoid(a z + b): a scale and a bias, by maximum likelihood. Of K classes softmax(a_k log f_k + b_k), of log f
    and not of the logits themselves, so that it is a function of the probabilities.

    The bias moves the threshold: the class of a pixel may change. Platt's own targets, which are not quite 0 and 1, are
    left out: they serve small samples.
    """

    name: ClassVar[str] = "platt"
    keeps_class: ClassVar[bool] = False

    scale: list[Coefficient]
    bias: list[Coefficient]

    @classmethod
    def fit(cls, pixels: Pixels) -> Self:
        z, weights = _logits(pixels.z), pixels.weights / pixels.weights.sum()
        c = z.shape[1]

        def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = nll_and_gradient(z * parameters[:c] + parameters[c:], pixels.labels, weights)
            return value, np.concatenate([(gradient * z).sum(axis=0), gradient.sum(axis=0)])

        fitted = least(loss, [1.0] * c + [0.0] * c)
        bias = fitted[c:] - (fitted[c:].mean() if c > 1 else 0)  # a constant added to all classes changes nothing
        return cls(scale=fitted[:c].tolist(), bias=bias.tolist())

    def warnings(self, pixels: Pixels) -> list[str]:
        """Also a line where the predictions rank pixels the wrong way round."""
        lines = super().warnings(pixels)
        falling = [k for k, scale in enumerate(self.scale) if scale < 0]
        if not falling:
            return lines
        of = f" for class {', '.join(map(str, falling))}" if len(self.scale) > 1 else ""
        return [
            *lines,
            f"the fitted slope is negative{of} ({', '.join(f'{self.scale[k]:.3g}' for k in falling)}): the maps rank "
            "pixels the wrong way round; are maps or masks inverted?",
        ]

    def probabilities(self, z: np.ndarray, features: np.ndarray) -> np.ndarray:
        z = _logits(z) * np.array(self.scale) + np.array(self.bias)
        return expit(z) if z.shape[1] == 1 else softmax(z, axis=1)


def _logits(z: np.ndarray) -> np.ndarray:
    return z if z.shape[1] == 1 else log_softmax(z, axis=1)
