"""ASLP_MEI, maximum entropy inference (docs/theory.md section 3).

It raises entropy while validation accuracy is kept.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from pipeline_src.training.perturbation import ReferencedPerturbation


class ASLPMEI(ReferencedPerturbation):
    """ASLP (one learned alpha per image, the probability that its label is perturbed) with the
    regularizer min(0, A - A_lm) for all images: it lowers the alphas where the validation accuracy
    A is below A_lm. The released program has no MEI and does not define A_lm; three interpretations
    are available.

    Kind: paper
    Idea: One alpha per image, raised as long as validation accuracy is kept.
    Formula: `alpha_i <- clip(alpha_i + eta (m_i / beta + lam min(0, A - A_lm)))`
    Setting: `eta`, `lam` and `start_epoch` of the authors' program. beta and the interpretation are
        ours.
    Source: Liu et al., ICCV 2023
    """

    theta_lm: Literal["best_so_far", "baseline", "last_epoch"] = "best_so_far"
    """The accuracy to keep: the run's highest so far, the same seed's baseline's at that epoch, or
    that of the epoch before.
    """

    def reg(self, alpha: np.ndarray) -> float:
        """Return min(0, A - A_lm), which is the same for all images.

        It is negative if the last validation accuracy A is below the accuracy A_lm to keep.
        """
        return min(0.0, self._accuracies[-1] - self.reference_accuracy)
