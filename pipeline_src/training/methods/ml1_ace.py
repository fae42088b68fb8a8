"""mL1-ACE, the marginal L1 average calibration error as an auxiliary loss: Barfoot, Garcia-Peraza-Herrera, Glocker and
Vercauteren, "Average calibration error: A differentiable loss for improved reliability in image segmentation" (MICCAI
2024); with soft bins Barfoot, Garcia-Peraza-Herrera, Akcay, Glocker and Vercauteren, "Average calibration losses for
reliable uncertainty in medical image segmentation" (arXiv 2506.03942, 2025)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline_src.training.method import Method, Tensor

EMPTY = 0.01  # pixels: soft bins with less are empty, as in the authors' program


class ML1ACE(Method):
    """Cross entropy plus `weight` times the mean over images and classes of the mean over non-empty bins b of

    | mean of f_k - mean of y_k |,   over the image's pixels in bin b of f_k.

    `hard`: a pixel is in one of the `bins` equal intervals (l, u] of [0, 1]; f_k moves its bin's mean and does not
    choose its bin. `soft`: it is in the two bins whose centres are next to f_k, by shares that are linear in between
    and have a slope too; beyond the outermost centres it is in the outermost bin.

    A class that is absent from an image counts in the mean. `soft` has 0 for its error and `hard` the error itself.

    Kind: rivals
    Idea: The calibration error of each image and class, every bin alike however few its pixels, is added to the loss.
    Formula: `L(y) + weight mean_{i,k,b} |mean f_k - mean y_k|` over images, classes and bins of `f_k`
    Changes: loss
    Cost: none measurable
    Setting: Bins and equal weights of both parts are those of the authors' program with cross entropy
        (`hardl1ace_ce.yaml`), but for a common factor. Their papers report it with a Dice loss as a third part.
        `ml1_ace_soft` has the soft bins of their later program, and as there no error of a class that is absent from
        an image; the hard bins have it, as in their first program. Ours: soft edges of masks count by their share;
        ignored pixels are in no bin.
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
        place = (f * self.bins - 0.5).clamp(0, self.bins - 1)  # in units of bins, 0 at the lowest centre
        lower = place.detach().floor().clamp(max=self.bins - 2)
        upper = place - lower
        return [(lower.long(), 1 - upper), (lower.long() + 1, upper)]
