"""Isotonic regression (Zadrozny and Elkan, KDD 2002)."""

from __future__ import annotations

from pipeline_src.training.calibrated import Calibrated


class Isotonic(Calibrated):
    """Kind: posthoc
    Idea: The best rising function of the probability.
    Formula: `f' = m(f)`, `m` rising, of least squared error on the validation images
    Changes: probabilities and, near the threshold, classes
    Cost: none; the fit is one pass over the validation images
    Setting: No parameters. Ours: a pixel stands for a sample; of K classes one curve for each against the rest, over
        their sum, as the authors propose.
    Source: Zadrozny and Elkan, KDD 2002
    """

    @classmethod
    def calibrator(cls):
        from pipeline_src.calibrators.isotonic import IsotonicCalibrator

        return IsotonicCalibrator
