"""Segmentors of mmsegmentation with one logit a pixel or K, from a config of the package."""

from __future__ import annotations

import copy
import logging
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch

from pipeline_src.errors import UserError
from pipeline_src.files import reading
from pipeline_src.training.models.config import read_config

if TYPE_CHECKING:
    from mmseg.models import EncoderDecoder


def build_segmentor(config: str, pretrained: bool, classes: int = 2) -> EncoderDecoder:
    """Return the segmentor that a config of mmsegmentation describes, in train mode.

    Each head has one logit a pixel for two classes, else K. Initial weights are drawn from torch's
    global generator: seed it before.

    Args:
        config: a name of `config.model_names()`.
        pretrained: whether to load the weights that the config names.
        classes: K.

    Raises:
        UserError: there is no such model, the config is wrong, names no weights, or they are
            unavailable.
    """
    from mmengine.logging import MMLogger
    from mmengine.model import revert_sync_batchnorm
    from mmengine.registry import DefaultScope
    from mmseg.registry import MODELS

    # mmengine logs several lines for every parameter.
    MMLogger.get_current_instance().setLevel(logging.WARNING)
    # mmcv looks for layers in the scope of mmseg (U-Net's own).
    with DefaultScope.overwrite_default_scope("mmseg"):
        with reading(f"model.config: {config} can't be built", fix="correct it, or its `_base_`"):
            model = read_config(config).model
            # With `pretrained` only their names are wanted, so they are removed from a copy.
            weights = remove_weights(copy.deepcopy(model) if pretrained else model)
            set_classes(model, classes)
            segmentor = MODELS.build(model)
        if pretrained and not weights:
            raise UserError(
                f"model.pretrained is true, but {config} names no weights",
                expected="an init_cfg=dict(type='Pretrained', checkpoint=...) in the config",
                fix="name them there, or write `pretrained: false`",
            )
        try:
            segmentor.init_weights()
        except (OSError, RuntimeError, UnpicklingError) as error:  # an absent or damaged file
            if not pretrained:
                raise
            raise UserError(
                "model.pretrained is true, but the weights can't be loaded",
                found=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
                expected=", ".join(weights),
                fix=f"put the file into {torch.hub.get_dir()}/checkpoints under the last part of "
                "its URL, or write `pretrained: false`",
            ) from error
    return revert_sync_batchnorm(segmentor)  # synchronized statistics need a process group


def remove_weights(node: Any) -> list[str]:
    """Remove the pretrained weights of a model's config, in place; return their names.

    Any part of a model can name weights, by `pretrained` or by `init_cfg`.

    Args:
        node: the config of a model, or a dict, list or value in it.
    """
    names: list[str] = []
    children = node
    if isinstance(node, dict):
        children = node.values()
        if node.get("pretrained"):
            names.append(str(node.pop("pretrained")))
        init = node.get("init_cfg")
        if isinstance(init, dict) and init.get("type") == "Pretrained":
            names.append(str(init.get("checkpoint")))
            node["init_cfg"] = None
    elif not isinstance(node, list):
        return names
    for child in children:
        names.extend(remove_weights(child))
    return names


def set_classes(model: Any, classes: int) -> None:
    """Set one logit a pixel for two classes, else K, for each head in the config of a model.

    The model then predicts whole images, without sampler or normalization of mmsegmentation: the
    training loop has its own, and its own loss. A head's loss only carries the head's weight.
    """
    for head in [model.decode_head, *_listed(model.get("auxiliary_head") or [])]:
        losses = _listed(head.get("loss_decode") or {})
        head.update(
            num_classes=classes,
            out_channels=1 if classes == 2 else classes,
            threshold=0.5,  # of one logit; mmsegmentation's default is 0.3
            sampler=None,
            loss_decode=dict(
                type="CrossEntropyLoss",
                use_sigmoid=True,
                avg_non_ignore=True,
                loss_weight=sum(loss.get("loss_weight", 1.0) for loss in losses),
            ),
        )
    model.update(data_preprocessor=None, train_cfg=None, test_cfg=dict(mode="whole"))


def _listed(value: Any) -> list[Any]:
    """Return a value of a config as a list: configs give one head or loss, or a list of them."""
    return value if isinstance(value, list) else [value]


def normalization(config: str) -> tuple[list[float], list[float]]:
    """Return the mean and standard deviation per RGB channel that a config has, in 0..255.

    Raises:
        UserError: the config has none, or its network expects BGR images.
    """
    content = read_config(config)
    values = content.model.get("data_preprocessor") or content.get("data_preprocessor") or {}
    mean = values.get("mean")
    std = values.get("std")
    # mmsegmentation reads images as BGR: without bgr_to_rgb, mean, std and the network itself would
    # be in BGR order.
    if not (mean and std and len(mean) == len(std) == 3 and values.get("bgr_to_rgb")):
        raise UserError(
            f"model.config: {config} does not define how RGB images are normalized",
            found=f"data_preprocessor = {dict(values)}",
            expected="data_preprocessor=dict(type='SegDataPreProcessor', mean=[...], std=[...], "
            "bgr_to_rgb=True)",
            fix="for ImageNet weights of torchvision: mean=[123.675, 116.28, 103.53], "
            "std=[58.395, 57.12, 57.375]",
        )
    return [float(value) for value in mean], [float(value) for value in std]
