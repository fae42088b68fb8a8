"""Isotonic regression (Zadrozny and Elkan, KDD 2002)."""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import expit

from pipeline_src.calibrators.calibrator import Calibrator
from pipeline_src.calibrators.pixels import Pixels
from pipeline_src.validation import Fraction


class IsotonicCalibrator(Calibrator):
    """Replace probabilities by the rising function of them with the least Brier score.

    It has the values `value` at the probabilities `f`, is linear between them and constant beyond.
    It may give 0 and 1, and it may move the threshold: the class of a pixel may change.

    Kind: posthoc
    Idea: The best rising function of the probability.
    Formula: `f' = m(f)`, `m` rising, of least squared error on the validation images
    Changes: probabilities and, near the threshold, classes
    Setting: No parameters. Ours: a pixel stands for a sample.
    Source: Zadrozny and Elkan, KDD 2002
    """

    name = "isotonic"
    keeps_class = False
    two_classes = True

    f: list[Fraction]
    value: list[Fraction]

    @classmethod
    def fit(cls, pixels: Pixels) -> Self:
        """Return the calibrator with the rising function that has the least squared error.

        It pools adjacent violators of the share of foreground at each distinct probability.
        """
        f, inverse = np.unique(expit(pixels.z[:, 0]), return_inverse=True)
        count = np.bincount(inverse, pixels.weights)
        share = np.bincount(inverse, pixels.weights * pixels.labels) / count
        value = isotonic_regression(share, weights=count).x.clip(0, 1)
        # Of neighbors with equal values only the first and the last are stored. Values are in
        # [0, 1]: with -1 before them and 2 after them, the first and the last of all are stored.
        knot = (np.diff(value, prepend=-1) != 0) | (np.diff(value, append=2) != 0)
        return cls(f=f[knot].tolist(), value=value[knot].tolist())

    def probabilities(self, z: np.ndarray, entropy: np.ndarray) -> np.ndarray:
        """Return the calibrated probabilities (N, 1) of logits z (N, 1); `entropy` is not used."""
        return np.interp(expit(z), self.f, self.value)
