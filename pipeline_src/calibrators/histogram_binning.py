"""Histogram binning (Zadrozny and Elkan, ICML 2001)."""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from pydantic import Field

from pipeline_src.calibrators.calibrator import Calibrator
from pipeline_src.calibrators.pixels import BINS, Pixels, bin_numbers
from pipeline_src.validation import Fraction


class HistogramBinningCalibrator(Calibrator):
    """Replace all probabilities by ten numbers, the share of foreground in each of ten bins.

    Differences within a bin are lost. So the Brier score suffers, while the ECE in the same bins is
    lowest by construction. The class of a pixel may change.

    Kind: posthoc
    Idea: Ten numbers in place of all probabilities: what a low ECE by itself is worth.
    Formula: `f'` = share of foreground of the validation pixels in the bin of `f`, of ten
    Changes: probabilities and, near the threshold, classes
    Setting: Ten bins, as the authors. Ours: of equal width; a pixel stands for a sample.
    Source: Zadrozny and Elkan, ICML 2001
    """

    name = "histogram_binning"
    keeps_class = False
    two_classes = True

    shares: Annotated[list[Fraction], Field(min_length=BINS, max_length=BINS)]

    @classmethod
    def fit(cls, pixels: Pixels) -> Self:
        """Return the calibrator with the share of foreground pixels in each bin of probability.

        An empty bin gets its middle.
        """
        bins = bin_numbers(pixels.z[:, 0])
        count = np.bincount(bins, pixels.weights, BINS)
        foreground = np.bincount(bins, pixels.weights * pixels.labels, BINS)  # labels are 0 and 1
        shares = (np.arange(BINS) + 0.5) / BINS
        np.divide(foreground, count, out=shares, where=count > 0)
        return cls(shares=shares.tolist())

    def probabilities(self, z: np.ndarray, entropy: np.ndarray) -> np.ndarray:
        """Return the calibrated probabilities (N, 1) of logits z (N, 1); `entropy` is not used."""
        return np.asarray(self.shares).take(bin_numbers(z))
