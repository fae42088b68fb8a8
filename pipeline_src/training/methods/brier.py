"""Brier score as a loss: G. W. Brier, "Verification of forecasts expressed in terms of probability" (Monthly Weather
Review, 1950); as a rival of other calibrating losses in Mukhoti et al., "Calibrating deep neural networks using focal
loss" (NeurIPS 2020)."""

from __future__ import annotations

from pipeline_src.training.method import Method, Tensor


class Brier(Method):
    """Mean over pixels of 1/2 sum_k (f_k - y_k)^2, which for one logit is (f - y)^2. In [0, 1]; a proper score.

    The half is ours: without it two classes would count each error twice.

    Kind: rivals
    Idea: The squared error in place of cross entropy: proper too, and less steep where the network is sure and wrong.
    Formula: `mean 1/2 sum_k (f_k - y_k)^2`, for one logit `(f - y)^2`
    Changes: loss
    Cost: none measurable
    Setting: There is no parameter. Ours: the half, which Mukhoti et al. leave out.
    Source: Brier, Monthly Weather Review 1950; as a loss in Mukhoti et al., NeurIPS 2020
    """

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        from pipeline_src.training.pixels import log_distribution, mean, planes

        y = planes(t)
        return mean((log_distribution(z).exp() - y).square().sum(1) / 2, y)
