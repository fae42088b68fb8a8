"""A ResNet-18 of an eighth of the usual width, with a small feature pyramid.

It is for tests of the pipeline, because it trains in seconds, and not for results.
"""

_base_ = ["_fpn.py"]
model = dict(
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3),
    backbone=dict(
        type="ResNet", depth=18, base_channels=8, stem_channels=8, norm_cfg=dict(type="BN")
    ),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=16),
    decode_head=dict(in_channels=[16] * 4, channels=16),
)
