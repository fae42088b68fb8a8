"""ACLS, adaptive and conditional label smoothing (Park et al., ICCV 2023).

Large logits, and large distances between the logits of classes, are penalized beyond a margin.
"""

from __future__ import annotations

from pydantic import NonNegativeFloat

from pipeline_src.training.method import Method, Tensor


class ACLS(Method):
    """Cross entropy plus a penalty on logits l: on a large logit of the predicted class, max l, and
    on its distances to the logits of other classes, in which no gradient flows through max l.

    One logit z is read as the pair l = (-z/2, z/2): the first penalty starts at |z| = 2 margin, the
    second at |z| = margin.

    Kind: comparison
    Idea: Label smoothing that grows with the distance of the logits, only beyond a margin.
    Formula: `L(y) + weight (predicted max(0, max l - margin)^2 + others mean_j max(0, d_j -
        margin)^2)`, `d_j = max l - l_j`, mean over the other classes
    Setting: Terms, margin and weights of the authors' program (Tiny-ImageNet). Ours: one logit as
        (-z/2, z/2); a pixel is a sample.
    Source: Park et al., ICCV 2023
    """

    margin: NonNegativeFloat = 10.0
    """The largest logit, and distances to it, are not penalized up to this value."""
    weight: NonNegativeFloat = 0.1
    """Weight of both terms."""
    predicted: NonNegativeFloat = 1.0
    """Weight of the term on the predicted class, within `weight`."""
    others: NonNegativeFloat = 0.1
    """Weight of the term on the other classes, within `weight`."""

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        """Return cross entropy plus the weighted penalty on large logits and large distances.

        Args:
            z: logits (B, 1, H, W), read as the pair (-z/2, z/2), or (B, K, H, W).
            t: labels of the same form.
        """
        import torch

        from pipeline_src.training.pixels import mean, planes

        logits = torch.cat([-z / 2, z / 2], 1) if z.shape[1] == 1 else z
        highest = logits.amax(1, keepdim=True)
        first_term = self._squared_excess(highest).sum(1)
        # The second term moves the other logits only, as in the authors' program.
        distances = highest.detach() - logits
        second_term = self._squared_excess(distances).sum(1) / (logits.shape[1] - 1)
        penalty = self.predicted * first_term + self.others * second_term
        return super().loss(z, t) + self.weight * mean(penalty, planes(t))

    def _squared_excess(self, value: Tensor) -> Tensor:
        """Return the square of what a value has above the margin, elementwise."""
        return (value - self.margin).clamp(min=0).square()
