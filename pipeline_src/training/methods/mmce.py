"""MMCE, maximum mean calibration error as a penalty: Kumar, Sarawagi and Jain, "Trainable calibration measures for
neural networks from kernel mean embeddings" (ICML 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline_src.training.method import Method

if TYPE_CHECKING:
    from torch import Tensor


class MMCE(Method):
    """Cross entropy plus `weight` times the norm of sum_i d_i k(r_i, .), k(r, r') = exp(-|r - r'| / width),

    over all pixels i of the batch with confidence r_i and correctness c_i, the label's share of the predicted class (0
    or 1 but at soft edges, for which this is our reading). `plain` has d_i = (c_i - r_i) / N. `weighted` averages
    right and wrong pixels separately, d_i = c_i (1 - r_i) / sum c - (1 - c_i) r_i / sum (1 - c), and is 0 in a batch
    without pixels of both kinds; a calibrated network does not minimise it, unless half of its pixels are wrong.

    The authors train with `weighted`, on batches of 128 samples; their program divides each average by the squared
    number of samples once more, which with the pixels of a batch would leave nothing. Here the formula is the paper's,
    and the default estimator the one that a calibrated network minimises. All pairs of pixels count, exactly.

    Kind: rivals
    Idea: A kernel measure of miscalibration of the batch is added to the loss; here over all pairs of pixels, exactly.
    Formula: `L(y) + weight sqrt(sum_ij d_i d_j exp(-|r_i - r_j| / width))`, `d = (c - r) / N`
    Changes: loss
    Cost: 5 %
    Source: Kumar et al., ICML 2018
    """

    weight: float = Field(2.0, ge=0, description="Weight of the penalty; 2 is what Mukhoti et al. (NeurIPS 2020) take.")
    estimator: Literal["plain", "weighted"] = Field("plain", description="`weighted` is what the authors train with.")
    width: float = Field(0.4, ge=0.01, description="Width of the Laplacian kernel.")

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        from pipeline_src.training.pixels import log_distribution, planes, valid

        y = planes(t)
        log_r, predicted = log_distribution(z).max(1, keepdim=True)
        counts = valid(y).flatten().double()
        r, c = log_r.double().exp().flatten(), y.gather(1, predicted).flatten().double()
        right, wrong = c * counts, (1 - c) * counts
        if self.estimator == "plain":
            of_right = of_wrong = counts.sum().clamp(min=1)
        else:
            of_right, of_wrong = right.sum(), wrong.sum()
            if not of_right or not of_wrong:
                return super().loss(z, t)
        d = right * (1 - r) / of_right - wrong * r / of_wrong
        # The norm has no slope at 0; there the penalty is at rest.
        norm = kernel_sum(r, d, self.width).clamp(min=1e-12).sqrt()
        return super().loss(z, t) + self.weight * norm.to(z.dtype)


def kernel_sum(r: Tensor, d: Tensor, width: float) -> Tensor:
    """sum_ij d_i d_j exp(-|r_i - r_j| / width) for r (N,) in [0, 1] and d (N,), in O(N log N).

    For sorted r the kernel is exp(-r_i / width) exp(r_j / width) for all j < i, so that the inner sum is a cumulative
    one.
    """
    order = r.detach().argsort(stable=True)
    r, d = r[order], d[order]
    rise = (r / width).exp()
    below = (d * rise).cumsum(0) - d * rise
    return (d.square() + 2 * d * below / rise).sum()
