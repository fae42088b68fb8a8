"""SLP, static stochastic label perturbation: one fixed alpha for all images (docs/method.md section 3)."""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from pipeline_src.training.method import Perturbing


class SLP(Perturbing):
    """beta = 1 is hard inversion (HI), 0.75 soft inversion (SI), 0.5 moderation (M)."""

    alpha: float = Field(0.05, ge=0, description="Probability that an image's mask is perturbed in a step.")
    beta: float = Field(1.0, gt=0, description="Strength of the perturbation, in the released program's convention.")

    @model_validator(mode="after")
    def _right_side(self) -> SLP:
        if 2 * self.alpha * self.beta >= 1:
            raise ValueError(
                f"alpha must be below 1 / (2 beta) = {1 / (2 * self.beta):g}, else the expected label changes side"
            )
        return self

    def start(self, n: int, references: dict[str, list[float]]) -> None:
        self._alphas = np.full(n, self.alpha)
