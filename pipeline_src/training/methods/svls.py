"""SVLS, spatially varying label smoothing: Islam and Glocker, "Spatially varying label smoothing: Capturing uncertainty
from expert annotations" (IPMI 2021)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline_src.training.method import Batch, Method, Tensor


class SVLS(Method):
    """Each label is mixed with those around it: with a Gaussian window g of `size` x `size` pixels that sums to 1,

    t = 1/2 y + 1/2 sum_j g_j y_j / (1 - g_centre),   j over the other pixels of the window.

    The centre's own weight is thus the sum of all others', which is what the authors put in its place before they
    normalise. Labels change only at borders between classes. The outermost pixels are repeated beyond the image.

    Kind: rivals
    Idea: Labels are smoothed by those around them, so only at borders.
    Formula: `L(1/2 y + 1/2 sum_j g_j y_j / (1 - g_centre))`, `g` Gaussian of `sigma` pixels
    Changes: labels
    Cost: none measurable
    Setting: Window and sigma are those of the authors' program. Ours: windows of 5 and 7; ignored pixels have no part
        in the labels of those around them; soft edges of masks are smoothed once more.
    Source: Islam and Glocker, IPMI 2021
    """

    sigma: float = Field(1.0, gt=0, description="Standard deviation of the Gaussian in pixels.")
    size: Literal[3, 5, 7] = Field(3, description="Side of the window in pixels.")

    def targets(self, y: Tensor, batch: Batch) -> Tensor:
        from pipeline_src.training.pixels import around, planes

        return around(planes(y), self._window(y))[:, -y.shape[1] :]

    def _window(self, y: Tensor) -> Tensor:
        """(size, size) weights that sum to 1, half of it in the centre."""
        import torch

        distance = torch.arange(self.size, dtype=y.dtype, device=y.device) - self.size // 2
        line = (-(distance**2) / (2 * self.sigma**2)).exp()
        window, centre = torch.outer(line, line), self.size // 2
        window[centre, centre] = 0
        window = window / window.sum()
        window[centre, centre] = 1
        return window / 2
