"""VGG-16 (Simonyan and Zisserman, ICLR 2015) as a backbone of mmsegmentation, which has none; mmcv's network."""

from __future__ import annotations

from typing import Any

from mmcv.cnn import VGG
from mmseg.registry import MODELS


@MODELS.register_module()
class VGG16(VGG):
    """Images (B, 3, H, W) -> four maps at 1/4, 1/8, 1/16 and 1/32 of their size, of 128, 256, 512 and 512 channels.

    Its tensors have torchvision's names.

    Args:
        init_cfg: None, or dict(type='Pretrained', checkpoint=FILE_OR_URL).
    """

    def __init__(self, init_cfg: dict[str, Any] | None = None):
        super().__init__(depth=16, out_indices=(1, 2, 3, 4))
        self.init_cfg = init_cfg

    def init_weights(self) -> None:
        super().init_weights(self.init_cfg["checkpoint"] if self.init_cfg else None)
