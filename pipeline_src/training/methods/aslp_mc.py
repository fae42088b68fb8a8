"""ASLP_MC, model calibration: the expected label's confidence is held at the validation accuracy (docs/theory.md
section 3)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from pipeline_src.training.aslp import OnAccuracy


class ASLPMC(OnAccuracy):
    """A is the pixel accuracy on the validation images, by default after the last epoch.

    Kind: paper
    Idea: One alpha per image, raised until the expected label is as confident as validation is accurate.
    Formula: `alpha_i <- clip(alpha_i + eta (m_i / beta + lam min(0, (1 - A) - beta alpha_i)))`
    Setting: `eta`, `lam`, `start_epoch` of the authors' program. beta is ours: its default, 2, is `aslp_mc_released`.
    Source: Liu et al., ICCV 2023
    """

    variant: Literal["released", "divided"] = Field(
        "released", description="`divided` is an earlier form of the rule: min(0, (1 - A) / beta - alpha_i)."
    )
    theta_lm: Literal["current", "best_so_far", "baseline"] = Field(
        "current",
        description="Whose accuracy A is: the network's after the last epoch, the run's highest so far, or the same "
        "seed's baseline's at that epoch.",
    )

    def reg(self, alpha: np.ndarray) -> np.ndarray:
        room = (1 - self._kept) - self.shortfall(alpha)
        return np.minimum(0.0, room if self.variant == "released" else room / self.beta)
