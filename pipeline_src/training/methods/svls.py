"""SVLS, spatially varying label smoothing (Islam and Glocker, IPMI 2021)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline_src.training.method import Batch, Method, Tensor


class SVLS(Method):
    """Mixes each label with those around it by a Gaussian window of `size` x `size` pixels, whose center weighs as much
    as all others. Labels change only at borders between classes. Edge pixels are repeated beyond the image.

    Kind: comparison
    Idea: Labels are smoothed by those around them, so only at borders.
    Formula: `L(1/2 y + 1/2 sum_j g_j y_j / (1 - g_center))`, `g` Gaussian of `sigma` pixels
    Setting: Window and sigma of the authors' program. Ours: windows of 5 and 7; ignored pixels have no part in the
        labels of those around them; soft edges of masks are smoothed once more.
    Source: Islam and Glocker, IPMI 2021
    """

    sigma: float = Field(1.0, gt=0, description="Standard deviation of the Gaussian in pixels.")
    size: Literal[3, 5, 7] = Field(3, description="Side of the window in pixels.")

    def targets(self, y: Tensor, batch: Batch) -> Tensor:
        from pipeline_src.training.pixels import around, planes

        return around(planes(y), self._window(y))[:, -y.shape[1] :]

    def _window(self, y: Tensor) -> Tensor:
        """(size, size) weights that sum to 1, half of it in the center."""
        import torch

        distance = torch.arange(self.size, dtype=y.dtype, device=y.device) - self.size // 2
        line = (-(distance**2) / (2 * self.sigma**2)).exp()
        window, center = torch.outer(line, line), self.size // 2
        window[center, center] = 0
        window = window / window.sum()
        window[center, center] = 1
        return window / 2
