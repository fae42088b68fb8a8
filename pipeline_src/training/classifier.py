"""The network as mmengine trains it: a segmentor, and the method that makes its targets and loss."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.model import BaseModel
from torch import Tensor

from pipeline_src.training import callbacks
from pipeline_src.training.device import autocast
from pipeline_src.training.method import Batch, Method
from pipeline_src.training.models.build import all_logits, head_weights, logits
from pipeline_src.training.pixels import upsampled

if TYPE_CHECKING:
    from mmseg.models import EncoderDecoder


class DenseClassifier(BaseModel):
    """A segmentor between uint8 images and logits of the images' size, trained by a `Method`.

    Args:
        segmentor: an mmsegmentation EncoderDecoder with one output channel, or K.
        normalization: (mean, std) per RGB channel in units of 0..255.
        method: makes targets and loss in training.
        ids: sample ids of the training images, by index.
        seed: key of the method's draws.
        amp: mixed precision of the network (off, bf16, fp16); loss and probabilities are float32 always.
        classes: K; one logit a pixel for 2, else K.
    """

    def __init__(
        self,
        segmentor: EncoderDecoder,
        normalization: tuple[list[float], list[float]],
        method: Method | None = None,
        ids: list[str] | None = None,
        seed: int = 0,
        amp: str = "off",
        classes: int = 2,
    ):
        super().__init__()
        self.segmentor = segmentor.to(memory_format=torch.channels_last)
        self.method, self.ids, self.seed, self.amp, self.classes = method or Method(), ids or [], seed, amp, classes
        for name, values in zip(("mean", "std"), normalization, strict=True):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)
        self.image_statistic: tuple[np.ndarray, np.ndarray] | None = None  # of the last step, and its indices

    def init_weights(self) -> None:
        """Nothing: mmengine calls this, but the segmentor comes with its weights."""

    def forward(self, inputs: Tensor, mode: str = "tensor", **batch: Any) -> Any:
        """`loss` -> {"loss": scalar}; `predict` -> [(probability float32, truth, id)]; `tensor` -> logits (B, C, h,
        w)."""
        x = inputs.to(memory_format=torch.channels_last, dtype=torch.float32)
        x = (x - self.mean) / self.std
        if mode == "loss":
            return self._loss(x, **batch)
        with autocast(x.device, self.amp):
            z = logits(self.segmentor, x)
        if mode == "predict":
            rows = zip(z, batch["truth"], batch["id"], strict=True)
            return [(probability(row, truth.shape), truth, name) for row, truth, name in rows]
        return z

    def _loss(self, x: Tensor, masks: Tensor, index: Tensor, epoch: Tensor) -> dict[str, Tensor]:
        index = index.cpu().numpy()
        batch = Batch(index, [self.ids[i] for i in index], self.seed, int(epoch[0]))
        y = masks.float() / 255 if self.classes == 2 else class_planes(masks, self.classes)
        x, y = callbacks.inputs(self.method, x, y, batch)
        t = callbacks.targets(self.method, y, batch)
        maps: list[Tensor] = []
        losses: list[Tensor] = []
        with autocast(x.device, self.amp):
            outputs = all_logits(self.segmentor, x)
        for z, weight in zip(outputs, head_weights(self.segmentor), strict=True):
            maps.append(upsampled(z, y.shape[2:]))
            losses.append(weight * callbacks.loss(self.method, maps[-1], t))
        m = callbacks.image_statistic(self.method, maps[0], y)
        self.image_statistic = None if m is None else (m, index)
        return {"loss": reduce(add, losses)}


def probability(z: Tensor, size: tuple[int, int]) -> np.ndarray:
    """Logits of one image at its original `size`, upsampled bilinearly, as float32 probabilities: z (1, h, w) -> (H,
    W), z (K, h, w) -> (K, H, W)."""
    z = upsampled(z[None], size)
    return (torch.sigmoid(z)[0, 0] if len(z[0]) == 1 else z.softmax(1)[0]).cpu().numpy()


def class_planes(masks: Tensor, classes: int) -> Tensor:
    """Class ids (B, 1, H, W) uint8 -> one float plane per class, (B, K, H, W); ids from K on are ignored: all 0."""
    return (masks == torch.arange(classes, device=masks.device).view(1, -1, 1, 1)).float()
