"""Confidence penalty: Pereyra, Tucker, Chorowski, Kaiser and Hinton, "Regularizing neural networks by penalizing
confident output distributions" (ICLR workshop 2017)."""

from __future__ import annotations

from pydantic import Field

from pipeline_src.training.method import Method, Tensor


class EntropyPenalty(Method):
    """Cross entropy minus `weight` times the mean entropy of the prediction, H(f) = -sum_k f_k log f_k in nats.

    For one logit f is (1 - f, f), so H is at most log 2.

    Kind: rivals
    Idea: The entropy of the prediction is rewarded.
    Formula: `L(y) - weight H(f)`
    Changes: loss
    Cost: none measurable
    Setting: The weight is not the authors', who choose one per task. The program of MbLS takes 0.1 for this penalty as
        a rival, but of the entropy's mean over classes, a weight K times smaller. Ours: a pixel stands for a sample.
    Source: Pereyra et al., ICLR workshop 2017
    """

    weight: float = Field(0.1, ge=0, description="Weight of the entropy.")

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        from pipeline_src.training.pixels import log_distribution, mean, planes

        log_f = log_distribution(z)
        entropy = -(log_f.exp() * log_f).sum(1)
        return super().loss(z, t) - self.weight * mean(entropy, planes(t))
