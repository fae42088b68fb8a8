"""Any mmsegmentation config becomes a segmentor with one logit a pixel, or is refused with its fault."""

from __future__ import annotations

import argparse
import logging
import subprocess

import pytest
import torch
from damaged import Trap
from safetensors.torch import save_file

from pipeline_src.errors import UserError
from pipeline_src.training.models.build import (
    all_logits,
    auxiliary_weights,
    build_segmentor,
    logits,
    normalisation,
)
from pipeline_src.training.models.config import config_path

# What users of mmsegmentation have: 19 classes, a class-weighted loss, synchronised statistics, sampling, windows.
CONFIG = """
norm_cfg = dict(type="SyncBN", requires_grad=True)
data_preprocessor = dict(type="SegDataPreProcessor", mean=[1, 2, 3], std=[4, 5, 6], bgr_to_rgb=True, size=(512, 512))
model = dict(
    type="EncoderDecoder",
    data_preprocessor=data_preprocessor,
    pretrained="open-mmlab://resnet18_v1c",
    backbone=dict(type="ResNetV1c", depth=18, base_channels=8, stem_channels=8, norm_cfg=norm_cfg, style="pytorch"),
    decode_head=dict(
        type="{head}", in_channels=64, in_index=3, channels=8, num_classes=19, norm_cfg=norm_cfg, {options}
        sampler=dict(type="OHEMPixelSampler", thresh=0.7, min_kept=100000),
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0, class_weight=[1.0] * 19),
    ),
    auxiliary_head=dict(
        type="FCNHead", in_channels=32, in_index=2, channels=8, num_convs=1, num_classes=19, norm_cfg=norm_cfg,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=0.4),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="slide", crop_size=(512, 512), stride=(341, 341)),
)
"""
HEADS = {
    "FCNHead": "num_convs=2,",
    "PSPHead": "pool_scales=(1, 2),",
    "DepthwiseSeparableASPPHead": "dilations=(1, 2), c1_in_channels=0, c1_channels=0,",
}


@pytest.fixture
def written(tmp_path):
    def write(text: str = CONFIG.format(head="FCNHead", options="num_convs=2,"), name: str = "mine.py") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def with_backbone_of(weights) -> str:
    """A config whose backbone starts from a file."""
    return CONFIG.format(head="FCNHead", options="num_convs=1,") + (
        "model['pretrained'] = None\nmodel['backbone']['type'] = 'ResNet'\n"
        f"model['backbone']['init_cfg'] = dict(type='Pretrained', checkpoint={str(weights)!r})\n"
    )


def gradients(segmentor: torch.nn.Module, size: int) -> list[torch.Tensor]:
    """The logits of a training step of two images; every parameter must take part in it."""
    maps = all_logits(segmentor, torch.randn(2, 3, size, size))
    sum(z.square().mean() for z in maps).backward()
    without = [name for name, p in segmentor.named_parameters() if p.grad is None]
    assert not without
    assert all(torch.isfinite(p.grad).all() for p in segmentor.parameters())
    return maps


def test_the_same_seed_draws_the_same_weights():
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build_segmentor("tiny_fpn", False, 64).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_logits_are_those_of_the_decode_head(written):
    segmentor = build_segmentor(written(), pretrained=False, image_size=64).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(logits(segmentor, images), all_logits(segmentor, images)[0])
        # mmsegmentation's own path through the same module
        assert torch.equal(logits(segmentor, images), segmentor(images, mode="tensor"))


@pytest.mark.parametrize("head", HEADS)
def test_a_users_config_is_made_binary(written, head):
    segmentor = build_segmentor(written(CONFIG.format(head=head, options=HEADS[head])), pretrained=False, image_size=64)
    maps = gradients(segmentor, 64)
    assert [tuple(z.shape) for z in maps] == [(2, 1, 2, 2), (2, 1, 4, 4)]
    assert auxiliary_weights(segmentor) == [1.0, 0.4]
    for module in (segmentor.decode_head, segmentor.auxiliary_head):
        assert (module.num_classes, module.out_channels, module.threshold, module.sampler) == (2, 1, 0.5, None)
    assert segmentor.test_cfg.mode == "whole"
    assert not any(isinstance(module, torch.nn.SyncBatchNorm) for module in segmentor.modules())


def test_several_auxiliary_heads_keep_the_proportion_of_their_losses(written):
    text = CONFIG.format(head="FCNHead", options="num_convs=2,") + (
        "dice = dict(type='DiceLoss')\n"
        "model['decode_head']['loss_decode'] = [dict(type='CrossEntropyLoss'), {**dice, 'loss_weight': 3.0}]\n"
        "head = model['auxiliary_head']\n"
        "model['auxiliary_head'] = [head, {**head, 'in_index': 1, 'in_channels': 16, 'loss_decode': dice}]\n"
    )
    segmentor = build_segmentor(written(text), pretrained=False, image_size=64)
    assert [z.shape[-1] for z in gradients(segmentor, 64)] == [2, 4, 8]
    assert auxiliary_weights(segmentor) == pytest.approx([1.0, 0.1, 0.25])


