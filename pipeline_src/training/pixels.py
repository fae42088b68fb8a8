"""Pixels as distributions over K classes (docs/theory.md section 1.2): the building blocks of
losses for any K.

Logits z are (B, 1, H, W), one logit for K = 2, or (B, K, H, W). Labels are of the same form: y in
[0, 1] for one logit, else one plane per class that sum to 1, or to 0 on a pixel that is ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import log

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

CLAMP = 1e-7  # probabilities stay in [CLAMP, 1 - CLAMP] where their logarithm is taken


def log_distribution(z: Tensor) -> Tensor:
    """Return log f_k of logits z, (B, K, H, W); one logit gives background and foreground."""
    return (
        torch.cat([F.logsigmoid(-z), F.logsigmoid(z)], 1)
        if z.shape[1] == 1
        else F.log_softmax(z, 1)
    )


def class_logits(z: Tensor) -> Tensor:
    """Return logits of K classes, (B, K, H, W); one logit z gives (0, z), whose softmax is (1 - f, f)."""
    return torch.cat([torch.zeros_like(z), z], 1) if z.shape[1] == 1 else z


def upsampled(z: Tensor, size: Sequence[int]) -> Tensor:
    """Return logits (B, C, h, w) upsampled bilinearly to `size`, (B, C, H, W) float32; at their own size, unchanged."""
    return resized(z.float(), size)


def resized(x: Tensor, size: Sequence[int], align_corners: bool = False) -> Tensor:
    """Return maps (B, C, h, w) resized bilinearly to `size`, (B, C, H, W), as by `F.interpolate`.

    The gradient of `F.interpolate` on CUDA adds up in any order.
    `torch.use_deterministic_algorithms` therefore replaces it by a slow decomposition, which two
    matrix products avoid.
    """
    if x.is_cuda:
        return resized_by_products(x, size, align_corners)
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=align_corners)


def resized_by_products(x: Tensor, size: Sequence[int], align_corners: bool = False) -> Tensor:
    """Return `resized` by a product with the weights of rows and one with those of columns."""
    if tuple(size) == tuple(x.shape[2:]):
        return x
    rows = bilinear_weights(x.shape[2], size[0], align_corners, x.device)
    columns = bilinear_weights(x.shape[3], size[1], align_corners, x.device)
    with torch.autocast(x.device.type, enabled=False):
        return torch.einsum("ih,bchw,jw->bcij", rows, x.float(), columns).to(x.dtype)


@lru_cache(maxsize=32)  # a copy to the GPU would wait for all earlier steps
@torch.inference_mode(False)  # so that a later training can use the tensor
def bilinear_weights(
    inputs: int, outputs: int, align_corners: bool, device: torch.device
) -> Tensor:
    """Return the weights of the pixels of a line in those of a resized line, (outputs, inputs)."""
    pixels = torch.eye(inputs)[None, None]
    return resized(pixels, (outputs, inputs), align_corners)[0, 0].to(device)


def planes(y: Tensor) -> Tensor:
    """Return labels as one plane per class, (B, K, H, W)."""
    return torch.cat([1 - y, y], 1) if y.shape[1] == 1 else y


def valid(y: Tensor) -> Tensor:
    """Return which pixels of planes (B, K, H, W) count, (B, H, W) bool: the planes of ignored pixels are all 0."""
    return y.sum(1) > 0.5


def mean(values: Tensor, y: Tensor) -> Tensor:
    """Return the mean of `values` (B, H, W) over the pixels that count in the planes y (B, K, H, W); 0 without any."""
    weight = valid(y)
    return (values * weight).sum() / weight.sum().clamp(min=1)


def cross_entropy(z: Tensor, t: Tensor) -> Tensor:
    """Return the mean cross entropy of logits z and targets t (may leave [0, 1]) over valid pixels."""
    if z.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(z, t.expand_as(z))
    return mean(-(t * F.log_softmax(z, 1)).sum(1), t)


def mean_margin(z: Tensor, y: Tensor) -> Tensor:
    """Return the margin m = K / (K - 1) (L(U) - L(y)) of each image, (B,), without gradient: how
    confidently its logits agree with its labels, which moves its level of perturbation. L is the
    cross entropy, U the uniform label.

    For K classes this is the mean of the label's logit minus the others' mean, for one logit that
    of (2y - 1) z. Probabilities are clamped, so it stays finite. An image without a pixel that
    counts has 0.
    """
    z = z.detach().float()
    if z.shape[1] == 1:
        limit = log((1 - CLAMP) / CLAMP)
        return ((2 * y - 1) * z.clamp(-limit, limit)).flatten(1).mean(1)
    log_f = F.log_softmax(z, 1).clamp(log(CLAMP), log(1 - CLAMP))
    classes = z.shape[1]
    of_pixel = classes / (classes - 1) * ((y * log_f).sum(1) - log_f.mean(1)) * valid(y)
    return of_pixel.flatten(1).sum(1) / valid(y).flatten(1).sum(1).clamp(min=1)


def class_planes(masks: Tensor, classes: int) -> Tensor:
    """Return a float plane per class (B, K, H, W) of class ids (B, 1, H, W); all are 0 where the id is ignored."""
    return (masks == torch.arange(classes, device=masks.device).view(1, -1, 1, 1)).float()


def probability(z: Tensor, size: tuple[int, ...]) -> np.ndarray:
    """Return float32 probabilities of an image at its original `size`: logits (1, h, w) -> (H, W), else (K, H, W)."""
    z = upsampled(z[None], size)
    f: np.ndarray = (torch.sigmoid(z)[0, 0] if z.shape[1] == 1 else z.softmax(1)[0]).cpu().numpy()
    return f
