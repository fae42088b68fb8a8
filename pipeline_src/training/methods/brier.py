"""Brier score as a loss (Brier, Monthly Weather Review 1950; Mukhoti et al., NeurIPS 2020)."""

from __future__ import annotations

from pipeline_src.training.method import Method, Tensor


class Brier(Method):
    """Mean over pixels of half the squared error: in [0, 1], a proper score.

    Kind: comparison
    Idea: The squared error in place of cross entropy: also proper, and less steep for confident
        errors.
    Formula: `mean 1/2 sum_k (f_k - y_k)^2`, for one logit `(f - y)^2`
    Setting: No parameter. Ours: the half, without which two classes would count each error twice.
    Source: Brier, Monthly Weather Review 1950; as a loss in Mukhoti et al., NeurIPS 2020
    """

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        """Return half the squared error of the probabilities, averaged over pixels.

        Args:
            z: logits (B, 1, H, W) for two classes, or (B, K, H, W).
            t: labels of the same form.
        """
        from pipeline_src.training.pixels import log_distribution, mean, planes

        y = planes(t)
        return mean((log_distribution(z).exp() - y).square().sum(1) / 2, y)
