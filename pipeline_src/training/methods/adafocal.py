"""AdaFocal (Ghosh, Schaaf and Gormley, NeurIPS 2022).

It is focal loss whose exponent follows the calibration error of each bin of confidence.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import NegativeFloat, PositiveFloat

from pipeline_src.counting.bins import top_label
from pipeline_src.counting.counts import Histogram
from pipeline_src.training.method import Method, Tensor, Validation
from pipeline_src.training.methods.focal import focal_loss, one_minus_p
from pipeline_src.validation import Count


class AdaFocal(Method):
    """Focal loss (1 - f)^gamma (-log f), or inverse focal loss (1 + f)^|gamma| (-log f).

    f is the probability of the label. The first one holds where gamma > 0, the second elsewhere:
    it makes the network more confident.

    Each bin b of confidence holds equally many validation pixels. A |gamma_b| below `switch`
    becomes `switch` of the other sign; then gamma_b is clipped. A training pixel takes the gamma of
    the bin in which its label's probability f lies.

    With two classes all wrong pixels fall in the lowest bin. A gamma near `highest` there silences
    those near 0.5 (0.5^20 is 1e-6), and the network can keep predicting one class. `mean_gamma` of
    the history includes empty bins.

    Kind: comparison
    Idea: Focal loss with a gamma per bin of confidence that follows the bin's calibration on the
        validation images.
    Formula: `gamma_b <- gamma_b exp(sign(gamma_b) rate (C_b - A_b))`; inverse focal where `gamma_b
        < 0`
    Setting: Update and defaults of the authors' program, which trains 350 epochs on CIFAR-10. Ours:
        soft labels mix the losses of their classes; bins are cut at 66,300 levels, merge where they
        share an edge, and empty ones keep their gamma; a pixel is a sample, and the loss is the
        mean over pixels, where the authors clip the gradient of the sum.
    Source: Ghosh et al., NeurIPS 2022
    """

    bins: Count = 15
    """Number of bins."""
    rate: PositiveFloat = 1.0
    """How fast gamma follows the bins' errors, the paper's lambda."""
    initial: PositiveFloat = 1.0
    """Gamma of all bins before the first validation."""
    switch: PositiveFloat = 0.2
    """Below this |gamma| a bin goes over to the other of the two losses."""
    highest: PositiveFloat = 20.0
    """Largest gamma."""
    lowest: NegativeFloat = -2.0
    """Smallest gamma; negative, an inverse focal loss."""
    _gammas: np.ndarray  # (bins,)
    _edges: np.ndarray  # (bins - 1,): bin b holds edge b-1 < f <= edge b

    def model_post_init(self, context: Any) -> None:
        """Start with the same exponent gamma in all bins, and with bins of equal width.

        Validation then moves both. Pydantic calls this method after reading the parameters.
        """
        self._gammas = np.full(self.bins, self.initial)
        self._edges = np.arange(1, self.bins) / self.bins

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        """Return the focal loss in which each probability f takes the gamma of its bin.

        Args:
            z: logits (B, 1, H, W) for two classes, or (B, K, H, W).
            t: labels of the same form.
        """
        import torch

        from pipeline_src.training.pixels import log_distribution

        log_f = log_distribution(z)
        f = log_f.exp()
        bin_number = torch.bucketize(f.detach(), z.new_tensor(self._edges))
        gamma = z.new_tensor(self._gammas)[bin_number]
        # Focal loss where gamma is above 0, else inverse focal loss.
        base = torch.where(gamma > 0, one_minus_p(log_f), 1 + f)
        return focal_loss(log_f, t, base, gamma.abs())

    def after_validation(self, validation: Validation, epoch: int) -> None:
        """Update the edges of the bins, and gamma of each bin by its calibration error.

        An overconfident bin gets a larger gamma, which holds its confidence down.
        """
        assert validation.histogram is not None
        self._edges, errors = equal_mass(validation.histogram, self.bins)
        gammas = self._gammas * np.exp(np.sign(self._gammas) * self.rate * errors)
        # A gamma near 0 goes over to the other loss, because the update cannot change its sign.
        gammas = np.where(np.abs(gammas) < self.switch, -np.sign(gammas) * self.switch, gammas)
        self._gammas = gammas.clip(self.lowest, self.highest)

    def history_values(self) -> dict[str, float]:
        """Return the mean gamma over all bins."""
        return {"mean_gamma": float(self._gammas.mean())}


def equal_mass(histogram: Histogram, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the inner edges and the calibration errors of bins with equally many pixels.

    Args:
        histogram: validation pixels by confidence, in narrow cells.

    Returns:
        edges of confidence (bins - 1,); confidence minus accuracy (bins,), 0 for empty bins.
    """
    cells = top_label(histogram)
    pixels = cells.count.cumsum()
    # Inner bin b ends in the cell that contains the pixel number b / bins * all; both sides of the
    # comparison are multiplied by `bins`, so they stay integers.
    quantiles = np.arange(1, bins) * pixels[-1]
    last = np.searchsorted(pixels * bins, quantiles)
    ends = np.append(last, len(pixels) - 1)  # the last cell of each bin
    count = np.diff(pixels[ends], prepend=0)
    excess = np.diff(cells.excess.cumsum()[ends], prepend=0)
    # Cell i of n ends at the confidence (i + 1) / n.
    return (last + 1) / len(pixels), excess / np.maximum(count, 1)
