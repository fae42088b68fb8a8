"""Histogram binning (Zadrozny and Elkan, ICML 2001)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field

from pipeline_src.calibrators.calibrator import PerClass
from pipeline_src.calibrators.pixels import BINS, bin_numbers
from pipeline_src.validation import Fraction, Strict


class Histogram(Strict):
    """The share of hits in each of ten equal-width, left-closed bins of f; of an empty bin its middle."""

    shares: Annotated[list[Fraction], Field(min_length=BINS, max_length=BINS)]

    @classmethod
    def fit(cls, z: np.ndarray, hits: np.ndarray, weights: np.ndarray) -> Self:
        """Count weighted pixels and hits per bin."""
        bins = bin_numbers(z)
        count, hit = (np.bincount(bins, weights=column, minlength=BINS) for column in (weights, weights * hits))
        middle = (np.arange(BINS) + 0.5) / BINS
        return cls(shares=np.where(count > 0, hit / np.where(count > 0, count, 1), middle).tolist())

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """Return the probabilities (N,) of logits (N,)."""
        return np.array(self.shares)[bin_numbers(z)]


class HistogramBinningCalibrator(PerClass):
    """Replace all probabilities by ten numbers, the share of hits in each of ten bins.

    Differences within a bin are lost. So the Brier score suffers, while the ECE in the same bins is lowest by
    construction. The class of a pixel may change.

    Kind: posthoc
    Idea: Ten numbers in place of all probabilities: what a low ECE by itself is worth.
    Formula: `f'` = share of foreground of the validation pixels in the bin of `f`, of ten
    Changes: probabilities and, near the threshold, classes
    Cost: none; the fit is one pass over the validation images
    Setting: Ten bins, as the authors. Ours: of equal width; a pixel stands for a sample; of K classes one curve for
        each against the rest, over their sum.
    Source: Zadrozny and Elkan, ICML 2001
    """

    name: ClassVar[str] = "histogram_binning"
    keeps_class: ClassVar[bool] = False
    curve: ClassVar[type[Histogram]] = Histogram

    curves: list[Histogram]
