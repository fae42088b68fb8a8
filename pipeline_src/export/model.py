"""The module of an exported folder: from images of any size to calibrated probabilities of that size.

All of it is traced, so every step is an operator of torch. The calibrators repeat `pipeline_src.calibrators`.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLAMP, TINY = 1e-7, 1e-12
LOGIT_CLAMP = log((1 - CLAMP) / CLAMP)
BOUNDS = (log(1e-2), log(1e2))  # limits of the log temperature of an image


class ExportedModel(nn.Module):
    """Images (B, 3, H, W) uint8, RGB -> probabilities float32: of the object (B, H, W), or of K classes (B, K, H, W).

    Args:
        members: x (B, 3, S, S) float32, RGB in 0..255 -> the predictions that are averaged, each logits (B, C, h, w),
            C = 1 for an object, else K.
        size: S.
        calibrator: the content of calibrator.json; None without a calibrator.
    """

    def __init__(self, members: nn.Module, size: int, calibrator: Mapping[str, Any] | None = None):
        super().__init__()
        self.members, self.size, self.calibrator = members, size, calibrator

    def forward(self, images: Tensor) -> Tensor:
        return self.calibrated(self.logits(images))

    def logits(self, images: Tensor) -> Tensor:
        """The logits of the mean prediction at the size of the images, (B, C, H, W)."""
        predictions = self.members(resized(images, self.size))
        return averaged([F.interpolate(z, tuple(images.shape[-2:]), mode="bilinear") for z in predictions])

    def calibrated(self, z: Tensor) -> Tensor:
        """The probabilities of logits (B, C, H, W)."""
        if self.calibrator:
            f = CALIBRATORS[self.calibrator["calibrator"]](z.double(), self.calibrator["parameters"]).float()
        else:
            f = probability(z)
        return f[:, 0] if z.shape[1] == 1 else f


# Resizing


def resized(images: Tensor, size: int) -> Tensor:
    """Resize as `cv2.resize` to (size, size): INTER_AREA if both sides shrink or stay, else INTER_LINEAR.

    Sums of integers or halves are exact in double precision, so every machine rounds alike. An enlarged image may
    differ from OpenCV's by one level, because OpenCV's weights are multiples of 1/2048.
    """
    rows, columns = (torch.arange(n + 1, dtype=torch.float64, device=images.device) for n in images.shape[-2:])
    height, width = rows[-1], columns[-1]
    shrinks = torch.minimum(height, width) >= size
    down, across = _weights(rows, size, shrinks), _weights(columns, size, shrinks)
    pixels = down @ images.double() @ across.T
    mean = pixels / torch.where(shrinks, height * width, size * size)
    halved = (height == 2 * size) & (width == 2 * size)  # the one case in which OpenCV rounds halves up, not to even
    return torch.round(mean + torch.where(halved, 1e-3, 0.0)).float()


def _weights(edges: Tensor, size: int, shrinks: Tensor) -> Tensor:
    """The weights of n input pixels in each output pixel, (size, n). Rows sum to n if the image shrinks, else to
    `size`."""
    n, pixel = edges[-1], edges[:-1]
    place = torch.arange(size, dtype=torch.float64, device=edges.device)[:, None]
    first, last = torch.maximum(place * n, pixel * size), torch.minimum((place + 1) * n, (pixel + 1) * size)
    centre = torch.minimum(((place + 0.5) * n - size / 2).clamp(min=0), (n - 1) * size)
    linear = (size - (centre - pixel * size).abs()).clamp(min=0)
    return torch.where(shrinks, (last - first).clamp(min=0), linear)


# Probabilities. Logits z are (B, 1, H, W) of one object, or (B, K, H, W) of K classes.


def averaged(logits: list[Tensor]) -> Tensor:
    """The logits of the mean probability of several predictions; one prediction is returned unchanged."""
    if len(logits) == 1:
        return logits[0]
    z = torch.stack(logits)
    if z.shape[2] > 1:
        return z.log_softmax(2).logsumexp(0)
    return log_sigmoid(z).logsumexp(0) - log_sigmoid(-z).logsumexp(0)


def probability(z: Tensor) -> Tensor:
    return z.sigmoid() if z.shape[1] == 1 else z.softmax(1)


def log_sigmoid(z: Tensor) -> Tensor:
    return z.clamp(max=0) - (1 + (-z.abs()).exp()).log()


def against_rest(z: Tensor) -> Tensor:
    """The log-odds of each class against the rest; a single logit is returned unchanged."""
    if z.shape[1] == 1:
        return z
    log_f = z.log_softmax(1)
    return log_f - (-torch.expm1(log_f.clamp(max=-TINY))).log()


def by_class(values: list[float], z: Tensor) -> Tensor:
    return z.new_tensor(values).view(-1, 1, 1)


def normalized(f: Tensor) -> Tensor:
    """Normalize probabilities of each class against the rest to a sum of 1."""
    if f.shape[1] == 1:
        return f
    f = f.clamp(min=TINY)
    return f / f.sum(1, keepdim=True)


# Calibrators: functions of z float64 and their parameters.


def temperature(z: Tensor, parameters: Mapping[str, Any]) -> Tensor:
    return probability(z / parameters["temperature"])


def platt(z: Tensor, parameters: Mapping[str, Any]) -> Tensor:
    z = z if z.shape[1] == 1 else z.log_softmax(1)
    return probability(z * by_class(parameters["scale"], z) + by_class(parameters["bias"], z))


def beta(z: Tensor, parameters: Mapping[str, Any]) -> Tensor:
    z = against_rest(z)
    a, b, c = (by_class([curve[name] for curve in parameters["curves"]], z) for name in "abc")
    return normalized((a * log_sigmoid(z) - b * log_sigmoid(-z) + c).sigmoid())


def dirichlet(z: Tensor, parameters: Mapping[str, Any]) -> Tensor:
    log_f = z.log_softmax(1)
    turned = (z.new_tensor(parameters["matrix"]) @ log_f.flatten(2)).view_as(log_f)
    return (turned + by_class(parameters["bias"], z)).softmax(1)


def isotonic(z: Tensor, parameters: Mapping[str, Any]) -> Tensor:
    f = against_rest(z).sigmoid()
    curves = zip(f.unbind(1), parameters["curves"], strict=True)
    values = [interpolated(x, x.new_tensor(curve["f"]), x.new_tensor(curve["value"])) for x, curve in curves]
    return normalized(torch.stack(values, 1))


def interpolated(x: Tensor, knots: Tensor, values: Tensor) -> Tensor:
    """`numpy.interp`. Bisection finds the knot below, because ONNX has no operator for it."""
    last = len(knots) - 1
    below = torch.zeros_like(x, dtype=torch.int64)
    for power in reversed(range(last.bit_length())):
        ahead = below + 2**power
        below = torch.where((ahead <= last) & (knots[ahead.clamp(max=last)] <= x), ahead, below)
    above = (below + 1).clamp(max=last)
    step = (knots[above] - knots[below]).clamp(min=1e-300)  # 0 at the last knot; values are constant beyond it
    share = ((x - knots[below]) / step).clamp(0, 1)
    return values[below] + share * (values[above] - values[below])


def histogram_binning(z: Tensor, parameters: Mapping[str, Any]) -> Tensor:
    f = against_rest(z).sigmoid()
    values = []
    for x, curve in zip(f.unbind(1), parameters["curves"], strict=True):
        bins = len(curve["shares"])
        values.append(x.new_tensor(curve["shares"])[(x * bins + 1e-9).long().clamp(max=bins - 1)])
    return normalized(torch.stack(values, 1))


CALIBRATORS = {
    function.__name__: function for function in (temperature, platt, beta, dirichlet, isotonic, histogram_binning)
}
