"""Platt scaling (Platt 1999), and for K classes vector scaling of log f (Guo et al., ICML 2017)."""

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


class PlattCalibrator(Calibrator):
    """Scale the logit and add a bias: sigmoid(a z + b), of K classes softmax(a_k log f_k + b_k).

    Both are fitted by maximum likelihood. For K classes log f replaces the logits: the result is a
    function of the probabilities. The bias moves the threshold: the class of a pixel may change.
    Platt's targets, which differ slightly from 0 and 1, are left out because they serve small
    samples.

    Kind: posthoc
    Idea: A scale and a bias for all logits; of K classes for each. The threshold moves.
    Formula: `f = sigmoid(a z + b)`; of K classes `softmax_k(a_k log f_k + b_k)`; of least NLL on
        the validation images
    Changes: probabilities and, by the bias, classes
    Setting: Maximum likelihood. Ours: a pixel stands for a sample; labels are 0 and 1, without
        Platt's correction for small samples; vector scaling of log f, not of the logits.
    Source: Platt, Advances in Large Margin Classifiers 1999; Guo et al., ICML 2017
    """

    name = "platt"
    keeps_class = False

    scale: list[float]
    bias: list[float]

    @classmethod
    def fit(cls, pixels: Pixels) -> Self:
        """Return the calibrator of maximum likelihood over scale and bias.

        The search starts at the identity, all scales 1 and biases 0.
        """
        z = cls.inputs(pixels.z)
        c = z.shape[1]

        def loss(parameters: np.ndarray) -> ValueAndGradient:
            """Return the NLL and its gradient by the c scales and the c biases."""
            value, gradient = nll_and_gradient(z * parameters[:c] + parameters[c:], pixels)
            return value, np.concatenate([(gradient * z).sum(axis=0), gradient.sum(axis=0)])

        solution = minimize_loss(loss, [1.0] * c + [0.0] * c)
        bias = solution[c:]
        if c > 1:
            bias -= bias.mean()  # a constant added to all classes changes nothing
        return cls(scale=solution[:c].tolist(), bias=bias.tolist())

    def probabilities(self, z: np.ndarray, entropy: np.ndarray) -> np.ndarray:
        """Return the calibrated probabilities (N, C) of logits z (N, C); `entropy` is not used."""
        return to_probabilities(self.inputs(z) * np.array(self.scale) + np.array(self.bias))

    @staticmethod
    def inputs(z: np.ndarray) -> np.ndarray:
        """Return the numbers (N, C) that are scaled: one logit z itself, of K classes log f_k.

        The subclass for vector scaling returns the logits of K classes.
        """
        if z.shape[1] == 1:
            return z
        return log_softmax(z, axis=1)
