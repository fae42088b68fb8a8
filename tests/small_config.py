"""A network that begins by predicting background: it agrees with most labels of a small object from the first step."""

_base_ = ["linear_config.py"]
model = dict(
    backbone=dict(type="OneConvolution"),
    decode_head=dict(
        in_channels=8,
        channels=8,
        dropout_ratio=0.1,
        init_cfg=dict(type="Normal", std=0.2, bias=-2.0, override=dict(name="conv_seg")),
    ),
)