def test_a_users_own_modules_come_by_custom_imports(written, tmp_path, monkeypatch):
    (tmp_path / "my_head_of_tests.py").write_text(
        "from mmseg.models.decode_heads.fcn_head import FCNHead\nfrom mmseg.registry import MODELS\n\n"
        "@MODELS.register_module()\nclass HeadOfTests(FCNHead):\n    pass\n"
    )
    text = "custom_imports = dict(imports=['my_head_of_tests'])\n" + CONFIG.format(
        head="HeadOfTests", options="num_convs=1,"
    )
    with pytest.raises(UserError, match="my_head_of_tests"):
        build_segmentor(written(text), False, 64)
    monkeypatch.syspath_prepend(tmp_path)
    assert type(build_segmentor(written(text), False, 64).decode_head).__name__ == "HeadOfTests"


def test_base_files_are_merged(written):
    written()
    path = written("_base_ = ['mine.py']\nmodel = dict(decode_head=dict(channels=4))\n", "child.py")
    assert build_segmentor(path, False, 64).decode_head.conv_seg.in_channels == 4
    assert normalisation(path) == ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])


def test_normalisation_of_the_named_models():
    assert normalisation("efficientnet_lite0_fpn") == ([127.5] * 3, [127.5] * 3)
    assert normalisation("resnet50_aslp") == ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375])


@pytest.mark.parametrize("wrong", ["bgr_to_rgb=False", "mean=None", "std=[1]"])
def test_an_unclear_normalisation_is_refused(written, wrong):
    text = CONFIG.format(head="FCNHead", options="num_convs=1,") + f"data_preprocessor.update({wrong})\n"
    with pytest.raises(UserError, match=r"how RGB images are normalised[\s\S]*mean=\[123.675"):
        normalisation(written(text))


def test_an_unknown_name_gets_the_nearest_and_the_way_to_give_a_path():
    with pytest.raises(UserError, match="did you mean 'resnet50_aslp'"):
        config_path("resnet50_alsp")
    with pytest.raises(UserError, match=r"write its path, as in `config: configs/my_model.py`"):
        config_path("zzz")
    with pytest.raises(UserError, match=r"no file configs/mine.py"):
        config_path("configs/mine.py")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("del model['decode_head']", "describes no segmentor"),
        ("model = 3", "describes no segmentor"),
        ("1 / 0", "ZeroDivisionError"),
        ("model['decode_head']['type'] = 'FCNHaed'", "can't be built[\\s\\S]*FCNHaed"),
        ("model['decode_head']['in_channels'] = 63", "fails on an image of 64 x 64[\\s\\S]*channels of its parts"),
        (
            "model['decode_head'] = dict(type='DAHead', in_channels=64, in_index=3, channels=8, pam_channels=8)",
            "DAHead does not give one map",
        ),
        (
            "model.update(type='CascadeEncoderDecoder', num_stages=1, decode_head=[model['decode_head']])",
            "is a cascade of decode heads",
        ),
    ],
)
def test_a_wrong_config_is_refused(written, change, message):
    with pytest.raises(UserError, match=message):
        build_segmentor(written(CONFIG.format(head="FCNHead", options="num_convs=1,") + change + "\n"), False, 64)


def test_pretrained_without_weights_in_the_config_is_refused():
    with pytest.raises(UserError, match=r"tiny_fpn names no weights[\s\S]*pretrained: false"):
        build_segmentor("tiny_fpn", pretrained=True, image_size=64)


def test_torchvisions_weights_fill_the_whole_backbone(offline, caplog):
    from torchvision.models import resnet50

    torch.manual_seed(1)
    weights = resnet50(weights=None).state_dict()
    torch.save(weights, offline / "resnet50-0676ba61.pth")
    with caplog.at_level(logging.WARNING):
        backbone = build_segmentor("resnet50_aslp", pretrained=True, image_size=32).backbone.state_dict()
    assert set(weights) - set(backbone) == {"fc.weight", "fc.bias"} and set(backbone) <= set(weights)
    assert all(torch.equal(backbone[key], weights[key]) for key in backbone)


def test_weights_of_a_file_are_loaded_only_where_asked_for(written, tmp_path):
    path = written(with_backbone_of(tmp_path / "mine.pth"))
    torch.manual_seed(1)
    weights = build_segmentor(path, False, 64).backbone.state_dict()
    torch.save(weights, tmp_path / "mine.pth")
    for pretrained in (True, False):
        backbone = build_segmentor(path, pretrained, 64).backbone.state_dict()
        assert torch.equal(backbone["conv1.weight"], weights["conv1.weight"]) == pretrained
    with pytest.raises(UserError, match=r"absent.pth can not be found"):
        build_segmentor(written(with_backbone_of(tmp_path / "absent.pth"), "absent.py"), True, 64)
    # A whole segmentor's names begin with `backbone.`: mmengine would load nothing of it, and say so in passing.
    torch.save({"state_dict": {"backbone." + key: tensor for key, tensor in weights.items()}}, tmp_path / "mine.pth")
    with pytest.raises(UserError, match=r"0 of 20 weights have a value of the file[\s\S]*prefix='backbone.'"):
        build_segmentor(path, True, 64)


