"""ASLP, adaptive stochastic label perturbation: the base of its variants (docs/theory.md section 3)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, PrivateAttr

from pipeline_src.training.method import Perturbing, Tensor, Validation


class AdaptivePerturbation(Perturbing):
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
    lam: float = Field(2000.0, ge=0, description="Weight of the regularizer Reg.")
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

    def shortfall(self, alpha: Any) -> Any:
        """1 minus the confidence of the expected label of one or more images: beta alpha, for any K."""
        return self.beta * alpha

    def image_statistic(self, z: Tensor, y: Tensor) -> Tensor:
        """The mean margins m_i, (B,)."""
        from pipeline_src.training.pixels import mean_margin

        return mean_margin(z, y)

    def after_step(self, m: np.ndarray, index: np.ndarray, epoch: int) -> None:
        if epoch <= self.start_epoch:
            return
        self._alphas[index] = self.clipped(self.stepped(self._alphas[index], m))

    def stepped(self, alpha: np.ndarray, m: np.ndarray) -> np.ndarray:
        """Alphas (B,) of images with the margins m (B,) after a step of the rule, before the clip."""
        return alpha + self.eta * (m / self.beta + self.lam * self.reg(alpha))

    @property
    def _bound(self) -> float:
        """The alpha at which the expected label's class would change: (K - 1) / (K beta), 1 / (2 beta) for K = 2."""
        return (self._classes - 1) / (self._classes * self.beta)

    @property
    def highest(self) -> float:
        """The largest alpha that a step leaves."""
        return self._bound - 0.01

    def clipped(self, alpha: np.ndarray) -> np.ndarray:
        """Below 0 -> 0; at or above the bound -> 0.01 less than that."""
        return np.maximum(np.where(alpha >= self._bound, self.highest, alpha), 0.0)


class OnAccuracy(AdaptivePerturbation):
    """ASLP whose Reg follows validation accuracies: `_accuracy`, A of the network after the last epoch, and `_kept`,
    A(theta_lm) of the likelihood-maximizing network, which a subclass reads in one of several ways:

    current: the network after the last epoch; last_epoch: one epoch before that; best_so_far: the epoch of the highest
    accuracy; baseline: the baseline's run of the same seed after the same epoch.
    """

    theta_lm: str
    _accuracy: float = PrivateAttr(default=0.0)
    _kept: float = PrivateAttr(default=0.0)
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
            self._kept = self._baseline[epoch - 1]
        else:
            self._kept = {"current": self._accuracy, "last_epoch": previous, "best_so_far": self._best}[self.theta_lm]
