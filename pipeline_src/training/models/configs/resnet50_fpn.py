"""ResNet-50 (He et al., CVPR 2016) with a feature pyramid: 24 million parameters."""

_base_ = ["_fpn.py"]
model = dict(
    backbone=dict(
        type="ResNet",
        depth=50,
        style="pytorch",
        norm_cfg=dict(type="BN"),
        # torchvision's IMAGENET1K_V1, under the names that mmsegmentation's ResNet uses too.
        init_cfg=dict(type="Pretrained", checkpoint="https://download.pytorch.org/models/resnet50-0676ba61.pth"),
    ),
    neck=dict(in_channels=[256, 512, 1024, 2048]),
)
