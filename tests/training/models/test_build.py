"""Any mmsegmentation config becomes a segmentor with one logit a pixel, or is refused with its fault."""

from __future__ import annotations

import pytest
import torch
from damaged import Trap

from pipeline_src.errors import UserError
from pipeline_src.training.models.build import (
    all_logits,
    build_segmentor,
    head_weights,
    logits,
    normalization,
)
from pipeline_src.training.models.config import config_path

# What users of mmsegmentation have: 19 classes, a class-weighted loss, synchronized statistics, sampling, windows.
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
PLAIN = CONFIG.format(head="FCNHead", options="num_convs=1,")
HEADS = {
    "FCNHead": "num_convs=2,",
    "PSPHead": "pool_scales=(1, 2),",
    "DepthwiseSeparableASPPHead": "dilations=(1, 2), c1_in_channels=0, c1_channels=0,",
}
WHOLE = "model['pretrained'] = None\nmodel['init_cfg'] = dict(type='Pretrained', checkpoint='mine.pth')\n"
BACKBONE = WHOLE.replace("model['init_cfg']", "model['backbone']['type'] = 'ResNet'\nmodel['backbone']['init_cfg']")
TIMM = (
    "model['pretrained'] = None\n"
    "model['backbone'] = dict(type='TIMMBackbone', model_name='mobilenetv3_small_050', out_indices=(0, 1, 2, 3){})\n"
    "model['auxiliary_head'] = None\nmodel['decode_head']['in_channels'] = 24\n"
)


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def written(tmp_path):
    def write(text: str = PLAIN, name: str = "mine.py") -> str:
        (tmp_path / name).write_text(text)
        return name

    return write


def gradients(segmentor: torch.nn.Module, size: int) -> list[torch.Tensor]:
    """The logits of a training step of two images; every parameter must take part in it."""
    maps = all_logits(segmentor, torch.randn(2, 3, size, size))
    sum(z.square().mean() for z in maps).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in segmentor.parameters())
    return maps


def test_the_same_seed_draws_the_same_weights():
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build_segmentor("tiny_fpn", False, 64).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_logits_are_those_of_mmsegmentation(written):
    segmentor = build_segmentor(written(), pretrained=False, image_size=64).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(logits(segmentor, images), all_logits(segmentor, images)[0])
        assert torch.equal(logits(segmentor, images), segmentor(images, mode="tensor"))


@pytest.mark.parametrize("head", HEADS)
def test_a_users_config_is_made_binary(written, head):
    segmentor = build_segmentor(written(CONFIG.format(head=head, options=HEADS[head])), pretrained=False, image_size=64)
    assert [tuple(z.shape) for z in gradients(segmentor, 64)] == [(2, 1, 2, 2), (2, 1, 4, 4)]
    assert head_weights(segmentor) == [1.0, 0.4]
    for module in (segmentor.decode_head, segmentor.auxiliary_head):
        assert (module.num_classes, module.out_channels, module.threshold, module.sampler) == (2, 1, 0.5, None)
    assert segmentor.test_cfg.mode == "whole"
    assert not any(isinstance(module, torch.nn.SyncBatchNorm) for module in segmentor.modules())


def test_several_auxiliary_heads_keep_the_proportion_of_their_losses(written):
    text = PLAIN + (
        "dice = dict(type='DiceLoss')\n"
        "model['decode_head']['loss_decode'] = [dict(type='CrossEntropyLoss'), {**dice, 'loss_weight': 3.0}]\n"
        "head = model['auxiliary_head']\n"
        "model['auxiliary_head'] = [head, {**head, 'in_index': 1, 'in_channels': 16, 'loss_decode': dice}]\n"
    )
    segmentor = build_segmentor(written(text), pretrained=False, image_size=64)
    assert [z.shape[-1] for z in gradients(segmentor, 64)] == [2, 4, 8]
    assert head_weights(segmentor) == pytest.approx([1.0, 0.1, 0.25])


def test_a_users_own_modules_come_by_custom_imports(written, tmp_path, monkeypatch):
    (tmp_path / "my_head_of_tests.py").write_text(
        "from mmseg.models.decode_heads.fcn_head import FCNHead\nfrom mmseg.registry import MODELS\n\n"
        "@MODELS.register_module()\nclass HeadOfTests(FCNHead):\n    pass\n"
    )
    text = "custom_imports = dict(imports=['my_head_of_tests'])\n" + PLAIN.replace('"FCNHead"', '"HeadOfTests"', 1)
    with pytest.raises(UserError, match="my_head_of_tests"):
        build_segmentor(written(text), False, 64)
    monkeypatch.syspath_prepend(tmp_path)
    assert type(build_segmentor(written(text), False, 64).decode_head).__name__ == "HeadOfTests"


