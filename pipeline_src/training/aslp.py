"""ASLP, adaptive stochastic label perturbation: what its two forms share (docs/method.md section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from pipeline_src.training.method import Perturbing

if TYPE_CHECKING:
    from torch import Tensor

CLAMP = 1e-7  # probabilities stay in [CLAMP, 1 - CLAMP] where their logarithm is taken


class ASLP(Perturbing):
    """One alpha per training image, moved up the gradient of the loss that the network goes down:

    alpha_i <- clip(alpha_i + eta (m_i / beta + lam Reg_i)),   m_i = mean((2y - 1) z)

    The image is perturbed more where the network agrees with its label confidently; Reg holds it back. A subclass
    gives Reg.
    """

    learns: ClassVar[bool] = True
    beta: float = Field(
        1.0, gt=0, description="Strength of the perturbation, in the released program's convention (its default: 2)."
    )
    eta: float = Field(0.002, gt=0, description="Step size of alpha.")
    lam: float = Field(2000.0, ge=0, description="Weight of the regulariser Reg.")
    start_epoch: int = Field(5, ge=1, description="Alpha stays 0 through the first so many epochs.")

    def start(self, n: int, references: dict[str, list[float]]) -> None:
        self._alphas = np.zeros(n)

    def reg(self, alpha: np.ndarray) -> np.ndarray | float:
        """Reg for images at `alpha` (B,): 0, or below 0 where the perturbation goes too far."""
        raise NotImplementedError

    def agreement(self, z: Tensor, y: Tensor) -> Tensor:
        """m_i = mean over pixels of (2y - 1) z, which is -2 BCE(f, y) + 2 L(U) for hard and soft labels alike; shape
        (B,)."""
        limit = float(np.log((1 - CLAMP) / CLAMP))
        return ((2 * y - 1) * z.detach().float().clamp(-limit, limit)).flatten(1).mean(1)

    def after_step(self, m: np.ndarray, index: np.ndarray, epoch: int) -> None:
        if epoch <= self.start_epoch:
            return
        alpha = self._alphas[index]
        alpha = alpha + self.eta * (m / self.beta + self.lam * self.reg(alpha))
        highest = 1 / (2 * self.beta)
        alpha = np.where(alpha >= highest, highest - 0.01, alpha)
        self._alphas[index] = np.maximum(alpha, 0.0)
