"""VGG-16 (Simonyan and Zisserman, ICLR 2015; no batch norm) with a feature pyramid: 15 million parameters."""

_base_ = ["_fpn.py"]
custom_imports = dict(imports=["pipeline_src.training.models.backbones"])
model = dict(
    backbone=dict(
        type="VGG16",
        init_cfg=dict(type="Pretrained", checkpoint="https://download.pytorch.org/models/vgg16-397923af.pth"),
    ),
    neck=dict(in_channels=[128, 256, 512, 512]),
)
