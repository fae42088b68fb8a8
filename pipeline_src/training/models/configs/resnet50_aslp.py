"""The released program's network: ImageNet ResNet-50 and a decoder.

Its logits have the size of the image.
"""

custom_imports = dict(imports=["pipeline_src.training.models.modules"])
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type="ResNet",
        depth=50,
        style="pytorch",
        norm_cfg=dict(type="BN"),
        # torchvision's IMAGENET1K_V1, under the names that mmsegmentation's ResNet uses too.
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://download.pytorch.org/models/resnet50-0676ba61.pth",
        ),
    ),
    decode_head=dict(
        type="ASLPHead",
        in_channels=[256, 512, 1024, 2048],
        in_index=[0, 1, 2, 3],
        width=256,
        hidden=128,
        channels=32,
        dropout_ratio=0,
        num_classes=2,
        out_channels=1,
        threshold=0.5,
    ),
)
