"""Beta calibration (Kull, Silva Filho, Flach, AISTATS 2017)."""

from __future__ import annotations

from pipeline_src.training.calibrated import Calibrated


class Beta(Calibrated):
    """Kind: posthoc
    Idea: The two ends of the scale have a slope each. The threshold moves.
    Formula: `f' = sigmoid(a log f - b log(1 - f) + c)`, `a, b >= 0`, of least NLL on the validation images
    Changes: probabilities and, by the bias, classes
    Cost: none; the fit is one pass over the validation images
    Setting: Maximum likelihood, as the authors'. Ours: a pixel stands for a sample; of K classes one curve for each
        against the rest, over their sum.
    Source: Kull, Silva Filho, Flach, AISTATS 2017
    """

    @classmethod
    def calibrator(cls):
        from pipeline_src.calibrators.beta import BetaCalibrator

        return BetaCalibrator
