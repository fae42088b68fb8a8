"""Dice loss with cross entropy (Milletari et al., 3DV 2016; Isensee et al., 2021).

The Dice coefficient measures the overlap of prediction and object over all pixels of a batch.
"""

from __future__ import annotations

from pydantic import NonNegativeFloat

from pipeline_src.training.method import Method, Tensor

# Added to both sums, as in the authors' program: the Dice coefficient of a class that is absent and
# not predicted becomes 1.
SMOOTH = 1e-5


class DiceCE(Method):
    """Cross entropy plus 1 minus the soft Dice coefficient, D_k = 2 sum f_k y_k / (sum f_k + sum
    y_k).

    The sums run over all pixels of a batch, and the mean over all classes but class 0: for one
    logit it is the coefficient of the foreground.

    Kind: comparison
    Idea: The overlap of prediction and object, usual for medical images, joins cross entropy.
    Formula: `L(y) + weight (1 - mean_k D_k)`, `D_k = 2 sum f_k y_k / (sum f_k + sum y_k)`
    Setting: Equal weights, sums over the batch and no class 0, as in the program of Isensee et al.
        for 2D images. Ours: soft labels enter as they are.
    Source: Milletari et al., 3DV 2016; Isensee et al., Nature Methods 2021
    """

    weight: NonNegativeFloat = 1.0
    """Weight of the Dice term."""

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        """Return cross entropy plus the weighted Dice loss, whose mean leaves out class 0.

        Args:
            z: logits (B, 1, H, W) for two classes, or (B, K, H, W).
            t: labels of the same form.
        """
        from pipeline_src.training.pixels import log_distribution, planes, valid

        y = planes(t)
        f = log_distribution(z).exp() * valid(y)[:, None]
        # Sums of each class over all pixels of the batch, (K,).
        overlap = (f * y).sum((0, 2, 3))
        area = (f + y).sum((0, 2, 3))
        dice = (2 * overlap + SMOOTH) / (area + SMOOTH)
        return super().loss(z, t) + self.weight * (1 - dice[1:].mean())
