"""Focal loss (Lin et al., ICCV 2017; for calibration Mukhoti et al., NeurIPS 2020).

Cross entropy in which pixels that are right with confidence count less.
"""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeFloat

from pipeline_src.training.method import Method, Tensor


class Focal(Method):
    """Focal loss with FLSD-53, the schedule of Mukhoti et al. The parameter `gamma` holds where the
    label's probability f is at least 0.5, as in their program. No gradient passes through the
    choice of gamma. At gamma = 0 without schedule, it is cross entropy.

    Kind: comparison
    Idea: Pixels that are right with confidence count less, which keeps entropy up.
    Formula: `mean sum_k y_k (1 - f_k)^gamma_k (-log f_k)`, `gamma_k = 5` where `f_k < 0.2`, 3 where
        `f_k < 0.5`, else `gamma`
    Setting: FLSD-53 with the gammas of Mukhoti et al.; `focal_3` is their FL-3. Ours: soft labels
        mix the losses of their classes; a pixel is a sample, and the loss is the mean, where the
        authors clip the gradient of the sum.
    Source: Lin et al., ICCV 2017; for calibration Mukhoti et al., NeurIPS 2020
    """

    gamma: NonNegativeFloat = 3.0
    """How strongly pixels that are right with confidence are discounted."""
    schedule: Literal["fixed", "flsd53"] = "flsd53"
    """`flsd53`: gamma is 5 below a label's probability of 0.2, 3 below 0.5, then `gamma`."""

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        """Return the focal loss with a fixed gamma or with the schedule FLSD-53.

        Args:
            z: logits (B, 1, H, W) for two classes, or (B, K, H, W).
            t: labels of the same form.
        """
        import torch

        from pipeline_src.training.pixels import log_distribution

        log_f = log_distribution(z)
        gamma = self.gamma
        if self.schedule == "flsd53":
            f = log_f.detach().exp()
            gamma = torch.where(f < 0.2, 5.0, torch.where(f < 0.5, 3.0, gamma))
        return focal_loss(log_f, t, one_minus_p(log_f), gamma)


def focal_loss(log_f: Tensor, t: Tensor, base: Tensor, gamma: Tensor | float) -> Tensor:
    """Return the focal loss, the mean of base^gamma (-log f) over pixels and the classes of labels.

    Args:
        log_f: log probabilities, (B, K, H, W).
        t: labels (B, 1, H, W) in [0, 1] for two classes, or planes (B, K, H, W). A soft label mixes
            the losses of its classes.
        base: (B, K, H, W), such as 1 - f.
        gamma: one value for all pixels, or a value per class and pixel (B, K, H, W).
    """
    from pipeline_src.training.pixels import mean, planes

    y = planes(t)
    return mean((y * base**gamma * -log_f).sum(1), y)


def one_minus_p(log_p: Tensor) -> Tensor:
    """Return 1 - p for log p <= 0, elementwise, at least 1e-12.

    A power of 1 - p with an exponent below 1 has an infinite slope at p = 1, where its factor
    -log p is 0. With the clamp the gradient there is finite and not NaN.
    """
    import torch

    return (-torch.expm1(log_p)).clamp(min=1e-12)
