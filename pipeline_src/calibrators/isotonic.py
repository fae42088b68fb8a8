"""Isotonic regression (Zadrozny and Elkan, KDD 2002)."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from pydantic import model_validator
from scipy.optimize import isotonic_regression
from scipy.special import expit

from pipeline_src.calibrators.per_class import PerClass
from pipeline_src.validation import Fraction, Strict


class MonotoneCurve(Strict):
    """The rising function of f of least squared error, linear between the knots `f` and constant beyond them."""

    f: list[Fraction]
    value: list[Fraction]

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not self.f or len(self.f) != len(self.value) or min(np.diff(self.f, prepend=-1)) <= 0:
            raise ValueError(f"{len(self.f)} values of f, which have to rise, and {len(self.value)} of value")
        if min(np.diff(self.value, prepend=0)) < 0:
            raise ValueError("value falls: a curve has to rise")
        return self

    @classmethod
    def fit(cls, z: np.ndarray, hits: np.ndarray, weights: np.ndarray) -> Self:
        f, inverse = np.unique(expit(z), return_inverse=True)
        count, hit = np.bincount(inverse, weights), np.bincount(inverse, weights * hits)
        value = isotonic_regression(hit / count, weights=count).x.clip(0, 1)
        # Of a run of equal values the ends suffice.
        before, after = np.diff(value, prepend=-1), np.diff(value, append=2)
        knot = (before != 0) | (after != 0)
        return cls(f=f[knot].tolist(), value=value[knot].tolist())

    def __call__(self, z: np.ndarray) -> np.ndarray:
        return np.interp(expit(z), self.f, self.value)


class IsotonicCalibrator(PerClass):
    """The rising map of least Brier score on the fitted pixels, by pooling adjacent violators. It may give 0 and 1, and
    move the threshold: the class of a pixel may change."""

    name: ClassVar[str] = "isotonic"
    keeps_class: ClassVar[bool] = False
    curve: ClassVar[type[MonotoneCurve]] = MonotoneCurve

    curves: list[MonotoneCurve]
