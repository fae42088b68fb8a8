"""mL1-ACE, marginal L1 average calibration error as a loss (Barfoot et al., MICCAI 2024)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat

from pipeline_src.training.method import Tensor
from pipeline_src.training.methods.dice_ce import DiceCE

EMPTY = 0.01  # a bin with a smaller sum of pixel shares counts as empty, as in the authors' program


class ML1ACE(DiceCE):
    """Dice loss with cross entropy, plus the average calibration error (ACE) of each class in each
    image.

    The ACE of class k is the mean over bins of |mean f_k - mean y_k|: each bin with pixels counts
    equally. `hard` puts a pixel in the bin that contains f_k, and only mean f_k has a gradient.
    `soft` splits it linearly between the two bins whose centers are next to f_k.

    Kind: comparison
    Idea: The calibration error of every class in every image is added to the loss.
    Formula: `L(y) + weight (1 - mean_k D_k) + error_weight mean_ikb |mean f_k - mean y_k|`, D_k of
        `dice_ce`, inner means over the pixels of image i in bin b
    Setting: Equal weights of the three terms, 20 bins, the binning, and an error of 0 for a class
        that an image lacks, as the authors' program of 2026; that of 2024 has the mean f_k as the
        error there. Ours: the Dice term of `dice_ce`; one logit is two classes; ignored pixels are
        in no bin.
    Source: Barfoot et al., MICCAI 2024 (hard); IEEE Transactions on Medical Imaging 2026 (soft)
    """

    error_weight: NonNegativeFloat = 1.0
    """Weight of the calibration error."""
    bins: int = Field(20, ge=2)
    """Number of equally wide bins of the probability."""
    binning: Literal["soft", "hard"] = "soft"
    """`soft` splits a pixel between two bins, `hard` does not."""

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        """Return cross entropy plus the weighted Dice loss and the weighted calibration error.

        Args:
            z: logits (B, 1, H, W) for two classes, or (B, K, H, W).
            t: labels of the same form.
        """
        from pipeline_src.training.pixels import log_distribution, planes

        error = self.calibration_error(log_distribution(z).exp(), planes(t))
        return super().loss(z, t) + self.error_weight * error

    def calibration_error(self, f: Tensor, y: Tensor) -> Tensor:
        """Return the average calibration error (ACE) over the B images and K classes of a batch.

        Args:
            f: probabilities (B, K, H, W).
            y: labels, a plane per class, (B, K, H, W).
        """
        from pipeline_src.training.pixels import valid

        # The place of each f among the centers of the bins, in bins: 0 is the center of the first.
        if self.binning == "hard":  # at the center of its bin, which is closed on the right
            position = (f.detach() * self.bins).ceil().clamp(1, self.bins) - 1
        else:
            position = (f * self.bins - 0.5).clamp(0, self.bins - 1)
        # A pixel is split between two neighboring bins; a hard one is all in one of them.
        lower = position.detach().floor().clamp(max=self.bins - 2)
        is_valid = valid(y)[:, None]  # ignored pixels have a share of 0 in both bins
        upper_share = (position - lower) * is_valid
        lower_share = (lower + 1 - position) * is_valid
        weight = f.new_zeros(*f.shape[:2], self.bins)  # pixels of each image, class and bin
        excess = weight  # sums of f - y in each bin, which start from the same zeros
        for number, share in ((lower, lower_share), (lower + 1, upper_share)):
            index = number.long().flatten(2)
            weight = weight.scatter_add(2, index, share.flatten(2))
            excess = excess.scatter_add(2, index, (share * (f - y)).flatten(2))
        filled = weight >= EMPTY
        # The mean of f - y in each bin; empty bins count as 0.
        gaps = filled * excess.abs() / weight.clamp(min=EMPTY)
        errors = gaps.sum(2) / filled.sum(2).clamp(min=1)
        present = y.sum((2, 3)) > 0  # classes that an image lacks have no error
        return (errors * present).mean()
