"""The building blocks of losses for any number K of classes (docs/theory.md section 1.2).

Logits z are (B, 1, H, W), one logit for K = 2, or (B, K, H, W). Labels have the same form: y in
[0, 1] for one logit, else one plane per class that sum to 1, or to 0 on a pixel that is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import log

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

CLAMP = 1e-7  # probabilities stay in [CLAMP, 1 - CLAMP] where their logarithm is taken


def log_distribution(z: Tensor) -> Tensor:
    """Return the log probabilities of logits z, (B, K, H, W).

    One logit gives the planes of background and foreground.
    """
    if z.shape[1] == 1:
        return torch.cat([F.logsigmoid(-z), F.logsigmoid(z)], 1)
    return F.log_softmax(z, 1)


def class_logits(z: Tensor) -> Tensor:
    """Return logits of K classes, (B, K, H, W); one logit z gives (0, z).

    Losses that compare the logits of classes so have one form for any K.
    """
    if z.shape[1] == 1:
        return torch.cat([torch.zeros_like(z), z], 1)
    return z


def upsampled(z: Tensor, size: Sequence[int]) -> Tensor:
    """Return logits (B, C, h, w) of any float type resized bilinearly to `size`, as float32."""
    return resized(z.float(), size)


def resized(x: Tensor, size: Sequence[int], align_corners: bool = False) -> Tensor:
    """Return maps (B, C, h, w) resized bilinearly to `size`, (B, C, H, W), as by `F.interpolate`.

    On CUDA the gradient of `F.interpolate` adds up in any order, so
    `torch.use_deterministic_algorithms` replaces it by a slow decomposition. Two matrix products
    are deterministic and fast.
    """
    if x.is_cuda:
        return resized_by_products(x, size, align_corners)
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=align_corners)


def resized_by_products(x: Tensor, size: Sequence[int], align_corners: bool = False) -> Tensor:
    """Return maps x (B, C, h, w) resized bilinearly to `size`, by two matrix products.

    Bilinear interpolation is linear and separable: a matrix for the rows, another for the columns.
    """
    if tuple(size) == tuple(x.shape[2:]):
        return x
    rows = bilinear_weights(x.shape[2], size[0], align_corners, x.device)
    columns = bilinear_weights(x.shape[3], size[1], align_corners, x.device)
    with torch.autocast(x.device.type, enabled=False):  # products in float32
        return torch.einsum("ih,bchw,jw->bcij", rows, x.float(), columns).to(x.dtype)


@lru_cache(maxsize=32)  # else each call would copy it to the GPU, and wait for all earlier steps
@torch.inference_mode(False)  # so that a later training can use the tensor
def bilinear_weights(
    inputs: int, outputs: int, align_corners: bool, device: torch.device
) -> Tensor:
    """Return the matrix (outputs, inputs) that resizes a line of `inputs` pixels bilinearly."""
    # Each column of the identity is a line with one pixel of 1, so it shows this pixel's weights.
    pixels = torch.eye(inputs)[None, None]
    return resized(pixels, (outputs, inputs), align_corners)[0, 0].to(device)


def planes(y: Tensor) -> Tensor:
    """Return labels y as one plane per class, (B, K, H, W).

    Labels of two classes, (B, 1, H, W), become the two planes 1 - y and y.
    """
    if y.shape[1] == 1:
        return torch.cat([1 - y, y], 1)
    return y


def valid(y: Tensor) -> Tensor:
    """Return which pixels of planes (B, K, H, W) are not ignored, (B, H, W) bool.

    The planes of a pixel sum to 1, and to 0 if it is ignored.
    """
    return y.sum(1) > 0.5


def local_mean(y: Tensor, weighted_sums: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the weighted mean of labels y (B, C, H, W) over the 3 x 3 pixels around each pixel.

    Pixels that are ignored have no weight, and stay 0. The outermost pixels are repeated beyond the
    image.

    Args:
        weighted_sums: returns sums over 3 x 3 pixels, without padding, of maps (B, C + 1, H, W):
            the C maps of y, and one map with 1 on valid and 0 on ignored pixels.
    """
    is_valid = valid(planes(y))[:, None].to(y.dtype)
    maps = F.pad(torch.cat([y, is_valid], 1), [1] * 4, mode="replicate")  # a pixel on each side
    sums = weighted_sums(maps)
    # The weights that the valid pixels have, in the last map, divide the sums of y.
    return is_valid * sums[:, :-1] / sums[:, -1:].clamp(min=1e-12)


def mean(values: Tensor, y: Tensor) -> Tensor:
    """Return the mean of `values` (B, H, W) over the valid pixels of planes y (B, K, H, W).

    Valid are pixels that are not ignored: their planes sum to 1, not 0. The mean is 0 if no pixel
    is valid.
    """
    weight = valid(y)
    return (values * weight).sum() / weight.sum().clamp(min=1)


def cross_entropy(z: Tensor, t: Tensor) -> Tensor:
    """Return the mean cross entropy of logits z and targets t, which may lie outside [0, 1].

    Args:
        z: logits (B, 1, H, W) for two classes, or (B, K, H, W).
        t: targets, whose shape broadcasts to that of z; planes are all 0 on ignored pixels.
    """
    if z.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(z, t.expand_as(z))
    return mean(-(t * F.log_softmax(z, 1)).sum(1), t)


def mean_margin(z: Tensor, y: Tensor) -> Tensor:
    """Return the margin m = K / (K - 1) (L(U) - L(y)) of each image, (B,), without gradient.

    L is the cross entropy, U the uniform label. The margin measures how confidently the logits of
    an image agree with its labels; methods of label perturbation move the alpha of an image by it.
    For K classes it is the mean of the label's logit minus the mean of the other logits; for one
    logit, the mean of (2y - 1) z. Probabilities are clamped, so the margin stays finite. An image
    without a valid pixel has the margin 0. NaN counts as 0, to keep alphas finite.
    """
    z = z.detach().float().nan_to_num()
    if z.shape[1] == 1:
        limit = log((1 - CLAMP) / CLAMP)
        return ((2 * y - 1) * z.clamp(-limit, limit)).flatten(1).mean(1)
    log_f = F.log_softmax(z, 1).clamp(log(CLAMP), log(1 - CLAMP))
    classes = z.shape[1]
    is_valid = valid(y)  # False for ignored pixels
    margins = classes / (classes - 1) * ((y * log_f).sum(1) - log_f.mean(1)) * is_valid
    return margins.sum((1, 2)) / is_valid.sum((1, 2)).clamp(min=1)


def class_planes(masks: Tensor, classes: int) -> Tensor:
    """Return class ids (B, 1, H, W) as one float plane per class, (B, K, H, W), of 0 and 1.

    All planes are 0 where the id is no class, as on ignored pixels (255).
    """
    return (masks == torch.arange(classes, device=masks.device).view(1, -1, 1, 1)).float()


def probability(z: Tensor, size: tuple[int, ...]) -> np.ndarray:
    """Return float32 probabilities of an image at its original `size`, from its logits (C, h, w).

    The array is (H, W) for one logit, (K, H, W) for K classes.
    """
    z = upsampled(z[None], size)[0]
    f = torch.sigmoid(z[0]) if len(z) == 1 else z.softmax(0)
    return np.asarray(f.cpu())
