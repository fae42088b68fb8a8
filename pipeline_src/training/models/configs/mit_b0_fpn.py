"""MiT-B0, SegFormer's encoder (Xie et al., NeurIPS 2021), with a feature pyramid.

It has 4 million parameters.
"""

_base_ = ["_fpn.py"]
model = dict(
    backbone=dict(
        type="MixVisionTransformer",
        embed_dims=32,
        num_layers=[2, 2, 2, 2],
        num_heads=[1, 2, 5, 8],
        patch_sizes=[7, 3, 3, 3],
        sr_ratios=[8, 4, 2, 1],
        mlp_ratio=4,
        qkv_bias=True,
        drop_path_rate=0.1,
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/"
            "mit_b0_20220624-7e0fe6dd.pth",
        ),
    ),
    neck=dict(in_channels=[32, 64, 160, 256]),
)
