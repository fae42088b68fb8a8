"""Histogram binning (Zadrozny and Elkan, ICML 2001)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field

from pipeline_src.calibrators.per_class import PerClass
from pipeline_src.calibrators.pixels import BINS, bins_of
from pipeline_src.validation import Fraction, Strict


class Histogram(Strict):
    """The share of hits in each of ten equal-width bins of f, left-closed; of an empty bin its middle."""

    shares: Annotated[list[Fraction], Field(min_length=BINS, max_length=BINS)]

    @classmethod
    def fit(cls, z: np.ndarray, hits: np.ndarray, weights: np.ndarray) -> Self:
        bins = bins_of(z)
        count, hit = (np.bincount(bins, weights=of, minlength=BINS) for of in (weights, weights * hits))
        middle = (np.arange(BINS) + 0.5) / BINS
        return cls(shares=np.where(count > 0, hit / np.where(count > 0, count, 1), middle).tolist())

    def __call__(self, z: np.ndarray) -> np.ndarray:
        return np.array(self.shares)[bins_of(z)]


class HistogramBinningCalibrator(PerClass):
    """Ten numbers in place of all probabilities: what lies between them is lost, so that the Brier score suffers where
    the ECE in the same bins is least by construction. The class of a pixel may change."""

    name: ClassVar[str] = "histogram_binning"
    keeps_class: ClassVar[bool] = False
    curve: ClassVar[type[Histogram]] = Histogram

    curves: list[Histogram]
