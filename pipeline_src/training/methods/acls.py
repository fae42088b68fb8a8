"""ACLS, adaptive and conditional label smoothing: Park, Noh, Oh, Baek and Ham, "ACLS: Adaptive and conditional label
smoothing for network calibration" (ICCV 2023)."""

from __future__ import annotations

from pydantic import Field

from pipeline_src.training.method import Method, Tensor


class ACLS(Method):
    """Cross entropy plus `weight` times the mean over pixels of

    predicted max(0, max l - min l - margin)^2 + others / (K - 1) sum_j max(0, max l - l_j - margin)^2.

    The first term moves the predicted class's logit alone and the second the others' alone: the far end of each
    distance is held constant, as in the authors' program, whose defaults these are. It takes max l itself as the first
    distance, which depends on what is added to all logits; the distance to the smallest one does not.

    One logit is the pair l = (-z/2, z/2), our reading: both distances are |z|, and the two classes are alike.

    Kind: rivals
    Idea: Label smoothing that grows with the distance of the logits, beyond a margin only.
    Formula: `L(y) + weight (predicted max(0, d_max - margin)^2 + others mean_j max(0, d_j - margin)^2)`,
        `d_j = max l - l_j`
    Changes: loss
    Cost: none measurable
    Setting: Margin and weights are the defaults of the authors' program (Tiny-ImageNet). Ours: the predicted class's
        distance is that to the smallest logit, where the program takes the largest logit itself; one logit as
        (-z/2, z/2).
    Source: Park et al., ICCV 2023
    """

    margin: float = Field(10.0, ge=0, description="Distances between logits up to this one are free.")
    weight: float = Field(0.1, ge=0, description="Weight of both terms.")
    predicted: float = Field(1.0, ge=0, description="Weight of the term on the predicted class, within `weight`.")
    others: float = Field(0.1, ge=0, description="Weight of the term on the other classes, within `weight`.")

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        import torch

        from pipeline_src.training.pixels import mean, planes

        logits = torch.cat([-z / 2, z / 2], 1) if z.shape[1] == 1 else z
        highest, lowest = logits.amax(1, keepdim=True), logits.amin(1, keepdim=True).detach()
        of_predicted = self._beyond(highest - lowest).sum(1)
        of_others = self._beyond(highest.detach() - logits).sum(1) / (logits.shape[1] - 1)
        penalty = self.predicted * of_predicted + self.others * of_others
        return super().loss(z, t) + self.weight * mean(penalty, planes(t))

    def _beyond(self, distance: Tensor) -> Tensor:
        return (distance - self.margin).clamp(min=0).square()
