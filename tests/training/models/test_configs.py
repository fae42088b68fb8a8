"""The named models, and mmsegmentation's own model configs, shrunken: each trains and comes back from its file."""

from __future__ import annotations

from pathlib import Path

import mmseg
import pytest
import torch
from networks import trains_and_comes_back

from pipeline_src.errors import UserError
from pipeline_src.training.models.build import build_segmentor
from pipeline_src.training.models.config import model_names, read_config

SIZE = 32
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
}


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_of_mmsegmentation_trains_and_comes_back(name, classes, tmp_path):
    config = tmp_path / "mine.py"
    base = MODELS / f"{name}.py"
    config.write_text(f"_base_ = [{str(base)!r}]\nmodel = dict({CONFIGS[name]})\n")
    trains_and_comes_back(str(config.with_suffix("")), classes, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", model_names())
def test_a_named_model_trains_and_comes_back(name, tmp_path):
    model = trains_and_comes_back(name, 2, tmp_path, SIZE)
    with torch.no_grad():
        side = model(torch.zeros(1, 3, SIZE, SIZE)).shape[-1]
    assert side == (SIZE if name == "resnet50_aslp" else SIZE // 4)


@pytest.mark.parametrize("name", [name for name in model_names() if name.endswith("_fpn")])
def test_only_the_backbone_differs(name):
    head, tiny = (read_config(config).model.decode_head for config in (name, "tiny_fpn"))
    channels = {"in_channels": [16] * 4, "channels": 16}
    assert {**head, **(channels if name != "tiny_fpn" else {})} == dict(tiny)


def test_unavailable_weights_are_named_with_their_place(offline):
    for name in model_names():
        init = read_config(name).model.backbone.get("init_cfg")
        if init and "://" in init.checkpoint:
            with pytest.raises(UserError) as error:
                build_segmentor(name, True)
            for text in (str(offline), init.checkpoint, "`pretrained: false`"):
                assert text in str(error.value)
