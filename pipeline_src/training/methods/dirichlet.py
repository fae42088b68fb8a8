"""Dirichlet calibration (Kull et al., NeurIPS 2019)."""

from __future__ import annotations

from pipeline_src.training.calibrated import Calibrated


class Dirichlet(Calibrated):
    """Kind: posthoc
    Idea: Every class's log-probability has a say in every class's; for three classes or more.
    Formula: `f' = softmax(W log f + b)` of least NLL on the validation images, plus 1e-3 times the mean squares of `W`
        off the diagonal and of `b`
    Changes: probabilities and classes
    Cost: none; the fit is one pass over the validation images
    Setting: The authors' ODIR penalty. Ours: its strength is 1e-3 for both parts, where they choose both on held-out
        data, in their programs among 0 and 1e-7 to 1e3, for deep networks 1e-5 (100 classes: 1e-2) to 1e6; a pixel
        stands for a sample. Their package subtracts the last class's row of `W` and `b` by default (`ref_row`), so that
        it penalises others: on drawn samples of four classes probabilities differ by up to 0.006.
    Source: Kull et al., NeurIPS 2019
    """

    @classmethod
    def calibrator(cls):
        from pipeline_src.calibrators.dirichlet import DirichletCalibrator

        return DirichletCalibrator
