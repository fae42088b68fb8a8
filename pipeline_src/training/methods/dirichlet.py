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
    Setting: The authors' ODIR penalty. Ours: its strength is 1e-3, where they choose it on held-out data; a pixel
        stands for a sample.
    Source: Kull et al., NeurIPS 2019
    """

    @classmethod
    def calibrator(cls):
        from pipeline_src.calibrators.dirichlet import DirichletCalibrator

        return DirichletCalibrator