def test_base_files_are_merged(written):
    written()
    path = written("_base_ = ['mine.py']\nmodel = dict(decode_head=dict(channels=4))\n", "child.py")
    assert build_segmentor(path, False, 64).decode_head.conv_seg.in_channels == 4
    assert normalization(path) == ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])


@pytest.mark.parametrize("wrong", ["bgr_to_rgb=False", "mean=None", "std=[1]"])
def test_an_unclear_normalization_is_refused(written, wrong):
    with pytest.raises(UserError, match="data_preprocessor"):
        normalization(written(PLAIN + f"data_preprocessor.update({wrong})\n"))


@pytest.mark.parametrize(
    ("name", "shown"),
    [("resnet50_alsp", "'resnet50_aslp'"), ("zzz", "configs/my_model.py"), ("configs/mine.py", "configs/mine.py")],
)
def test_an_unknown_name_is_refused(name, shown):
    with pytest.raises(UserError, match=rf"model.config: [\s\S]*{shown}"):
        config_path(name)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ("del model['decode_head']", "decode_head"),
        ("model = 3", "decode_head"),
        ("1 / 0", "ZeroDivisionError"),
        ("model['decode_head']['type'] = 'FCNHaed'", "FCNHaed"),
        ("model['decode_head']['in_channels'] = 63", "64 x 64"),
        (
            "model['decode_head'] = dict(type='DAHead', in_channels=64, in_index=3, channels=8, pam_channels=8)",
            "DAHead",
        ),
        (
            "model.update(type='CascadeEncoderDecoder', num_stages=1, decode_head=[model['decode_head']])",
            "decode_head=dict",
        ),
    ],
)
def test_a_wrong_config_is_refused(written, change, shown):
    with pytest.raises(UserError, match=rf"model.config: [\s\S]*{shown}"):
        build_segmentor(written(PLAIN + change + "\n"), False, 64)


# Pretrained weights


def test_pretrained_without_weights_in_the_config_is_refused():
    with pytest.raises(UserError, match="tiny_fpn"):
        build_segmentor("tiny_fpn", pretrained=True, image_size=64)


def test_torchvisions_weights_fill_the_whole_backbone(offline):
    from torchvision.models import resnet50

    torch.manual_seed(1)
    content = resnet50(weights=None).state_dict()
    torch.save(content, offline / "resnet50-0676ba61.pth")
    backbone = build_segmentor("resnet50_aslp", pretrained=True, image_size=32).backbone.state_dict()
    assert set(content) - set(backbone) == {"fc.weight", "fc.bias"} and set(backbone) <= set(content)
    assert all(torch.equal(backbone[key], content[key]) for key in backbone)


@pytest.mark.parametrize(("change", "part", "prefix"), [(BACKBONE, "backbone", "backbone."), (WHOLE, "", "model.")])
def test_weights_of_a_file(written, change, part, prefix):
    """They are loaded where `pretrained` asks for them. A file with other names, or with a tenth of the weights, as of
    another network that shares a layer, is refused: mmengine would keep random weights."""
    path = written(PLAIN + change)
    torch.manual_seed(1)
    content = build_segmentor(path, False, 64).get_submodule(part).state_dict()
    torch.save({"state_dict": content}, "mine.pth")
    for pretrained in (True, False):
        loaded = build_segmentor(path, pretrained, 64).get_submodule(part).state_dict()
        assert all(torch.equal(loaded[key], content[key]) for key in content) == pretrained
    few = dict(list(content.items())[: len(content) // 10])
    for wrong in ({prefix + key: tensor for key, tensor in content.items()}, few):
        torch.save({"state_dict": wrong}, "mine.pth")
        with pytest.raises(UserError, match=r"model\.pretrained[\s\S]*mine\.pth"):
            build_segmentor(path, True, 64)


def test_a_file_with_more_than_weights_is_refused(written):
    torch.save({"state_dict": {}, "meta": Trap()}, "mine.pth")
    with pytest.raises(UserError, match=r"model\.pretrained[\s\S]*mine\.pth[\s\S]*weights_only"):
        build_segmentor(written(PLAIN + BACKBONE), True, 64)


def test_a_timm_backbone_downloads_nothing_unasked(written, monkeypatch):
    monkeypatch.setattr("timm.models._builder.load_pretrained", lambda *_, **__: pytest.fail("timm loads weights"))
    assert build_segmentor(written(PLAIN + TIMM.format("")), False, 64).backbone.timm_model is not None
