"""Segmentors with one logit a pixel or K, from an mmsegmentation config or a user's function, and their logits."""

from __future__ import annotations

import copy
import importlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.logs import quiet
from pipeline_src.training.models.config import is_factory, model_names, read_config
from pipeline_src.training.models.weights import ERRORS, check_loaded, loading_error, remove_weights, weights_only
from pipeline_src.training.user_code import load

if TYPE_CHECKING:
    from mmseg.models import EncoderDecoder

log = logging.getLogger(__name__)


class Network(nn.Module):
    """A user's `network` in the place of an `EncoderDecoder`.

    Args:
        network: normalized images (B, 3, S, S) -> logits (B, C, h, w).
        channels: C, 1 for two classes, else their number.
        factory: the function that built it.
    """

    def __init__(self, network: nn.Module, channels: int, factory: str):
        super().__init__()
        self.network, self.channels, self.factory = network, channels, factory

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (B, C, h, w); UserError if the network returns anything else."""
        z: Tensor = self.network(inputs)
        if _is_map(z, self.channels) and z.is_floating_point() and len(z) == len(inputs):
            return z
        raise UserError(
            f"model.factory: the network of {self.factory} does not give one map of logits per class",
            found=_described(z),
            expected=f"a tensor of floats ({len(inputs)}, {self.channels}, height, width) for images "
            f"{tuple(inputs.shape)}; logits, ahead of any sigmoid or softmax",
            fix="build the network with as many outputs as the function is called with, and return the one tensor",
        )


def build_segmentor(network: str, pretrained: bool, image_size: int, classes: int = 2) -> nn.Module:
    """Return the `EncoderDecoder` that a config describes, or a user's `Network`: one logit a pixel from each head for
    two classes, else K; without its own loss, in train mode.

    Initial weights are drawn from torch's global generator: seed it before.

    Args:
        network: a name of `model_names()`, the path of an mmsegmentation config file, or a factory, `FILE.py:FUNCTION`
            or `PACKAGE.MODULE:FUNCTION`.
        pretrained: load the weights that the config names. A factory decides for itself.
        image_size: side in pixels of its square images; it is tried on one.

    Raises:
        UserError: no such network, not an EncoderDecoder, weights unavailable, or unsuitable inputs or outputs.
    """
    segmentor: Any
    if is_factory(network):
        segmentor, key = _from_factory(network, 1 if classes == 2 else classes), "factory"
    else:
        segmentor, key = _from_config(network, pretrained, classes), "config"
    image = torch.randn(1, 3, image_size, image_size, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            z, *_ = all_logits(segmentor.eval(), image)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(
            f"model.{key}: {network} fails on an image of {image_size} x {image_size} pixels",
            found=f"{type(error).__name__}: {error}",
            fix="try another image_size, and that the channels of its parts fit together",
        ) from error
    if z.min() >= 0 and z.max() <= 1 and z.any():
        log.warning(
            "%s: all outputs lie in [0, 1]. They are taken as logits: if the network ends in a sigmoid or softmax, "
            "remove that",
            network,
        )
    trained: nn.Module = segmentor.train()
    return trained


def logits(segmentor: EncoderDecoder | Network, inputs: Tensor) -> Tensor:
    """Normalized images (B, 3, S, S) -> logits (B, C, h, w) of the decode head, at the resolution that it works in."""
    if isinstance(segmentor, Network):
        return segmentor.forward(inputs)
    return _one_map(segmentor.decode_head, segmentor.extract_feat(inputs))


def all_logits(segmentor: EncoderDecoder | Network, inputs: Tensor) -> list[Tensor]:
    """Return logits of the decode head and of each auxiliary head, which exist for training only."""
    if isinstance(segmentor, Network):
        return [segmentor.forward(inputs)]
    features = segmentor.extract_feat(inputs)
    return [_one_map(head, features) for head in _heads(segmentor)]


def head_weights(segmentor: EncoderDecoder | Network) -> list[float]:
    """Return the weight of each of `all_logits` in the loss: 1 for the decode head, others as in the config."""
    if isinstance(segmentor, Network):
        return [1.0]
    weights = [head.loss_decode.loss_weight for head in _heads(segmentor)]
    return [weight / weights[0] for weight in weights]


def normalization(network: str) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation per RGB channel, in units of 0..255: from the config's `data_preprocessor`;
    those of ImageNet for a factory."""
    if is_factory(network):
        return [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
    content = read_config(network)
    values = content.model.get("data_preprocessor") or content.get("data_preprocessor") or {}
    mean, std = values.get("mean"), values.get("std")
    # mmsegmentation reads images as BGR: without bgr_to_rgb mean, std and the network itself would be in BGR order.
    if not (mean and std and len(mean) == len(std) == 3 and values.get("bgr_to_rgb")):
        raise UserError(
            f"model.config: {network} does not define how RGB images are normalized",
            found=f"data_preprocessor = {dict(values)}",
            expected="data_preprocessor=dict(type='SegDataPreProcessor', mean=[...], std=[...], bgr_to_rgb=True)",
            fix="for ImageNet weights of torchvision: mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]",
        )
    return [float(value) for value in mean], [float(value) for value in std]


def description(network: str, image_size: int, classes: int = 2) -> dict[str, Any]:
    """Return what a network is, in JSON's types: `network`, a config's resolved `model` without its initial weights,
    `classes`, `normalization` and `image_size` in pixels."""
    facts = {"classes": classes, "normalization": list(normalization(network)), "image_size": image_size}
    if is_factory(network):
        return {"network": network} | facts
    model = copy.deepcopy(read_config(network).model)
    remove_weights(model)
    _set_classes(model, classes)
    resolved = json.loads(json.dumps(model, default=lambda value: getattr(value, "__qualname__", str(type(value)))))
    # A config of the user's is what it holds: under another name it is the same network.
    return {"network": network if network in model_names() else "a config", "model": resolved} | facts


# Networks of mmsegmentation


def _from_config(config: str, pretrained: bool, classes: int) -> nn.Module:
    model = copy.deepcopy(read_config(config).model)
    if isinstance(model.decode_head, list):
        raise UserError(f"model.config: {config} is a cascade of decode heads", expected="one decode_head=dict(...)")
    bare = copy.deepcopy(model)
    weights = remove_weights(bare)
    if pretrained and not weights:
        raise UserError(
            f"model.pretrained is true, but {config} names no weights",
            expected="an init_cfg=dict(type='Pretrained', checkpoint=...) in the config",
            fix="name them there, or write `pretrained: false`",
        )
    model = model if pretrained else bare
    _set_classes(model, classes)
    return _built(model, config, weights if pretrained else [])


def _set_classes(model: Any, classes: int) -> None:
    """Set one or K logits a pixel for each head and whole images, without mmsegmentation's loss, sampler and
    normalization."""
    auxiliary = model.get("auxiliary_head") or []
    for head in [model.decode_head, *(auxiliary if isinstance(auxiliary, list) else [auxiliary])]:
        losses = head.get("loss_decode") or {}
        losses = losses if isinstance(losses, list) else [losses]
        weight = sum(loss.get("loss_weight", 1.0) for loss in losses)
        head.update(num_classes=classes, out_channels=1 if classes == 2 else classes, threshold=0.5, sampler=None)
        # Never called (the loss is the method's); it carries the weight of the head.
        head.loss_decode = dict(type="CrossEntropyLoss", use_sigmoid=True, avg_non_ignore=True, loss_weight=weight)
    model.update(data_preprocessor=None, train_cfg=None, test_cfg=dict(mode="whole"))


def _built(model: Any, config: str, weights: list[str]) -> nn.Module:
    from mmengine.logging import MMLogger
    from mmengine.model import revert_sync_batchnorm
    from mmengine.registry import DefaultScope
    from mmseg.models.segmentors import EncoderDecoder
    from mmseg.registry import MODELS

    try:
        # mmengine logs several lines for every parameter; mmcv looks for layers in the scope of mmseg (U-Net's own).
        noise, scope = MMLogger.get_current_instance(), DefaultScope.overwrite_default_scope("mmseg")
        with quiet(noise, level=logging.WARNING), weights_only(), scope:
            segmentor = MODELS.build(model)
            segmentor.init_weights()
            if weights:
                check_loaded(segmentor, config)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        if weights and isinstance(error, ERRORS):
            raise loading_error(weights, error) from error
        raise UserError(f"model.config: {config} can't be built", found=f"{type(error).__name__}: {error}") from error
    if not isinstance(segmentor, EncoderDecoder):
        raise UserError(f"model.config: {config} is not an EncoderDecoder", found=type(segmentor).__name__)
    return revert_sync_batchnorm(segmentor)  # synchronized statistics need a process group


def _heads(segmentor: EncoderDecoder) -> list[Any]:
    auxiliary = getattr(segmentor, "auxiliary_head", None) or []
    return [segmentor.decode_head, *(auxiliary if isinstance(auxiliary, list | nn.ModuleList) else [auxiliary])]


def _one_map(head: Any, features: Any) -> Tensor:
    z: Tensor = head(features)
    if _is_map(z, head.out_channels):
        return z
    raise UserError(
        f"model.config: {type(head).__name__} does not give one map of logits per class",
        found=_described(z),
        expected=f"a tensor (B, {head.out_channels}, h, w) in training and in evaluation",
        fix="choose a head that does, such as FPNHead, FCNHead, PSPHead, DepthwiseSeparableASPPHead or SegformerHead",
    )


def _is_map(z: Any, channels: int) -> bool:
    return isinstance(z, Tensor) and z.ndim == 4 and z.shape[1] == channels


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    return f"a dict of {', '.join(map(str, value))}" if isinstance(value, dict) else type(value).__name__


# Networks of users


def _from_factory(factory: str, channels: int) -> Network:
    """The network that a function builds, called with `channels`."""
    code, _, name = factory.rpartition(":")
    try:
        module = load(Path(code), "model.factory") if code.endswith(".py") else importlib.import_module(code)
    except ImportError as error:
        raise UserError(
            f"model.factory: the module {code} can't be imported",
            found=error,
            expected="a module that is installed, or below the folder in which the command runs",
            fix=f"check the import: python -c 'import {code}'; or name a file, as in `factory: my_net.py:build`",
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UserError(
            f"model.factory: {code} has no function {name!r}",
            found=", ".join(functions) or "no function at all",
            expected=f"def {name}(channels) that returns a torch.nn.Module",
            fix=did_you_mean(name, functions),
        )
    try:
        network = function(channels)
    except (Exception, SystemExit) as error:
        raise UserError(
            f"model.factory: {factory} fails",
            found=f"{type(error).__name__}: {error}",
            expected=f"a torch.nn.Module from {name}({channels}), for {channels} logit(s) a pixel",
        ) from error
    if not isinstance(network, nn.Module):
        raise UserError(
            f"model.factory: {factory} builds no network", found=_described(network), expected="a torch.nn.Module"
        )
    return Network(network, channels, factory)
