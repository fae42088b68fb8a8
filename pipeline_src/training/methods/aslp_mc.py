"""ASLP_MC, model calibration: the expected label is pulled to the validation accuracy
(docs/theory.md section 3).
"""

from __future__ import annotations

import numpy as np

from pipeline_src.training.perturbation import ReferencedPerturbation


class ASLPMC(ReferencedPerturbation):
    """ASLP (one learned alpha per image, the probability that its label is perturbed) that lowers
    alpha where beta alpha exceeds 1 - A, with A the pixel accuracy on the validation images of the
    network theta_lm.

    The authors' program takes the network as it is after each epoch, the default. Their overview
    figure writes A(theta_lm), which has three more interpretations.

    Kind: paper
    Idea: One alpha per image, raised until the expected label is as confident as validation is
        accurate.
    Formula: `alpha_i <- clip(alpha_i + eta (m_i / beta + lam min(0, (1 - A) - beta alpha_i)))`
    Setting: `eta`, `lam`, `start_epoch` and `theta_lm` of the authors' program. beta is ours: its
        default, 2, is `aslp_mc_released`.
    Source: Liu et al., ICCV 2023
    """

    def reg(self, alpha: np.ndarray) -> np.ndarray:
        """Return min(0, (1 - A) - beta alpha) of images with levels alpha (B,).

        It is negative where the expected label is less confident than the reference accuracy A.
        """
        return np.minimum(0.0, (1 - self.reference_accuracy) - self.shortfall(alpha))
