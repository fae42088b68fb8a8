"""The decoder of the paper (paper section 4): dilated convolutions on each level, fused from coarse to fine.

The fusion follows RefineNet (Lin et al., CVPR 2017): residual convolution units, without its chained pooling.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from torch import Tensor, nn

DILATIONS = (3, 6, 12, 18)


@MODELS.register_module()
class ASLPHead(BaseDecodeHead):
    """Features of four levels, 1/4 to 1/32 of the image -> logits (B, 1, H, W) at the image's own size.

    Args:
        in_channels: channels of the levels, fine to coarse.
        width: channels of each level after its dilated convolutions, and through the fusion.
        hidden: channels after the first convolution of the head, ahead of its upsampling.
        channels: channels that the last, 1 x 1 convolution reads (32 in the paper).
    """

    def __init__(self, in_channels: Sequence[int], channels: int = 32, width: int = 256, hidden: int = 128, **kwargs):
        super().__init__(in_channels=in_channels, channels=channels, input_transform="multiple_select", **kwargs)
        self.levels = nn.ModuleList(DilatedSum(level, width) for level in in_channels)
        self.fusions = nn.ModuleList(Fusion(width) for _ in in_channels)
        self.enter = nn.Conv2d(width, hidden, 3, padding=1)
        self.leave = nn.Sequential(nn.Conv2d(hidden, channels, 3, padding=1), nn.ReLU(inplace=True))

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        levels = [level(x) for level, x in zip(self.levels, self._transform_inputs(inputs), strict=True)]
        path = None
        for fusion, level in zip(reversed(self.fusions), reversed(levels), strict=True):
            path = fusion(level, None if path is None else self._resize(path, size=level.shape[2:]))
        path = self.enter(self._resize(path, scale_factor=2))
        return self.cls_seg(self.leave(self._resize(path, scale_factor=2)))

    def _resize(self, x: Tensor, **to) -> Tensor:
        return resize(x, mode="bilinear", align_corners=self.align_corners, **to)


class DilatedSum(nn.Module):
    """The sum of 3 x 3 convolutions of one map at several dilations."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(in_channels, out_channels, 3, padding=d, dilation=d) for d in DILATIONS)

    def forward(self, x: Tensor) -> Tensor:
        return sum(conv(x) for conv in self.convs)


class Fusion(nn.Module):
    """A level is refined, added to the coarser `path` (there is none at the coarsest level), and refined once more."""

    def __init__(self, channels: int):
        super().__init__()
        self.before, self.after = ResidualUnit(channels), ResidualUnit(channels)

    def forward(self, level: Tensor, path: Tensor | None) -> Tensor:
        x = self.before(level)
        return self.after(x if path is None else path + x)


class ResidualUnit(nn.Sequential):
    """Twice ReLU and a 3 x 3 convolution, added to the input."""

    def __init__(self, channels: int):
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)
