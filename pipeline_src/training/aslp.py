"""ASLP, adaptive stochastic label perturbation: what its variants share (docs/theory.md section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline_src.training.method import Perturbing

if TYPE_CHECKING:
    from torch import Tensor


class ASLP(Perturbing):
    """One alpha per training image, moved up the gradient of the loss that the network goes down:

    alpha_i <- clip(alpha_i + eta (m_i / beta + lam Reg_i)),   m_i = mean((2y - 1) z)

    The image is perturbed more where the network agrees with its label confidently; Reg limits that. A subclass defines
    Reg.
    """

    learns: ClassVar[bool] = True
    beta: float = Field(
        1.0, gt=0, description="Strength of the perturbation, in the released program's convention (its default: 2)."
    )
    eta: float = Field(0.002, gt=0, description="Step size of alpha.")
    lam: float = Field(2000.0, ge=0, description="Weight of the regulariser Reg.")
    start_epoch: int = Field(5, ge=1, description="Alpha stays 0 through the first so many epochs.")
    form: Literal["drawn", "expected"] = Field(
        "drawn",
        description="`expected` is ours: no draw, each label is perturbed by its alpha at every visit (section 3.5).",
    )

    def start(self, n: int, references: dict[str, list[float]], classes: int = 2) -> None:
        super().start(n, references, classes)
        self._alphas = np.zeros(n)

    def reg(self, alpha: np.ndarray) -> np.ndarray | float:
        """Reg for images at `alpha` (B,): 0, or below 0 where the perturbation goes too far."""
        raise NotImplementedError

    def shortfall(self, alpha: np.ndarray) -> np.ndarray:
        """1 minus the confidence of the expected label: 2 alpha beta (K - 1) / K, beta alpha for K =
        2."""
        return 2 * (self._classes - 1) / self._classes * self.beta * alpha

    def image_statistic(self, z: Tensor, y: Tensor) -> Tensor:
        """The mean margins m_i, (B,)."""
        from pipeline_src.training.pixels import mean_margin

        return mean_margin(z, y)

    def after_step(self, m: np.ndarray, index: np.ndarray, epoch: int) -> None:
        if epoch <= self.start_epoch:
            return
        alpha = self._alphas[index]
        self._alphas[index] = self.clipped(alpha + self.eta * (m / self.beta + self.lam * self.reg(alpha)))

    def clipped(self, alpha: np.ndarray) -> np.ndarray:
        """Below 0 -> 0; at or above 1 / (2 beta), where the expected label's class would change -> 0.01 less than
        that."""
        highest = 1 / (2 * self.beta)
        return np.maximum(np.where(alpha >= highest, highest - 0.01, alpha), 0.0)
