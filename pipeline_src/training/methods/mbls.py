"""MbLS, margin-based label smoothing (Liu et al., CVPR 2022).

Distances between the logits of classes are penalized beyond a margin.
"""

from __future__ import annotations

from pydantic import NonNegativeFloat

from pipeline_src.training.method import Method, Tensor


class MbLS(Method):
    """Cross entropy plus a penalty on distances between logits beyond a margin. For one logit l =
    (0, z).

    Kind: comparison
    Idea: Distances between logits are penalized only beyond a margin.
    Formula: `L(y) + weight mean_j max(0, max_k l_k - l_j - margin)`, for one logit
        `L(y) + weight / 2 max(0, abs(z) - margin)`
    Setting: Weight, margin and mean over classes of the authors' program for classification (their
        segmentation runs margins of 3 to 15); their paper writes the sum over classes. Ours: one
        logit as (0, z); a pixel is a sample.
    Source: Liu et al., CVPR 2022
    """

    margin: NonNegativeFloat = 10.0
    """Distances to the largest logit are not penalized up to this value."""
    weight: NonNegativeFloat = 0.1
    """Weight of the penalty."""

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        """Return cross entropy plus the weighted penalty on logit distances beyond the margin.

        Args:
            z: logits (B, 1, H, W) for two classes, or (B, K, H, W).
            t: labels of the same form.
        """
        from pipeline_src.training.pixels import class_logits, mean, planes

        logits = class_logits(z)
        beyond = (logits.amax(1, keepdim=True) - logits - self.margin).clamp(min=0)
        return super().loss(z, t) + self.weight * mean(beyond.mean(1), planes(t))
