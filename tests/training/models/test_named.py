"""Every model that has a name, by its file alone: it trains, is exported and comes back."""

from __future__ import annotations

import pytest
import torch
from networks import trains_and_comes_back
from torchvision.models import vgg

from pipeline_src.errors import UserError
from pipeline_src.training.models.build import build_segmentor
from pipeline_src.training.models.config import model_names, read_config

SIZE = 32
PYRAMIDS = [name for name in model_names() if name.endswith("_fpn")]


@pytest.mark.slow
@pytest.mark.parametrize("name", model_names())
def test_it_trains_and_comes_back_in_the_same_bits(name, tmp_path):
    model = trains_and_comes_back(name, 2, tmp_path, SIZE)
    with torch.no_grad():
        side = model(torch.zeros(1, 3, SIZE, SIZE)).shape[-1]
    assert side == (SIZE if name == "resnet50_aslp" else SIZE // 4)


@pytest.mark.parametrize("name", PYRAMIDS)
def test_only_the_backbone_differs(name):
    head, tiny = (read_config(each).model.decode_head for each in (name, "tiny_fpn"))
    channels = {"in_channels": [16] * 4, "channels": 16}
    assert {**head, **(channels if name != "tiny_fpn" else {})} == dict(tiny)


def test_unavailable_weights_are_named_with_their_place(offline):
    for name in model_names():
        init = read_config(name).model.backbone.get("init_cfg")
        if init and "://" in init.checkpoint:
            with pytest.raises(UserError) as error:
                build_segmentor(name, True, SIZE)
            for text in (str(offline), init.checkpoint, "`pretrained: false`"):
                assert text in str(error.value)


def test_torchvisions_vgg16_fills_the_whole_backbone(offline):
    torch.manual_seed(1)
    features = vgg.make_layers(vgg.cfgs["D"])
    weights = {f"features.{key}": tensor for key, tensor in features.state_dict().items()}
    torch.save(weights | {"classifier.6.bias": torch.zeros(1000)}, offline / "vgg16-397923af.pth")
    backbone = build_segmentor("vgg16_fpn", True, SIZE).backbone
    assert all(torch.equal(tensor, weights[key]) for key, tensor in backbone.state_dict().items())
    images = torch.randn(1, 3, SIZE, SIZE)
    with torch.no_grad():
        maps = backbone(images)
        assert torch.equal(maps[-1], features(images))
    assert [(m.shape[1], m.shape[2]) for m in maps] == [(128, 8), (256, 4), (512, 2), (512, 1)]
