"""From a config or a factory to a segmentor with one logit a pixel or K, and from images to its logits."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pipeline_src.errors import UserError
from pipeline_src.logs import quiet
from pipeline_src.training.models.config import is_factory, model_names, read_config
from pipeline_src.training.models.factory import Network, from_factory
from pipeline_src.training.models.weights import (
    check_loaded,
    remove_weights,
    tensors_alone,
    weights_unavailable,
)

if TYPE_CHECKING:
    from mmseg.models import EncoderDecoder
    from mmseg.models.decode_heads.decode_head import BaseDecodeHead

log = logging.getLogger(__name__)


def build_segmentor(network: str, pretrained: bool, image_size: int, classes: int = 2) -> nn.Module:
    """The `EncoderDecoder` that a config describes, or a user's network in its place, made for `classes` classes: one
    logit a pixel from each head for two (threshold 0.5), else K; no own loss.

    Initial weights are drawn from torch's global generator: seed it before. The module comes in train mode.

    Args:
        network: a name of `model_names()`, the path of an mmsegmentation config file, or a factory (`factory.py`).
        pretrained: load the weights that the config names (`init_cfg`, `pretrained`); False draws all of them. A
            factory decides for itself.
        image_size: side in pixels of its square images; it is tried on one.

    Raises:
        UserError: no such network, not an EncoderDecoder, weights unavailable, or unsuitable inputs or outputs.
    """
    channels = 1 if classes == 2 else classes
    if is_factory(network):
        segmentor, key = from_factory(network, channels), "factory"
    else:
        segmentor, key = _from_config(network, pretrained, classes), "config"
    _try_out(segmentor, f"model.{key}: {network}", image_size)
    return segmentor


def logits(segmentor: EncoderDecoder, inputs: Tensor) -> Tensor:
    """Normalised images (B, 3, S, S) -> logits (B, C, h, w) of the decode head, at the resolution that it works in."""
    return _one_map(segmentor.decode_head, segmentor.extract_feat(inputs))


def all_logits(segmentor: EncoderDecoder, inputs: Tensor) -> list[Tensor]:
    """Like `logits`, but of the decode head and then each auxiliary head: the latter exist for training only."""
    features = segmentor.extract_feat(inputs)
    return [_one_map(head, features) for head in _heads(segmentor)]


def auxiliary_weights(segmentor: EncoderDecoder) -> list[float]:
    """The weight of each of `all_logits` in the training loss: 1 for the decode head, the others as in the config."""
    weights = [head.loss_decode.loss_weight for head in _heads(segmentor)]
    return [weight / weights[0] for weight in weights]


def normalisation(network: str) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per RGB channel, in units of 0..255: from the config's `data_preprocessor`; those of
    ImageNet for a factory."""
    if is_factory(network):
        return [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
    content = read_config(network)
    values = content.model.get("data_preprocessor") or content.get("data_preprocessor") or {}
    mean, std = values.get("mean"), values.get("std")
    # mmsegmentation reads images as BGR: without bgr_to_rgb mean, std and the network itself would be in BGR order.
    if not (mean and std and len(mean) == len(std) == 3 and values.get("bgr_to_rgb")):
        raise UserError(
            f"model.config: {network} does not define how RGB images are normalised",
            found=f"data_preprocessor = {dict(values)}",
            expected="data_preprocessor=dict(type='SegDataPreProcessor', mean=[...], std=[...], bgr_to_rgb=True)",
            fix="for ImageNet weights of torchvision: mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]",
        )
    return [float(value) for value in mean], [float(value) for value in std]


def description(network: str, image_size: int, classes: int = 2) -> dict[str, Any]:
    """What a network is, in JSON's types, the same for the same config or factory: its `network`, a config's resolved
    `model` without the weights that it starts from, `classes`, `normalisation` and `image_size` in pixels."""
    facts = {"classes": classes, "normalisation": list(normalisation(network)), "image_size": image_size}
    if is_factory(network):
        return {"network": network} | facts
    model = copy.deepcopy(read_config(network).model)
    remove_weights(model)
    _set_classes(model, classes)
    resolved = json.loads(json.dumps(model, default=lambda value: getattr(value, "__qualname__", str(type(value)))))
    # A config of the user's is what it holds: under another name it is the same network.
    return {"network": network if network in model_names() else "a config", "model": resolved} | facts


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
    """One or K logits a pixel from each head, whole images, no loss, sampler or normalisation of mmsegmentation's
    own."""
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
        with quiet(noise, level=logging.WARNING), tensors_alone(), scope:
            segmentor = MODELS.build(model)
            segmentor.init_weights()
            if weights:
                check_loaded(segmentor, config)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        if weights and isinstance(error, OSError):  # no such file, no network
            raise weights_unavailable(weights, error) from error
        raise UserError(f"model.config: {config} can't be built", found=f"{type(error).__name__}: {error}") from error
    if not isinstance(segmentor, EncoderDecoder):
        raise UserError(f"model.config: {config} is not an EncoderDecoder", found=type(segmentor).__name__)
    return revert_sync_batchnorm(segmentor)  # synchronised statistics need a process group


def _try_out(segmentor: nn.Module, name: str, image_size: int) -> None:
    """UserError where the model can't process images of this size or gives more than one map."""
    segmentor.eval()
    try:
        with torch.no_grad():
            all_logits(segmentor, torch.zeros(1, 3, image_size, image_size))
        if isinstance(segmentor, Network):
            _take_a_step(segmentor, name, image_size)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(
            f"{name} fails on an image of {image_size} x {image_size} pixels",
            found=f"{type(error).__name__}: {error}",
            fix="try another image_size, and that the channels of its parts fit together",
        ) from error
    segmentor.train()


@contextmanager
def unchanged(network: nn.Module) -> Iterator[None]:
    """Afterwards running statistics and torch's generator are as they were before."""
    buffers = [buffer.clone() for buffer in network.buffers()]
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        for buffer, saved in zip(network.buffers(), buffers, strict=True):
            buffer.copy_(saved)


def _take_a_step(network: EncoderDecoder, name: str, image_size: int) -> None:
    """A step of training without its update: train mode, two images, channels_last, backward. The network is left as it
    was, and no draw is taken from torch's generator."""
    network.to(memory_format=torch.channels_last).train()
    with unchanged(network):
        images = torch.randn(2, 3, image_size, image_size).to(memory_format=torch.channels_last)
        z = logits(network, images)
        z.square().mean().backward()
    for parameter in network.parameters():
        parameter.grad = None
    if z.min() >= 0 and z.max() <= 1 and z.any():
        log.warning(
            "%s: all outputs lie in [0, 1]. They are taken as logits: if the network ends in a sigmoid or softmax, "
            "remove that",
            name,
        )


def _heads(segmentor: EncoderDecoder) -> list[BaseDecodeHead]:
    auxiliary = getattr(segmentor, "auxiliary_head", None)
    if auxiliary is None:
        return [segmentor.decode_head]
    return [segmentor.decode_head, *(auxiliary if isinstance(auxiliary, nn.ModuleList) else [auxiliary])]


def _one_map(head: nn.Module, features: Any) -> Tensor:
    z = head(features)
    if isinstance(z, Tensor) and z.ndim == 4 and z.shape[1] == head.out_channels:
        return z
    raise UserError(
        f"model.config: {type(head).__name__} does not give one map of logits per class",
        found=f"shape {tuple(z.shape)}" if isinstance(z, Tensor) else type(z).__name__,
        expected=f"a tensor (B, {head.out_channels}, h, w) in training and in evaluation",
        fix="choose a head that does, such as FPNHead, FCNHead, PSPHead, DepthwiseSeparableASPPHead or SegformerHead",
    )
