"""Platt scaling (Platt 1999), and vector scaling for K classes (Guo et al., ICML 2017)."""

from __future__ import annotations

from pipeline_src.training.calibrated import Calibrated


class Platt(Calibrated):
    """Kind: posthoc
    Idea: A scale and a bias for all logits; of K classes for each. The threshold moves.
    Formula: `f = sigmoid(a z + b)`; of K classes `softmax_k(a_k log f_k + b_k)`; of least NLL on the validation images
    Changes: probabilities and, by the bias, classes
    Cost: none; the fit is one pass over the validation images
    Setting: Maximum likelihood. Ours: a pixel stands for a sample; labels are 0 and 1, without Platt's correction for
        small samples; vector scaling of log f, not of the logits.
    Source: Platt, Advances in Large Margin Classifiers 1999; Guo et al., ICML 2017
    """

    @classmethod
    def calibrator(cls):
        from pipeline_src.calibrators.platt import PlattCalibrator

        return PlattCalibrator
