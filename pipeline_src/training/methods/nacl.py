"""NACL, neighbor-aware calibration (Murugesan et al., MICCAI 2023; Medical Image Analysis 2025).

A penalty pulls the logits of a pixel to the shares of the classes among the pixels around.
"""

from __future__ import annotations

from functools import partial

from pydantic import NonNegativeFloat

from pipeline_src.training.method import Method, Tensor


class NACL(Method):
    """Cross entropy plus a pull of each logit l_k to tau_k, the share of class k among the 3 x 3
    pixels around.

    For two classes there is one logit z, the difference of two logits l_1 - l_0 whose level is not
    known. The level with the least penalty is taken, and the penalty is |z - (tau_1 - tau_0)|.

    Kind: comparison
    Idea: Logits are pulled to the shares of the classes among the pixels around.
    Formula: `L(y) + weight mean_k |l_k - tau_k|`, for one logit `L(y) + weight / 2 |z - (tau_1 -
        tau_0)|`
    Setting: Weight, window, absolute distance and mean over classes of the authors' program; their
        papers write the sum. Ours: one logit as above; edge pixels are repeated beyond the image,
        where the program sees class 0; ignored pixels have no part in the shares.
    Source: Murugesan et al., MICCAI 2023; extended in Medical Image Analysis 2025
    """

    weight: NonNegativeFloat = 0.1
    """Weight of the penalty."""

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        """Return cross entropy plus the weighted distance of logits to local class shares.

        Args:
            z: logits (B, 1, H, W) for two classes, or (B, K, H, W).
            t: labels of the same form.
        """
        from torch.nn import functional as F

        from pipeline_src.training.pixels import local_mean, mean, planes

        y = planes(t)
        shares = local_mean(y, partial(F.avg_pool2d, kernel_size=3, stride=1))
        if z.shape[1] == 1:  # one logit is the difference of two logits, and so is its target
            shares = shares[:, 1:] - shares[:, :1]
        return super().loss(z, t) + self.weight / y.shape[1] * mean((z - shares).abs().sum(1), y)
