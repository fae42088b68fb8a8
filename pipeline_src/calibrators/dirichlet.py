"""Dirichlet calibration with ODIR (Kull et al., Beyond temperature scaling, NeurIPS 2019)."""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy.special import log_softmax

from pipeline_src.calibrators.calibrator import (
    Calibrator,
    ValueAndGradient,
    minimize_loss,
    nll_and_gradient,
)
from pipeline_src.calibrators.pixels import Pixels, to_probabilities

STRENGTH = 1.0  # lambda and mu, the weights of both regularizers of ODIR


class DirichletCalibrator(Calibrator):
    """Map log probabilities linearly: softmax(W log f + b), with a matrix W (K, K).

    Off-diagonal and intercept regularization (ODIR) keeps the elements of W off the diagonal, and
    b, small. For one logit the two classes are background and foreground, and the map is that of
    beta calibration without its bounds. The class of a pixel may change.

    Kind: posthoc
    Idea: The log probability of each class may depend on those of all classes.
    Formula: `softmax(W log f + b)` of least NLL + `lambda mean_ij W_ij^2 + mu mean_j b_j^2` on the
        validation images, i != j
    Changes: probabilities and classes
    Setting: The authors' map and regularization. Ours: `lambda = mu = 1`, where they search both by
        cross-validation; a pixel stands for a sample.
    Source: Kull et al., NeurIPS 2019
    """

    name = "dirichlet"
    keeps_class = False

    weights: list[list[float]]  # (K, K + 1): W, and b in the last column

    @classmethod
    def fit(cls, pixels: Pixels) -> Self:
        """Return the calibrator that minimizes the regularized NLL over W and b.

        The search starts at the identity.
        """
        k = pixels.classes
        terms = log_probabilities(pixels.z)  # (N, K + 1), the last column is 1
        identity = np.eye(k, k + 1)  # W, and b in the last column
        # The weight of each squared element, (K, K + 1): means off the diagonal of W and over b, 0
        # on the diagonal.
        strength = STRENGTH * (1 - identity) / (k * (k - 1))
        strength[:, k] = STRENGTH / k

        def loss(parameters: np.ndarray) -> ValueAndGradient:
            """Return the regularized NLL and its gradient at flattened weights, (K (K + 1),)."""
            weights = parameters.reshape(k, k + 1)
            value, gradient = nll_and_gradient(terms @ weights.T, pixels)
            slope = gradient.T @ terms + 2 * strength * weights
            return value + (strength * weights**2).sum(), slope.ravel()

        solution = minimize_loss(loss, identity.ravel().tolist())
        return cls(weights=solution.reshape(k, k + 1).tolist())

    def probabilities(self, z: np.ndarray, entropy: np.ndarray) -> np.ndarray:
        """Return the calibrated probabilities (N, C) of logits z (N, C); `entropy` is not used."""
        mapped = log_probabilities(z) @ np.array(self.weights).T
        if z.shape[1] == 1:  # one logit is the difference of those of the two classes
            mapped = np.diff(mapped, axis=1)
        return to_probabilities(mapped)


def log_probabilities(z: np.ndarray) -> np.ndarray:
    """Return log f_k of logits z (N, C) and a column of ones, (N, K + 1); K = 2 for one logit.

    The ones are for the intercept b of a linear map.
    """
    if z.shape[1] == 1:
        z = np.pad(z, ((0, 0), (1, 0)))  # a logit of 0 for the background
    return np.pad(log_softmax(z, axis=1), ((0, 0), (0, 1)), constant_values=1.0)
