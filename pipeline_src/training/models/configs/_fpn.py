"""The base of all *_fpn models, without a backbone: a feature pyramid of 64 channels and its head.

The logits have 1/4 of the size of the image. A model may override the channels.
"""

model = dict(
    type="EncoderDecoder",
    # As for ImageNet weights of torchvision, OpenMMLab and many others.
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    neck=dict(type="FPN", out_channels=64, num_outs=4),
    decode_head=dict(
        type="FPNHead",
        in_channels=[64] * 4,
        in_index=[0, 1, 2, 3],
        feature_strides=[4, 8, 16, 32],
        channels=64,
        dropout_ratio=0.1,
        num_classes=2,
        out_channels=1,
        threshold=0.5,
        norm_cfg=dict(type="BN"),
        align_corners=False,
    ),
)
