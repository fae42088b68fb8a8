"""Logits linear in a pixel's color: cross entropy is convex in the weights."""

custom_imports = dict(imports=["small_networks"])
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    ),
    backbone=dict(type="Colors"),
    decode_head=dict(
        type="FCNHead",
        in_channels=3,
        channels=3,
        in_index=0,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0,
        num_classes=2,
        out_channels=1,
        threshold=0.5,
    ),
)
