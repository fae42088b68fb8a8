"""mL1-ACE, the marginal L1 average calibration error as a loss (Barfoot et al., MICCAI 2024; with soft bins arXiv
2506.03942, 2025)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline_src.training.method import Method, Tensor

EMPTY = 0.01  # pixels: soft bins with less are empty, as in the authors' program


class ML1ACE(Method):
    """Cross entropy plus the calibration error of each image and class, averaged over non-empty bins.

    `hard`: f_k moves the mean of its bin (l, u] and does not choose it. `soft`: a pixel is in the two bins whose
    centers are next to f_k, by linear shares; beyond the outermost centers in the outermost bin. A class that is absent
    from an image has error 0 in `soft`, and its own error in `hard`.

    Kind: comparison
    Idea: The calibration error of each image and class, all bins with equal weight, is added to the loss.
    Formula: `L(y) + weight mean_{i,k,b} |mean f_k - mean y_k|` over images, classes and bins of `f_k`
    Setting: Bins and equal weights of the authors' program with cross entropy (`hardl1ace_ce.yaml`), but for a common
        factor; their papers add a Dice loss. `ml1_ace_soft` has the soft bins of their later program. Ours: soft edges
        of masks count by their share; ignored pixels are in no bin.
    Source: Barfoot et al., MICCAI 2024; soft bins from Barfoot et al., arXiv 2506.03942
    """

    weight: float = Field(1.0, ge=0, description="Weight of the calibration error.")
    bins: int = Field(20, ge=2, description="Number of equally wide bins.")
    binning: Literal["hard", "soft"] = Field("hard", description="Whether a pixel is in one bin, or shared by two.")

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        from pipeline_src.training.pixels import log_distribution, planes, valid

        y = planes(t)
        f, y, counts = (values.flatten(2) for values in (log_distribution(z).exp(), y, valid(y)[:, None].expand_as(y)))
        gaps, filled = self._gaps(f, y, counts.to(f.dtype))
        error = (gaps * filled).sum(2) / filled.sum(2).clamp(min=1)
        if self.binning == "soft":
            error = error * (y.sum(2) > 0)
        return super().loss(z, t) + self.weight * error.mean()

    def _gaps(self, f: Tensor, y: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """|mean f - mean y| in each bin and which bins are not empty, (B, K, bins), of f, y and counts (B, K, N)."""
        pixels = excess = f.new_zeros(*f.shape[:2], self.bins)
        for index, share in self._shares(f):
            pixels = pixels.scatter_add(2, index, counts * share)
            excess = excess.scatter_add(2, index, counts * share * (f - y))
        return (excess / pixels.clamp(min=EMPTY)).abs(), pixels >= EMPTY

    def _shares(self, f: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The bins of f (B, K, N), and the share of each pixel that is in them."""
        import torch

        if self.binning == "hard":
            return [((f.detach() * self.bins).ceil().long().sub(1).clamp(0, self.bins - 1), torch.ones_like(f))]
        place = (f * self.bins - 0.5).clamp(0, self.bins - 1)  # in units of bins, 0 at the lowest center
        lower = place.detach().floor().clamp(max=self.bins - 2)
        upper = place - lower
        return [(lower.long(), 1 - upper), (lower.long() + 1, upper)]
