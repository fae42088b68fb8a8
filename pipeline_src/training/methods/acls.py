"""ACLS, adaptive and conditional label smoothing (Park et al., ICCV 2023)."""

from __future__ import annotations

from pydantic import NonNegativeFloat

from pipeline_src.training.method import Method, Tensor


class ACLS(Method):
    """Cross entropy plus a penalty on large logits l. In the second term max l is held constant.

    One logit is the pair l = (-z/2, z/2): the first term starts at |z| = 2 margin, the second at
    |z| = margin.

    Kind: comparison
    Idea: Label smoothing that grows with the distance of the logits, only beyond a margin.
    Formula: `L(y) + weight (predicted max(0, max l - margin)^2 + others mean_j max(0, d_j -
        margin)^2)`, `d_j = max l - l_j`, mean over the other classes
    Setting: Terms, margin and weights of the authors' program (Tiny-ImageNet). Ours: one logit as
        (-z/2, z/2); a pixel is a sample.
    Source: Park et al., ICCV 2023
    """

    margin: NonNegativeFloat = 10.0
    """A largest logit, and a distance to it, up to this one are free."""
    weight: NonNegativeFloat = 0.1
    """Weight of both terms."""
    predicted: NonNegativeFloat = 1.0
    """Weight of the term on the predicted class, within `weight`."""
    others: NonNegativeFloat = 0.1
    """Weight of the term on the other classes, within `weight`."""

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        """Return cross entropy plus the weighted penalty on large logits, averaged over pixels."""
        import torch

        from pipeline_src.training.pixels import mean, planes

        logits = torch.cat([-z / 2, z / 2], 1) if z.shape[1] == 1 else z
        highest = logits.amax(1, keepdim=True)
        predicted = self._beyond(highest).sum(1)
        rest = self._beyond(highest.detach() - logits).sum(1) / (logits.shape[1] - 1)
        penalty = self.predicted * predicted + self.others * rest
        return super().loss(z, t) + self.weight * mean(penalty, planes(t))

    def _beyond(self, value: Tensor) -> Tensor:
        """Return the squared part of `value` beyond the margin, 0 up to the margin."""
        return (value - self.margin).clamp(min=0).square()
