"""ASLP_MC, model calibration: the expected label's confidence is held at the validation accuracy (docs/theory.md
section 3)."""

from __future__ import annotations

import numpy as np
from pydantic import PrivateAttr

from pipeline_src.training.method import Validation
from pipeline_src.training.perturbation import AdaptivePerturbation


class ASLPMC(AdaptivePerturbation):
    """ASLP whose target level is 1 - A, with A the pixel accuracy on the validation images after the last epoch.

    Kind: paper
    Idea: One alpha per image, raised until the expected label is as confident as validation is accurate.
    Formula: `alpha_i <- clip(alpha_i + eta (m_i / beta + lam min(0, (1 - A) - beta alpha_i)))`
    Setting: `eta`, `lam`, `start_epoch` of the authors' program. beta is ours: its default, 2, is `aslp_mc_released`.
    Source: Liu et al., ICCV 2023
    """

    _accuracy: float = PrivateAttr(default=0.0)

    def after_validation(self, validation: Validation, epoch: int) -> None:
        self._accuracy = validation.accuracy

    def reg(self, alpha: np.ndarray) -> np.ndarray:
        return np.minimum(0.0, (1 - self._accuracy) - self.shortfall(alpha))