def test_weights_are_read_from_safetensors(written, tmp_path):
    path = written(with_backbone_of(tmp_path / "mine.safetensors"))
    torch.manual_seed(1)
    weights = build_segmentor(path, False, 64).backbone.state_dict()
    save_file(weights, tmp_path / "mine.safetensors")
    assert torch.equal(build_segmentor(path, True, 64).backbone.state_dict()["conv1.weight"], weights["conv1.weight"])


@pytest.mark.slow
def test_weights_beside_other_objects_are_refused_with_the_command_that_converts_them(written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = written(with_backbone_of("mine.pth"))
    torch.manual_seed(1)
    weights = build_segmentor(path, False, 64).backbone.state_dict()
    torch.save({"state_dict": weights, "meta": argparse.Namespace(epochs=3)}, "mine.pth")  # as many programs do
    with pytest.raises(UserError, match=r"mine.pth may hold more than weights") as refusal:
        build_segmentor(path, True, 64)
    assert torch.load.__module__ == "torch.serialization", "outside, torch is as it was"
    command = str(refusal.value).partition("in the config instead: ")[2]
    subprocess.run(command, shell=True, check=True)
    read = build_segmentor(written(with_backbone_of("mine.safetensors")), True, 64).backbone.state_dict()
    assert all(torch.equal(read[key], weights[key]) for key in read)


def test_timms_file_of_weights_is_read_in_the_same_way(written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = CONFIG.format(head="FCNHead", options="num_convs=1,") + (
        "model['pretrained'] = None\n"
        "model['backbone'] = dict(type='TIMMBackbone', model_name='mobilenetv3_small_050', out_indices=(0, 1, 2, 3),\n"
        "    pretrained=False, checkpoint_path='mine.pth')\n"
        "model['auxiliary_head'] = None\nmodel['decode_head']['in_channels'] = 24\n"
    )
    torch.save({"state_dict": Trap()}, "mine.pth")
    with pytest.raises(UserError, match=r"mine.pth may hold more than weights"):
        build_segmentor(written(text), True, 64)


def test_weights_of_a_whole_model_are_checked_too(written, tmp_path):
    text = CONFIG.format(head="FCNHead", options="num_convs=1,") + (
        f"model['pretrained'] = None\nmodel['init_cfg'] = dict(type='Pretrained', checkpoint='{tmp_path}/mine.pth')\n"
    )
    path = written(text)
    weights = build_segmentor(path, False, 64).state_dict()
    torch.save({"state_dict": weights}, tmp_path / "mine.pth")
    there = build_segmentor(path, True, 64).state_dict()
    assert all(torch.equal(there[key], weights[key]) for key in weights)
    torch.save({"model." + key: tensor for key, tensor in weights.items()}, tmp_path / "mine.pth")
    with pytest.raises(UserError, match="not made for the EncoderDecoder"):
        build_segmentor(path, True, 64)


def test_a_file_that_sets_less_than_half_of_the_weights_is_refused(written, tmp_path):
    """As does one of another network that shares a layer."""
    text = CONFIG.format(head="FCNHead", options="num_convs=1,") + (
        f"model['pretrained'] = None\nmodel['init_cfg'] = dict(type='Pretrained', checkpoint='{tmp_path}/mine.pth')\n"
    )
    path = written(text)
    weights = {name: of for name, of in build_segmentor(path, False, 64).named_parameters() if of.ndim > 1}
    kept = dict(list(weights.items())[: len(weights) // 10])
    assert kept
    torch.save({"state_dict": kept}, tmp_path / "mine.pth")
    with pytest.raises(UserError, match=f"{len(kept)} of {len(weights)} weights have a value of the file"):
        build_segmentor(path, True, 64)


def test_a_timm_backbone_downloads_nothing_unasked(written, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("timm was asked for weights")

    monkeypatch.setattr("timm.models._builder.load_pretrained", refuse)
    text = CONFIG.format(head="FCNHead", options="num_convs=1,") + (
        "model['pretrained'] = None\n"
        "model['backbone'] = dict(type='TIMMBackbone', model_name='mobilenetv3_small_050', out_indices=(0, 1, 2, 3))\n"
        "model['auxiliary_head'] = None\nmodel['decode_head']['in_channels'] = 24\n"
    )
    assert build_segmentor(written(text), False, 64).backbone.timm_model is not None
