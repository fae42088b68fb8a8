"""ASLP_MEI, maximum entropy inference: raise entropy while validation accuracy is kept (docs/theory.md section 3)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, PrivateAttr

from pipeline_src.training.aslp import ASLP
from pipeline_src.training.method import Validation


class ASLPMEI(ASLP):
    """Reg = min(0, A(theta) - A(theta_lm)), the same for all images.

    The released program does not define theta_lm; both interpretations are available.

    Kind: paper
    Idea: One alpha per image, raised as long as validation accuracy is kept.
    Formula: `alpha_i <- clip(alpha_i + eta (m_i / beta + lam min(0, A - A_lm)))`
    Changes: labels
    Cost: none measurable
    Source: Liu et al., ICCV 2023
    """

    theta_lm: Literal["best_so_far", "baseline"] = Field(
        "best_so_far",
        description="The accuracy to keep: the run's highest so far, or the same seed's baseline's at that epoch.",
    )
    _reg: float = PrivateAttr(default=0.0)
    _best: float = PrivateAttr(default=0.0)
    _baseline: list[float] = PrivateAttr(default_factory=list)

    def references(self) -> list[str]:
        return ["baseline"] if self.theta_lm == "baseline" else []

    def start(self, n: int, references: dict[str, list[float]], classes: int = 2) -> None:
        super().start(n, references, classes)
        self._baseline = references.get("baseline", [])

    def reg(self, alpha: np.ndarray) -> float:
        return self._reg

    def after_validation(self, validation: Validation, epoch: int) -> None:
        accuracy = validation.accuracy
        self._best = max(self._best, accuracy)
        kept = self._best if self.theta_lm == "best_so_far" else self._baseline[epoch - 1]
        self._reg = min(0.0, accuracy - kept)
