"""ASLP_MEI, maximum entropy inference: raise entropy while validation accuracy is kept (docs/theory.md section 3)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, PrivateAttr

from pipeline_src.training.method import Validation
from pipeline_src.training.perturbation import AdaptivePerturbation


class ASLPMEI(AdaptivePerturbation):
    """ASLP with Reg = min(0, A - A_lm) for all images. The released program has no MEI and does not define A_lm; three
    interpretations are available.

    Kind: paper
    Idea: One alpha per image, raised as long as validation accuracy is kept.
    Formula: `alpha_i <- clip(alpha_i + eta (m_i / beta + lam min(0, A - A_lm)))`
    Setting: `eta`, `lam` and `start_epoch` of the authors' program. beta and the interpretation are ours.
    Source: Liu et al., ICCV 2023
    """

    theta_lm: Literal["best_so_far", "baseline", "last_epoch"] = Field(
        "best_so_far",
        description="The accuracy to keep: the run's highest so far, the same seed's baseline's at that epoch, or that "
        "of the epoch before.",
    )
    _accuracy: float = PrivateAttr(default=0.0)
    _accuracy_to_keep: float = PrivateAttr(default=0.0)
    _best: float = PrivateAttr(default=0.0)
    _baseline: list[float] = PrivateAttr(default_factory=list)

    def references(self) -> list[str]:
        return ["baseline"] if self.theta_lm == "baseline" else []

    def start(self, n: int, references: dict[str, list[float]], classes: int = 2) -> None:
        super().start(n, references, classes)
        self._baseline = references.get("baseline", [])

    def after_validation(self, validation: Validation, epoch: int) -> None:
        previous, self._accuracy = self._accuracy, validation.accuracy
        self._best = max(self._best, self._accuracy)
        if self.theta_lm == "baseline":
            self._accuracy_to_keep = self._baseline[epoch - 1]
        else:
            self._accuracy_to_keep = previous if self.theta_lm == "last_epoch" else self._best

    def reg(self, alpha: np.ndarray) -> float:
        return min(0.0, self._accuracy - self._accuracy_to_keep)
