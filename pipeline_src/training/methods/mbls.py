"""MbLS, margin-based label smoothing: Liu, Ben Ayed, Galdran and Dolz, "The devil is in the margin: Margin-based label
smoothing for network calibration" (CVPR 2022)."""

from __future__ import annotations

from pydantic import Field

from pipeline_src.training.method import Method, Tensor


class MbLS(Method):
    """Cross entropy plus `weight` times the mean over pixels of sum_j max(0, max_k l_k - l_j - margin).

    For one logit l = (0, z), and the sum is max(0, |z| - margin): only distances between logits enter. That is our
    reading. The sum is the paper's formula; the authors' program averages over classes instead, a weight K times
    smaller. Both defaults are its own.

    Kind: rivals
    Idea: Distances between logits are penalised beyond a margin only.
    Formula: `L(y) + weight mean sum_j max(0, max_k l_k - l_j - margin)`
    Changes: loss
    Cost: none measurable
    Setting: Margin and weight are those of the authors' program. The sum over classes is their paper's; the program
        takes the mean, a weight K times smaller. Ours: one logit as (0, z).
    Source: Liu et al., CVPR 2022
    """

    margin: float = Field(10.0, ge=0, description="Distances to the largest logit up to this one are free.")
    weight: float = Field(0.1, ge=0, description="Weight of the penalty.")

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        from pipeline_src.training.pixels import class_logits, mean, planes

        logits = class_logits(z)
        beyond = (logits.amax(1, keepdim=True) - logits - self.margin).clamp(min=0)
        return super().loss(z, t) + self.weight * mean(beyond.sum(1), planes(t))
