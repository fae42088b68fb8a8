"""Focal loss: Lin, Goyal, Girshick, He and Dollar, "Focal loss for dense object detection" (ICCV 2017); for calibration
Mukhoti, Kulharia, Sanyal, Golodetz, Torr and Dokania, "Calibrating deep neural networks using focal loss" (NeurIPS
2020)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline_src.training.method import Method, Tensor

# FLSD-53: gamma is 5 where the label's probability is below 0.2, 3 up to 0.5, and the parameter `gamma` from there on.
UNLIKELY, STRONG, HALF, MIDDLE = 0.2, 5.0, 0.5, 3.0


class Focal(Method):
    """Mean over pixels of sum_k y_k (1 - f_k)^gamma_k (-log f_k).

    FLSD-53, what Mukhoti et al. propose, has a gamma per pixel: 5 where the probability f_k of the label is below 0.2,
    and 3 elsewhere. As in their program, `gamma` holds only from 0.5 on: between 0.2 and 0.5 it is 3 always. No
    gradient passes through that choice. For hard labels this is the authors' loss; for soft ones
    (anti-aliased edges), the mix of its values by label, it is our reading. At gamma = 0, fixed, it is cross entropy.

    Kind: rivals
    Idea: Pixels that are right with confidence count less, which keeps entropy up.
    Formula: `mean sum_k y_k (1 - f_k)^gamma_k (-log f_k)`, `gamma_k = 5` where `f_k < 0.2`,
        3 where `f_k < 0.5`, else `gamma`
    Changes: loss
    Cost: none measurable
    Setting: FLSD-53 with the gammas of Mukhoti et al., who propose it; `focal_3` is their FL-3, gamma 3 everywhere.
        Ours: a pixel stands for a sample, and the mean for their sum, whose gradient they clip.
    Source: Lin et al., ICCV 2017; for calibration Mukhoti et al., NeurIPS 2020
    """

    gamma: float = Field(3.0, ge=0, description="How strongly pixels that are right with confidence are discounted.")
    schedule: Literal["fixed", "flsd53"] = Field(
        "flsd53", description="`flsd53`: gamma is 5 below a label's probability of 0.2, 3 below 0.5, then `gamma`."
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


def one_minus_p(log_f: Tensor) -> Tensor:
    """1 - f for log f <= 0, elementwise, at least 1e-12.

    A power of it below 1 has an infinite slope at f = 1, where the -log f it is multiplied with is 0: with the clamp
    the gradient there is 0 and not NaN.
    """
    import torch

    return (-torch.expm1(log_f)).clamp(min=1e-12)
