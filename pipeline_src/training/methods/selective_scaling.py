"""Selective scaling (Wang, Gong, Wang, On Calibrating Semantic Segmentation Models, CVPR 2023)."""

from __future__ import annotations

from pipeline_src.training.calibrated import Calibrated


class SelectiveScaling(Calibrated):
    """Kind: posthoc
    Idea: Only pixels that are likely wrong are made less sure.
    Formula: `f = softmax(z / T)` where a classifier of `log f` calls the pixel likely wrong, else `softmax(z)`
    Changes: probabilities
    Cost: none; the fit is one pass over the validation images
    Setting: Simplified. The authors' classifier is a network of four linear layers with batch norm, mispredicted pixels
        counted twice, and their T a constant: about 2, up to 1e10 where the classifier is good. Here it is a logistic
        regression, whose threshold and T have the least NLL on the validation images.
    Source: Wang, Gong, Wang, CVPR 2023
    """

    @classmethod
    def calibrator(cls):
        from pipeline_src.calibrators.selective_scaling import SelectiveScalingCalibrator

        return SelectiveScalingCalibrator
