"""Dice loss and cross entropy: the standard of medical segmentation since Isensee, Jaeger, Kohl, Petersen and
Maier-Hein, "nnU-Net: A self-configuring method for deep learning-based biomedical image segmentation" (Nature Methods
2021)."""

from __future__ import annotations

from pydantic import Field

from pipeline_src.training.method import Method, Tensor


class DiceCE(Method):
    """Cross entropy plus `weight` times the mean over classes of

    1 - (2 sum f_k y_k + `smooth`) / (sum f_k + sum y_k + `smooth`),   sums over all pixels of the batch.

    The Dice loss is not a proper score: where a pixel is of class k with a probability of less than half the Dice score
    that is reached, it is least at f_k = 0, elsewhere at f_k = 1. It makes networks sure of themselves, and is here as
    what calibration starts from in medical segmentation. One logit has only the Dice loss of the object.

    Kind: rivals
    Idea: The standard of medical segmentation: an overlap that rewards certainty, added to cross entropy.
    Formula: `L(y) + weight mean_k (1 - (2 sum f_k y_k + smooth) / (sum f_k + sum y_k + smooth))`
    Changes: loss
    Cost: none measurable
    Setting: Both weights, `smooth` and the sums over a batch are those of nnU-Net for images of two dimensions. Ours:
        of several classes all count, where nnU-Net leaves out the background, which not every set has; no losses at
        lower resolutions.
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
