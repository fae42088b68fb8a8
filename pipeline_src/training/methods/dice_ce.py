"""Dice loss and cross entropy (Isensee et al., nnU-Net, Nature Methods 2021)."""

from __future__ import annotations

from pydantic import Field

from pipeline_src.training.method import Method, Tensor


class DiceCE(Method):
    """Cross entropy plus the Dice loss, with sums over all pixels of the batch. One logit has only the object's Dice
    loss.

    The Dice loss is not a proper score: a pixel's optimum is f_k = 0 where its probability of class k is less than half
    the Dice score reached, else f_k = 1. It makes networks overconfident, and is where medical segmentation starts.

    Kind: comparison
    Idea: The standard of medical segmentation: an overlap that rewards certainty, added to cross entropy.
    Formula: `L(y) + weight mean_k (1 - (2 sum f_k y_k + smooth) / (sum f_k + sum y_k + smooth))`
    Setting: Weights, `smooth` and sums over a batch of nnU-Net in two dimensions. Ours: all of several classes count,
        where nnU-Net leaves out the background; no losses at lower resolutions.
    Source: Isensee et al., Nature Methods 2021; the Dice loss after Milletari et al., 3DV 2016
    """

    weight: float = Field(1.0, ge=0, description="Weight of the Dice loss.")
    smooth: float = Field(1e-5, gt=0, description="Added to both parts of the fraction: a class that is nowhere has 0.")

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        from pipeline_src.training.pixels import log_distribution, planes, valid

        y = planes(t)
        f = log_distribution(z).exp() * valid(y)[:, None]
        intersection, areas = (plane.sum((0, 2, 3))[-z.shape[1] :] for plane in (f * y, f + y))
        dice = (2 * intersection + self.smooth) / (areas + self.smooth)
        return super().loss(z, t) + self.weight * (1 - dice).mean()
