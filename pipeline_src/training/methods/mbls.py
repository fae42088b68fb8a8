"""MbLS, margin-based label smoothing: Liu, Ben Ayed, Galdran and Dolz, "The devil is in the margin: Margin-based label
smoothing for network calibration" (CVPR 2022)."""

from __future__ import annotations

from pydantic import Field

from pipeline_src.training.method import Method, Tensor


class MbLS(Method):
    """Cross entropy plus `weight` times the mean over pixels and classes j of max(0, max_k l_k - l_j - margin).

    For one logit l = (0, z), and the mean over classes is max(0, |z| - margin) / 2: only distances between logits
    enter. The mean over classes is that of the authors' program; their paper writes the sum, a weight K times larger.

    Kind: rivals
    Idea: Distances between logits are penalised beyond a margin only.
    Formula: `L(y) + weight mean_j max(0, max_k l_k - l_j - margin)`, for one logit
        `L(y) + weight / 2 max(0, abs(z) - margin)`
    Changes: loss
    Cost: none measurable
    Setting: Weight, margin and the mean over classes are those of the authors' program; their paper writes the sum over
        classes. The margin of 10 is that of classification; their segmentation program runs 5 and 3 to 15. Ours: one
        logit as (0, z); a pixel stands for a sample.
    Source: Liu et al., CVPR 2022
    """

    margin: float = Field(10.0, ge=0, description="Distances to the largest logit up to this one are free.")
    weight: float = Field(0.1, ge=0, description="Weight of the penalty.")

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        from pipeline_src.training.pixels import class_logits, mean, planes

        logits = class_logits(z)
        beyond = (logits.amax(1, keepdim=True) - logits - self.margin).clamp(min=0)
        return super().loss(z, t) + self.weight * mean(beyond.mean(1), planes(t))
