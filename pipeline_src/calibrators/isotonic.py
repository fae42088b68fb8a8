"""Isotonic regression (Zadrozny and Elkan, KDD 2002)."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import expit

from pipeline_src.calibrators.calibrator import PerClass
from pipeline_src.validation import Fraction, Strict


class MonotoneCurve(Strict):
    """The rising function of f of least squared error: linear between the knots `f`, constant beyond them."""

    f: list[Fraction]
    value: list[Fraction]

    @classmethod
    def fit(cls, z: np.ndarray, hits: np.ndarray, weights: np.ndarray) -> Self:
        """Pool adjacent violators of the weighted share of hits."""
        f, inverse = np.unique(expit(z), return_inverse=True)
        count, hit = np.bincount(inverse, weights), np.bincount(inverse, weights * hits)
        value = isotonic_regression(hit / count, weights=count).x.clip(0, 1)
        # In a run of equal values the two ends suffice.
        knot = (np.diff(value, prepend=-1) != 0) | (np.diff(value, append=2) != 0)
        return cls(f=f[knot].tolist(), value=value[knot].tolist())

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """Return the probabilities (N,) of logits (N,)."""
        return np.interp(expit(z), self.f, self.value)


class IsotonicCalibrator(PerClass):
    """Replace probabilities by the rising function of them with the least Brier score on the fitted pixels.

    It may give 0 and 1, and it may move the threshold: the class of a pixel may change.

    Kind: posthoc
    Idea: The best rising function of the probability.
    Formula: `f' = m(f)`, `m` rising, of least squared error on the validation images
    Changes: probabilities and, near the threshold, classes
    Cost: none; the fit is one pass over the validation images
    Setting: No parameters. Ours: a pixel stands for a sample; of K classes one curve for each against the rest, over
        their sum, as the authors propose.
    Source: Zadrozny and Elkan, KDD 2002
    """

    name: ClassVar[str] = "isotonic"
    keeps_class: ClassVar[bool] = False
    curve: ClassVar[type[MonotoneCurve]] = MonotoneCurve

    curves: list[MonotoneCurve]
