"""Confidence penalty (Pereyra et al., ICLR workshop 2017).

The loss rewards the entropy of the predictions, against overconfidence.
"""

from __future__ import annotations

from pydantic import NonNegativeFloat

from pipeline_src.training.method import Method, Tensor


class EntropyPenalty(Method):
    """Cross entropy minus the mean entropy of the prediction, H(f) = -sum_k f_k log f_k in nats;
    for one logit at most log 2.

    Kind: comparison
    Idea: The entropy of the prediction is rewarded.
    Formula: `L(y) - weight H(f)`
    Setting: The authors choose a weight per task. MbLS's program takes 0.1, but of the mean over
        classes, a weight K times smaller. Ours: a pixel is a sample.
    Source: Pereyra et al., ICLR workshop 2017
    """

    weight: NonNegativeFloat = 0.1
    """Weight of the entropy."""

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        """Return cross entropy minus the weighted mean entropy of the pixels that are not ignored.

        Args:
            z: logits (B, 1, H, W) for two classes, or (B, K, H, W).
            t: labels of the same form; they tell which pixels are ignored.
        """
        from pipeline_src.training.pixels import log_distribution, mean, planes

        log_f = log_distribution(z)
        entropy = -(log_f.exp() * log_f).sum(1)
        return super().loss(z, t) - self.weight * mean(entropy, planes(t))
