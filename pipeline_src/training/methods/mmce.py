"""MMCE, maximum mean calibration error as a penalty (Kumar, Sarawagi and Jain, ICML 2018)."""

from __future__ import annotations

from pydantic import NonNegativeFloat

from pipeline_src.training.method import Method, Tensor

SAMPLES = 128  # n, the batch size of the authors' program
WIDTH = 0.4  # width of the Laplacian kernel in units of confidence, as in the authors' program


class MMCE(Method):
    """Cross entropy plus the kernel norm of sum_i d_i k(r_i, .), k(r, r') = exp(-|r - r'| / width),
    over all N pixels of the batch with confidence r_i and correctness c_i (the label's share of the
    predicted class). With a = sum c / N and n = 128,

    d_i = c_i (1 - r_i) / (a N max(1, a n)) - (1 - c_i) r_i / ((1 - a) N max(1, (1 - a) n)).

    This is the authors' program, which divides the paper's MMCE_w once more by the numbers of right
    and of wrong samples in a batch. It is 0 in a batch without pixels of both kinds, and a
    calibrated network does not minimize it.

    Kind: comparison
    Idea: A kernel measure of the batch's miscalibration, exactly over all pairs of pixels, is added
        to the loss.
    Formula: `L(y) + weight sqrt(sum_ij d_i d_j exp(-|r_i - r_j| / width))`, `d = (1 - r) / (a N
        max(1, a n))` where right, `-r / ((1 - a) N max(1, (1 - a) n))` where wrong
    Setting: Weight, `width` and n of the authors' program, whose script runs weights of 1 to 13.
        `mmce_mukhoti` (NeurIPS 2020) has weight 2. Ours: all pixels of a batch instead of 128
        samples. On validation pixels of a baseline of `mini` their penalty is 0.111 (mean over
        random batches of 128), and ours 0.089.
    Source: Kumar et al., ICML 2018
    """

    weight: NonNegativeFloat = 4.0
    """Weight of the penalty; Mukhoti et al. take 2."""

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        """Return cross entropy plus the weighted MMCE of the batch.

        The penalty is 0 if the batch has no right pixel or no wrong pixel.

        Args:
            z: logits (B, 1, H, W) for two classes, or (B, K, H, W).
            t: labels of the same form.
        """
        from pipeline_src.training.pixels import log_distribution, planes, valid

        y = planes(t)
        log_r, predicted = log_distribution(z).max(1, keepdim=True)
        is_valid = valid(y).flatten().double()  # 1, and 0 for ignored pixels
        r = log_r.double().exp().flatten()  # confidence
        c = y.gather(1, predicted).flatten().double()  # the label's share of the predicted class
        right = c * is_valid
        wrong = (1 - c) * is_valid
        loss = super().loss(z, t)
        if right.any() and wrong.any():
            d_right = right * (1 - r) / _divisor(right, is_valid)
            d_wrong = wrong * r / _divisor(wrong, is_valid)
            # The square root has an infinite slope at 0, where the clamp stops the gradient.
            norm = kernel_sum(r, d_right - d_wrong).clamp(min=1e-12).sqrt()
            loss = loss + self.weight * norm.to(z.dtype)
        return loss


def _divisor(weights: Tensor, is_valid: Tensor) -> Tensor:
    """Return the divisor of the kernel's coefficients d for the right or for the wrong pixels.

    It is the number of these pixels, a N for the right ones, times the number that `SAMPLES` pixels
    would have at the same share, max(1, a n). The second factor is that of the authors' program.

    Args:
        weights: how much each pixel is right (or wrong), (N,) in [0, 1]; 0 if it is ignored.
        is_valid: (N,), 0 if a pixel is ignored and else 1.
    """
    number = weights.sum()
    return number * (SAMPLES * number / is_valid.sum()).clamp(min=1)


def kernel_sum(r: Tensor, d: Tensor) -> Tensor:
    """Return sum_ij d_i d_j exp(-|r_i - r_j| / WIDTH) for r (N,) in [0, 1] and d (N,).

    It is the squared norm of the kernel penalty. It takes O(N log N): for sorted r the kernel is
    exp(-r_i / WIDTH) exp(r_j / WIDTH) for all j < i, so the inner sum is a cumulative sum.
    """
    order = r.detach().argsort(stable=True)
    r = r[order]
    d = d[order]
    rise = (r / WIDTH).exp()
    below = (d * rise).cumsum(0) - d * rise  # the sum over all j < i
    return (d.square() + 2 * d * below / rise).sum()  # pairs i = j, and each other pair twice
