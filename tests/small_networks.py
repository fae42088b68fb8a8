"""Networks for tests of training, small enough that a step takes a few milliseconds: backbones, and their configs."""

from __future__ import annotations

from pathlib import Path

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

# Names for `model.config`; running statistics and dropout, at half the image's size; logits linear in a pixel's color.
SMALL, LINEAR = (str(Path(__file__).with_name(name)) for name in ("small_config", "linear_config"))


@MODELS.register_module(force=True)
class OneConvolution(BaseModule):
    """Images (B, 3, H, W) -> one map of 8 channels, at half their size."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (self.layers(x),)


@MODELS.register_module(force=True)
class Colors(BaseModule):
    """Images as they are."""

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (x,)
