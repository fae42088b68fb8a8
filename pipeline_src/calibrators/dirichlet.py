"""Dirichlet calibration (Kull et al., NeurIPS 2019)."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from scipy.special import log_softmax, softmax

from pipeline_src.calibrators.calibrator import Calibrator, minimize_loss, nll_and_gradient
from pipeline_src.calibrators.pixels import Pixels

PENALTY = 1e-3


class DirichletCalibrator(Calibrator):
    """Apply a linear layer to the log-probabilities of three classes or more: softmax(W log f + b).

    It is fitted by maximum likelihood with the authors' ODIR penalty: 1e-3 times the mean square of the off-diagonal
    elements of W, and 1e-3 times the mean square of b. The class of a pixel may change. For two classes use beta
    calibration, which is the same family.

    Kind: posthoc
    Idea: Every class's log-probability has a say in every class's; for three classes or more.
    Formula: `f' = softmax(W log f + b)` of least NLL on the validation images, plus 1e-3 times the mean squares of `W`
        off the diagonal and of `b`
    Changes: probabilities and classes
    Cost: none; the fit is one pass over the validation images
    Setting: The authors' ODIR penalty. Ours: its strength is 1e-3 for both parts, where they choose both on held-out
        data, in their programs among 0 and 1e-7 to 1e3, for deep networks 1e-5 (100 classes: 1e-2) to 1e6; a pixel
        stands for a sample. Their package subtracts the last class's row of `W` and `b` by default (`ref_row`), so that
        it penalises others: on drawn samples of four classes probabilities differ by up to 0.006.
    Source: Kull et al., NeurIPS 2019
    """

    name: ClassVar[str] = "dirichlet"
    keeps_class: ClassVar[bool] = False
    classes: ClassVar[str] = "several"

    matrix: list[list[float]]
    bias: list[float]

    @classmethod
    def fit(cls, pixels: Pixels) -> Self:
        """Minimize NLL plus penalty over W and b."""
        log_f, weights, k = log_softmax(pixels.z, axis=1), pixels.weights / pixels.weights.sum(), pixels.classes
        off = 1 - np.eye(k)

        def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            matrix, bias = parameters[:-k].reshape(k, k), parameters[-k:]
            value, gradient = nll_and_gradient(log_f @ matrix.T + bias, pixels.labels, weights)
            value += PENALTY * ((off * matrix**2).sum() / (k * (k - 1)) + (bias**2).mean())
            by_matrix = gradient.T @ log_f + 2 * PENALTY * off * matrix / (k * (k - 1))
            return value, np.append(by_matrix, gradient.sum(axis=0) + 2 * PENALTY * bias / k)

        solution = minimize_loss(loss, np.append(np.eye(k), np.zeros(k)).tolist())
        return cls(matrix=solution[:-k].reshape(k, k).tolist(), bias=solution[-k:].tolist())

    def probabilities(self, z: np.ndarray, entropy: np.ndarray) -> np.ndarray:
        """See `Calibrator`."""
        return softmax(log_softmax(z, axis=1) @ np.array(self.matrix).T + np.array(self.bias), axis=1)
