"""NACL, neighbour-aware calibration: Murugesan, Adiga, Liu, Lombaert, Ben Ayed and Dolz, "Trust your neighbours:
Penalty-based constraints for model calibration" (MICCAI 2023); extended as "Neighbor-aware calibration of segmentation
networks with penalty-based constraints" (Medical Image Analysis 2025)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline_src.training.method import Method, Tensor


class NACL(Method):
    """Cross entropy plus `weight` times the mean over pixels and classes of |l_k - tau_k|,

    where tau_k is the share of class k among the `size` x `size` pixels around. The mean over classes is that of the
    authors' program, with which they train; their papers write the sum, a weight K times larger.

    The penalty holds the logits themselves, not their differences, and one logit z has no level of its own: it is read
    as the two logits of that difference whose penalty is least, which gives |z - (tau_1 - tau_0)| for the sum over the
    two classes. Both classes are thus alike.

    Kind: rivals
    Idea: Logits are pulled to the shares of the classes among the pixels around.
    Formula: `L(y) + weight mean_k |l_k - tau_k|`, for one logit `L(y) + weight / 2 |z - (tau_1 - tau_0)|`
    Changes: loss
    Cost: none measurable
    Setting: Weight, window, absolute distance and the mean over classes are those of the authors' program; their papers
        write the sum over classes. Ours: one logit as above; beyond the image the outermost pixels are repeated, where
        the program sees class 0; ignored pixels have no part in the shares.
    Source: Murugesan et al., MICCAI 2023; extended in Medical Image Analysis 2025
    """

    weight: float = Field(0.1, ge=0, description="Weight of the penalty.")
    size: Literal[3, 5, 7] = Field(3, description="Side of the window in pixels.")

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        from pipeline_src.training.pixels import around, mean, planes

        y = planes(t)
        shares = around(y, y.new_ones(self.size, self.size))
        towards = shares if z.shape[1] > 1 else shares[:, 1:] - shares[:, :1]
        return super().loss(z, t) + self.weight / y.shape[1] * mean((z - towards).abs().sum(1), y)
