"""Dirichlet calibration (Kull et al., NeurIPS 2019)."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from scipy.special import log_softmax, softmax

from pipeline_src.calibrators.calibrator import Calibrator, least, nll_and_gradient
from pipeline_src.calibrators.pixels import Pixels

PENALTY = 1e-3


class DirichletCalibrator(Calibrator):
    """softmax(W log f + b) for three classes or more, by maximum likelihood with the authors' ODIR penalty: 1e-3 times
    the mean square of W's elements off the diagonal, and 1e-3 times that of b.

    The authors choose both strengths on held-out data, in their programs among 0 and 1e-7 to 1e3, for deep networks
    1e-5 (100 classes: 1e-2) to 1e6; a set of images has millions of pixels. Their package penalises W and b less their
    last class's row (`ref_row`). The class of a pixel may change. For two classes it is beta calibration.
    """

    name: ClassVar[str] = "dirichlet"
    keeps_class: ClassVar[bool] = False
    classes: ClassVar[str] = "several"

    matrix: list[list[float]]
    bias: list[float]

    @classmethod
    def fit(cls, pixels: Pixels) -> Self:
        cls.check_classes(pixels.classes)
        log_f, weights, k = log_softmax(pixels.z, axis=1), pixels.weights / pixels.weights.sum(), pixels.classes
        off = 1 - np.eye(k)

        def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            matrix, bias = parameters[:-k].reshape(k, k), parameters[-k:]
            value, gradient = nll_and_gradient(log_f @ matrix.T + bias, pixels.labels, weights)
            value += PENALTY * ((off * matrix**2).sum() / (k * (k - 1)) + (bias**2).mean())
            by_matrix = gradient.T @ log_f + 2 * PENALTY * off * matrix / (k * (k - 1))
            return value, np.append(by_matrix, gradient.sum(axis=0) + 2 * PENALTY * bias / k)

        fitted = least(loss, np.append(np.eye(k), np.zeros(k)).tolist())
        return cls(matrix=fitted[:-k].reshape(k, k).tolist(), bias=fitted[-k:].tolist())

    def probabilities(self, z: np.ndarray, features: np.ndarray) -> np.ndarray:
        return softmax(log_softmax(z, axis=1) @ np.array(self.matrix).T + np.array(self.bias), axis=1)
