"""Histogram binning (Zadrozny and Elkan, ICML 2001)."""

from __future__ import annotations

from pipeline_src.training.calibrated import Calibrated


class HistogramBinning(Calibrated):
    """Kind: posthoc
    Idea: Ten numbers in place of all probabilities: what a low ECE by itself is worth.
    Formula: `f'` = share of foreground of the validation pixels in the bin of `f`, of ten
    Changes: probabilities and, near the threshold, classes
    Cost: none; the fit is one pass over the validation images
    Setting: Ten bins, as the authors. Ours: of equal width; a pixel stands for a sample; of K classes one curve for
        each against the rest, over their sum.
    Source: Zadrozny and Elkan, ICML 2001
    """

    @classmethod
    def calibrator(cls):
        from pipeline_src.calibrators.histogram_binning import HistogramBinningCalibrator

        return HistogramBinningCalibrator
