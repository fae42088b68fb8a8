"""Vector scaling (Guo et al., ICML 2017): a scale and a bias per class."""

from __future__ import annotations

import numpy as np

from pipeline_src.calibrators.platt import PlattCalibrator


class VectorCalibrator(PlattCalibrator):
    """Scale the logit of each class and add a bias: softmax(a_k z_k + b_k).

    It is fitted by maximum likelihood. For one logit, and for saved maps of K classes, whose logits
    are log f_k, it is `platt`. The class of a pixel may change.

    Kind: posthoc
    Idea: The logits of each class have a scale and a bias of their own.
    Formula: `softmax_k(a_k z_k + b_k)` of least NLL on the validation images
    Changes: probabilities and classes
    Setting: Maximum likelihood, as the authors'. Ours: a pixel stands for a sample.
    Source: Guo et al., ICML 2017
    """

    name = "vector"

    @staticmethod
    def inputs(z: np.ndarray) -> np.ndarray:
        """Return the numbers that are scaled, the logits z (N, C) themselves.

        Platt scaling has log f_k in their place.
        """
        return z
