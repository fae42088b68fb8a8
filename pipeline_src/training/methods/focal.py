"""Focal loss (Lin et al., ICCV 2017; for calibration Mukhoti et al., NeurIPS 2020)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline_src.training.method import Method, Tensor

# FLSD-53: gamma is 5 where the label's probability is below 0.2, 3 up to 0.5, and the parameter
# `gamma` from there on.
UNLIKELY, STRONG, HALF, MIDDLE = 0.2, 5.0, 0.5, 3.0


class Focal(Method):
    """Focal loss with FLSD-53, the schedule that Mukhoti et al. propose. `gamma` holds only from f
    = 0.5 on, as in their program, and no gradient passes through the choice of gamma. At gamma = 0,
    fixed, it is cross entropy.

    Kind: comparison
    Idea: Pixels that are right with confidence count less, which keeps entropy up.
    Formula: `mean sum_k y_k (1 - f_k)^gamma_k (-log f_k)`, `gamma_k = 5` where `f_k < 0.2`, 3 where
        `f_k < 0.5`, else `gamma`
    Setting: FLSD-53 with the gammas of Mukhoti et al.; `focal_3` is their FL-3. Ours: soft labels
        mix the losses of their classes; a pixel is a sample, and the loss is the mean, where the
        authors clip the gradient of the sum.
    Source: Lin et al., ICCV 2017; for calibration Mukhoti et al., NeurIPS 2020
    """

    gamma: float = Field(
        3.0, ge=0, description="How strongly pixels that are right with confidence are discounted."
    )
    schedule: Literal["fixed", "flsd53"] = Field(
        "flsd53",
        description="`flsd53`: gamma is 5 below a label's probability of 0.2, 3 below 0.5, then `gamma`.",
    )

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        import torch

        from pipeline_src.training.pixels import log_distribution, mean, planes

        log_f, y = log_distribution(z), planes(t)
        gamma = self.gamma
        if self.schedule == "flsd53":
            f = log_f.detach().exp()
            gamma = torch.where(f < UNLIKELY, STRONG, torch.where(f < HALF, MIDDLE, gamma))
        return mean((y * one_minus_p(log_f) ** gamma * -log_f).sum(1), y)


def one_minus_p(log_p: Tensor) -> Tensor:
    """Return 1 - p for log p <= 0, elementwise, at least 1e-12.

    Its power with an exponent below 1 has an infinite slope at p = 1, where the -log p it is
    multiplied with is 0: with the clamp the gradient there is 0 and not NaN.
    """
    import torch

    return (-torch.expm1(log_p)).clamp(min=1e-12)
