"""The decoder of the released program (docs/protocol.md section 1): dilated convolutions, fused from coarse to fine.

The fusion follows RefineNet (Lin et al., CVPR 2017): residual convolution units, without its chained pooling.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

DILATIONS = (3, 6, 12, 18)


@MODELS.register_module()
class ASLPHead(BaseDecodeHead):
    """Features of four levels, 1/4 to 1/32 of the image -> logits (B, C, H, W), of the image's size if 4 divides it.

    Convolutions start as torch's default draws them, those of `DilatedSum` excepted.

    Args:
        in_channels: channels of the levels, fine to coarse.
        width: channels of each level after its dilated convolutions, and through the fusion.
        hidden: channels after the first convolution of the head, ahead of its upsampling.
        channels: channels that the last, 1 x 1 convolution reads (32 in the released program).
    """

    def __init__(
        self, in_channels: Sequence[int], channels: int = 32, width: int = 256, hidden: int = 128, **kwargs: Any
    ):
        # mmsegmentation's own init_cfg would draw the last convolution with a standard deviation of 0.01.
        super().__init__(
            in_channels=in_channels, channels=channels, input_transform="multiple_select", init_cfg=None, **kwargs
        )
        self.levels = nn.ModuleList(DilatedSum(level, width) for level in in_channels)
        self.fusions = nn.ModuleList(Fusion(width) for _ in in_channels[1:])
        self.coarsest = ResidualUnit(width)
        self.enter = nn.Conv2d(width, hidden, 3, padding=1)
        self.leave = nn.Sequential(nn.Conv2d(hidden, channels, 3, padding=1), nn.ReLU(inplace=True))

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        *finer, coarsest = [level(x) for level, x in zip(self.levels, self._transform_inputs(inputs), strict=True)]
        path = self.coarsest(coarsest)
        for fusion, level in zip(reversed(self.fusions), reversed(finer), strict=True):
            # Twice as large; less where an odd size was halved on the way down.
            path = fusion(aligned(path, size=level.shape[2:]), level)
        x = self.enter(aligned(path, scale_factor=2))
        return self.cls_seg(self.leave(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)))


def aligned(x: Tensor, size: Sequence[int] | None = None, scale_factor: float | None = None) -> Tensor:
    """Bilinear upsampling that keeps the four corner pixels; only the fusion uses it."""
    return F.interpolate(x, size, scale_factor, mode="bilinear", align_corners=True)


class DilatedSum(nn.Module):
    """The sum of 3 x 3 convolutions of one map at several dilations. Weights start as N(0, 0.01), biases as torch's."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        convolutions = [nn.Conv2d(in_channels, out_channels, 3, padding=d, dilation=d) for d in DILATIONS]
        self.convs = nn.ModuleList(convolutions)
        for conv in convolutions:
            nn.init.normal_(conv.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        return reduce(add, [conv(x) for conv in self.convs])


class Fusion(nn.Module):
    """A level is refined, added to the coarser `path` of its size, and the sum refined once more."""

    def __init__(self, channels: int):
        super().__init__()
        self.before, self.after = ResidualUnit(channels), ResidualUnit(channels)

    def forward(self, path: Tensor, level: Tensor) -> Tensor:
        return self.after(path + self.before(level))


class ResidualUnit(nn.Sequential):
    """relu(x) plus two 3 x 3 convolutions of it, ReLU between them. The released ReLU works in place, so the skip
    carries relu(x), not the x of RefineNet."""

    def __init__(self, channels: int):
        super().__init__(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        return x + super().forward(x)
