"""mmsegmentation's own model configs, shrunken, each for two classes and for three."""

from __future__ import annotations

from pathlib import Path

import mmseg
import pytest
from networks import trains_and_comes_back

MODELS = Path(mmseg.__file__).parent / ".mim/configs/_base_/models"
RESNET = "backbone=dict(depth=18, base_channels=8, stem_channels=8)"
LAST = "decode_head=dict(in_channels=64, channels=8, {}), auxiliary_head=dict(in_channels=32, channels=8)"
CONFIGS = {
    "fpn_r50": f"{RESNET}, neck=dict(in_channels=[8, 16, 32, 64], out_channels=16), "
    "decode_head=dict(in_channels=[16] * 4, channels=16)",
    "fcn_r50-d8": f"{RESNET}, {LAST.format('')}",
    "pspnet_r50-d8": f"{RESNET}, {LAST.format('')}",
    "deeplabv3plus_r50-d8": f"{RESNET}, {LAST.format('c1_in_channels=8, c1_channels=4')}",
    "upernet_r50": f"{RESNET}, decode_head=dict(in_channels=[8, 16, 32, 64], channels=8), "
    "auxiliary_head=dict(in_channels=32, channels=8)",
    "segformer_mit-b0": "backbone=dict(embed_dims=8, num_layers=[1] * 4, num_heads=[1] * 4), "
    "decode_head=dict(in_channels=[8] * 4, channels=16)",
    "fcn_unet_s5-d16": "backbone=dict(base_channels=4), decode_head=dict(in_channels=4, channels=4), "
    "auxiliary_head=dict(in_channels=8, channels=4)",
    # another backbone in the place of the config's own
    "fpn_r50 with timm": "backbone=dict(_delete_=True, type='TIMMBackbone', model_name='mobilenetv3_small_050', "
    "out_indices=(1, 2, 3, 4)), neck=dict(in_channels=[8, 16, 24, 288], out_channels=16), "
    "decode_head=dict(in_channels=[16] * 4, channels=16)",
}


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", CONFIGS)
def test_it_trains_and_comes_back_in_the_same_bits(name, classes, tmp_path):
    config = tmp_path / "mine.py"
    base = MODELS / f"{name.split()[0]}.py"
    config.write_text(f"_base_ = [{str(base)!r}]\nmodel = dict({CONFIGS[name]})\n")
    trains_and_comes_back(str(config), classes, tmp_path)
