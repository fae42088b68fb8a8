"""ASLP_CL, closed-loop label perturbation: perturb until confidence and accuracy agree (docs/theory.md section 7).

Ours, not the paper's.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, PrivateAttr, model_validator

from pipeline_src.errors import UserError
from pipeline_src.training.aslp import ASLP
from pipeline_src.training.method import Validation


class ASLPCL(ASLP):
    """ASLP whose mark is not 1 - A but B, driven by the network's own signed gap on the validation images:

    B <- B + gain (C - A) after every epoch,   alpha_i <- clip(alpha_i + eta ((m_i - mean m) / beta + lam Reg_i)),

    Reg_i = B - beta alpha_i on both sides of the mark. B rests only where confidence C equals accuracy A; the gradient
    of the loss then orders the images around it. A step of B moves all alphas at once.

    Kind: ours
    Idea: One alpha per image, driven until the network's own confidence equals its accuracy.
    Formula: `B <- B + gain (C - A)`, `alpha_i <- clip(alpha_i + eta ((m_i - mean m) / beta + lam (B - beta alpha_i)))`
    Changes: labels
    Cost: none measurable
    Source: ours, after ASLP_MC
    """

    lam: float = Field(100.0, gt=0, description="Pull of each alpha to the mark; the spread of alphas falls with it.")
    gain: float = Field(0.3, gt=0, lt=1, description="Share of the gap by which the mark moves after an epoch.")
    form: Literal["drawn", "expected"] = Field("expected", description="`drawn` perturbs by chance, as ASLP does.")
    _mark: float = PrivateAttr(default=0.0)
    _margins: np.ndarray = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _settles(self) -> ASLPCL:
        if self._pull() > 1:
            raise ValueError(f"eta lam beta is {self._pull():g}; above 1 alpha overshoots its mark")
        return self

    def _pull(self) -> float:
        """Share of its distance to the mark that an alpha goes in a step."""
        return float(self.eta * self.lam * self.shortfall(np.ones(1))[0])

    def start(self, n: int, references: dict[str, list[float]], classes: int = 2) -> None:
        super().start(n, references, classes)
        if self._pull() > 1:  # more for several classes than for the two that were reckoned with
            raise UserError(
                f"methods: aslp_cl overshoots its mark on {classes} classes",
                found=f"2 (K - 1) / K eta lam beta = {self._pull():g}",
                expected="1 or less",
                do=f"lower lam to {self.lam / self._pull():.4g} or less",
            )
        self._mark, self._margins = 0.0, np.full(n, np.nan)

    def reg(self, alpha: np.ndarray) -> np.ndarray:
        return self._mark - self.shortfall(alpha)

    def after_step(self, m: np.ndarray, index: np.ndarray, epoch: int) -> None:
        self._margins[index] = m
        super().after_step(m - np.nanmean(self._margins), index, epoch)

    def after_validation(self, validation: Validation, epoch: int) -> None:
        if epoch < self.start_epoch:
            return
        unit = float(self.shortfall(np.ones(1))[0])  # shortfall per alpha
        highest = (1 / (2 * self.beta) - 0.01) * unit
        before = self._mark
        self._mark = float(np.clip(before + self.gain * validation.gap, 0.0, highest))  # clipped: no wind-up
        self._alphas = self.clipped(self._alphas + (self._mark - before) / unit)

    def history_values(self) -> dict[str, float]:
        return {"mark": self._mark}
