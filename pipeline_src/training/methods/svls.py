"""SVLS, spatially varying label smoothing (Islam and Glocker, IPMI 2021).

Labels are smoothed over the pixels around each pixel, so only near the borders of objects.
"""

from __future__ import annotations

from functools import partial

from pydantic import PositiveFloat

from pipeline_src.training.method import Batch, Method, Tensor


class SVLS(Method):
    """Cross entropy against labels that are smoothed over 3 x 3 pixels, which changes borders only.

    The weights are a Gaussian whose center is set to the sum of its neighbors: half of a target is
    the label of the pixel, half the weighted mean of the eight around it.

    Kind: comparison
    Idea: Labels are smoothed near the borders of objects, where annotators disagree.
    Formula: `L((y + sum_j w_j y_j) / 2)`, `w_j` of sum 1 proportional to `exp(-d_j^2 / (2
        sigma^2))` over the eight pixels around, at the distances d_j
    Setting: `sigma`, window and repeated edge pixels of the authors' program for 2D images; their
        paper smooths volumes. Ours: ignored pixels have no part in the weights.
    Source: Islam and Glocker, IPMI 2021
    """

    sigma: PositiveFloat = 1.0
    """Width of the Gaussian, in pixels."""

    def targets(self, y: Tensor, batch: Batch) -> Tensor:
        """Return labels y (B, 1 or K, H, W), smoothed over the 3 x 3 pixels around each pixel."""
        import torch
        from torch.nn import functional as F

        from pipeline_src.training.pixels import local_mean

        squares = y.new_tensor([1.0, 0.0, 1.0])  # squared steps from the center, in one direction
        gaussian = torch.exp(-(squares + squares[:, None]) / (2 * self.sigma**2))
        gaussian[1, 1] = gaussian.sum() - gaussian[1, 1]  # the center weighs as all neighbors do
        channels = y.shape[1] + 1  # `local_mean` adds a map of the valid pixels
        kernel = gaussian.expand(channels, 1, 3, 3)
        return local_mean(y, partial(F.conv2d, weight=kernel, groups=channels))
