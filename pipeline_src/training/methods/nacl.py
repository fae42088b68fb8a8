"""NACL, neighbor-aware calibration (Murugesan et al., MICCAI 2023; Medical Image Analysis 2025)."""

from __future__ import annotations

from pydantic import Field

from pipeline_src.training.method import Method, Tensor


class NACL(Method):
    """Cross entropy plus a pull of each logit l_k to tau_k, the share of class k among the 3 x 3
    pixels around.

    The penalty fixes the level of the logits, which one logit z lacks: z is read as the two logits
    of that difference with the least penalty, |z - (tau_1 - tau_0)|.

    Kind: comparison
    Idea: Logits are pulled to the shares of the classes among the pixels around.
    Formula: `L(y) + weight mean_k |l_k - tau_k|`, for one logit `L(y) + weight / 2 |z - (tau_1 -
        tau_0)|`
    Setting: Weight, window, absolute distance and mean over classes of the authors' program; their
        papers write the sum. Ours: one logit as above; edge pixels are repeated beyond the image,
        where the program sees class 0; ignored pixels have no part in the shares.
    Source: Murugesan et al., MICCAI 2023; extended in Medical Image Analysis 2025
    """

    weight: float = Field(0.1, ge=0, description="Weight of the penalty.")

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        from pipeline_src.training.pixels import mean, planes

        y = planes(t)
        shares = around(y)
        towards = shares if z.shape[1] > 1 else shares[:, 1:] - shares[:, :1]
        return super().loss(z, t) + self.weight / y.shape[1] * mean((z - towards).abs().sum(1), y)


def around(y: Tensor) -> Tensor:
    """Return the mean of planes y (B, K, H, W) over the 3 x 3 pixels around each that count; 0 on a
    pixel that does not count. The outermost pixels are repeated beyond the image.
    """
    import torch
    from torch.nn import functional as F

    from pipeline_src.training.pixels import valid

    counts = valid(y)[:, None].to(y.dtype)
    padded = F.pad(torch.cat([y, counts], 1), [1] * 4, mode="replicate")
    means = F.avg_pool2d(padded, 3, stride=1)
    return counts * means[:, :-1] / means[:, -1:].clamp(min=1e-12)
