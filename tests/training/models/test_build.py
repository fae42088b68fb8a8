"""Any mmsegmentation config becomes a segmentor with one logit a pixel, or is refused with its fault."""

from __future__ import annotations

from pathlib import Path

import mmseg
import pytest
import torch

from pipeline_src.errors import UserError
from pipeline_src.training.checkpoint import load_network, save_network
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.models.build import build_segmentor, normalization
from pipeline_src.training.models.config import model_modules, model_names, read_config

# What users of mmsegmentation have: 19 classes, a class-weighted loss, synchronized statistics, sampling, windows.
PLAIN = """
norm_cfg = dict(type="SyncBN", requires_grad=True)
data_preprocessor = dict(type="SegDataPreProcessor", mean=[1, 2, 3], std=[4, 5, 6], bgr_to_rgb=True, size=(512, 512))
model = dict(
    type="EncoderDecoder",
    data_preprocessor=data_preprocessor,
    pretrained="open-mmlab://resnet18_v1c",
    backbone=dict(type="ResNetV1c", depth=18, base_channels=8, stem_channels=8, norm_cfg=norm_cfg, style="pytorch"),
    decode_head=dict(
        type="FCNHead", in_channels=64, in_index=3, channels=8, num_convs=1, num_classes=19, norm_cfg=norm_cfg,
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
WHOLE = "model['pretrained'] = None\nmodel['init_cfg'] = dict(type='Pretrained', checkpoint='mine.pth')\n"
BACKBONE = WHOLE.replace("model['init_cfg']", "model['backbone']['type'] = 'ResNet'\nmodel['backbone']['init_cfg']")


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def written(tmp_path):
    def write(text: str = PLAIN, name: str = "mine.py") -> str:
        (tmp_path / name).write_text(text)
        return str((tmp_path / name).with_suffix(""))

    return write


def trains_and_comes_back(network: str, classes: int, folder: Path, size: int = 64) -> DenseClassifier:
    """The gradient of two images' logits reaches every parameter; the saved network predicts bit-identically."""

    def build(seed: int) -> DenseClassifier:
        torch.manual_seed(seed)
        return DenseClassifier(network, classes)

    model, other = build(0), build(1)
    images = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    sum(weight * z.square().mean() for z, weight in model.weighted_logits(model.standardized(images))).backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.sum().isfinite(), name
    save_network(folder / "model.safetensors", model.segmentor)
    load_network(folder / "model.safetensors", other.segmentor, network)
    with torch.no_grad():
        logits, loaded = model.eval()(images), other.eval()(images)
    assert logits.shape[:2] == (2, 1 if classes == 2 else classes)
    assert logits.isfinite().all() and torch.equal(logits, loaded)
    return model


def heads(network: DenseClassifier, size: int) -> list[tuple[list[int], float]]:
    """The shapes and weights of a training step of two images; every parameter must take part in it."""
    maps = network.weighted_logits(torch.randn(2, 3, size, size))
    sum(z.square().mean() for z, _ in maps).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
    return [(list(z.shape), pytest.approx(weight)) for z, weight in maps]


def test_logits_are_those_of_mmsegmentation(written):
    network = DenseClassifier(written()).eval()
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    x = network.standardized(images)
    with torch.no_grad():
        expected = network.segmentor.decode_head(network.segmentor.extract_feat(x))
        assert torch.equal(network(images), expected)
        assert torch.equal(network.weighted_logits(x)[0][0], expected)


def test_a_users_config_is_made_binary(written):
    network = DenseClassifier(written())
    segmentor = network.segmentor
    assert heads(network, 64) == [([2, 1, 2, 2], 1), ([2, 1, 4, 4], 0.4)]
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
    assert heads(DenseClassifier(written(text)), 64) == [([2, 1, 2, 2], 1), ([2, 1, 4, 4], 0.1), ([2, 1, 8, 8], 0.25)]


def test_base_files_are_merged(written):
    written()
    path = written("_base_ = ['mine.py']\nmodel = dict(decode_head=dict(channels=4))\n", "child.py")
    assert build_segmentor(path, False).decode_head.conv_seg.in_channels == 4
    assert normalization(path) == ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("model['decode_head']['type'] = 'FPNHaed'", "FPNHaed"),
        ("model['decode_head']['chanels'] = 4", "chanels"),
        ("del model['decode_head']", "decode_head"),
        ("_base_ = ['./gone.py']", r"gone\.py"),
        ("model['decode_head']['channels'] = chanels", "chanels"),
        ("assert False", "AssertionError"),
    ],
)
def test_a_wrong_config_is_refused(written, change, named):
    path = written(PLAIN + change)
    with pytest.raises(UserError, match=rf"model\.config: {path}(.|\n)*{named}"):
        build_segmentor(path, False)


@pytest.mark.parametrize("wrong", ["bgr_to_rgb=False", "mean=None", "std=[1]"])
def test_an_unclear_normalization_is_refused(written, wrong):
    with pytest.raises(UserError, match="data_preprocessor"):
        normalization(written(PLAIN + f"data_preprocessor.update({wrong})\n"))


@pytest.mark.parametrize(("name", "shown"), [("resnet50_alsp", "'resnet50_aslp'"), ("zzz", "models/configs")])
def test_an_unknown_name_is_refused(name, shown):
    with pytest.raises(UserError, match=rf"model.config: [\s\S]*{shown}"):
        read_config(name)


def test_all_files_of_a_model_count_in_fingerprints():
    configs = "pipeline_src.training.models.configs"
    names = {"_fpn", "efficientnet_lite0_fpn", "efficientnet_lite2_fpn"}
    expected = {f"{configs}.{name}" for name in names} | {"pipeline_src.training.models.modules"}
    assert set(model_modules("efficientnet_lite2_fpn")) == expected


# Configs of mmsegmentation, shrunken, and of the package: each trains and comes back from its file

SIZE = 32
MODELS = Path(mmseg.__file__).parent / ".mim/configs/_base_/models"
RESNET = "backbone=dict(depth=18, base_channels=8, stem_channels=8)"
LAST = "decode_head=dict(in_channels=64, channels=8, {}), auxiliary_head=dict(in_channels=32, channels=8)"
CONFIGS = {
    "fpn_r50": f"{RESNET}, neck=dict(in_channels=[8, 16, 32, 64], out_channels=16), "
    "decode_head=dict(in_channels=[16] * 4, channels=16)",
    "deeplabv3plus_r50-d8": f"{RESNET}, {LAST.format('c1_in_channels=8, c1_channels=4')}",
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


def test_unavailable_weights_are_named_with_their_place(offline):
    for name in model_names():
        init = read_config(name).model.backbone.get("init_cfg")
        if init and "://" in init.checkpoint:
            with pytest.raises(UserError) as error:
                build_segmentor(name, True)
            for text in (str(offline), init.checkpoint, "`pretrained: false`"):
                assert text in str(error.value)


# Pretrained weights


def test_pretrained_without_weights_in_the_config_is_refused():
    with pytest.raises(UserError, match="tiny_fpn"):
        build_segmentor("tiny_fpn", pretrained=True)


def test_torchvisions_weights_fill_the_whole_backbone(offline):
    from torchvision.models import resnet50

    torch.manual_seed(1)
    content = resnet50(weights=None).state_dict()
    torch.save(content, offline / "resnet50-0676ba61.pth")
    backbone = build_segmentor("resnet50_aslp", pretrained=True).backbone.state_dict()
    assert set(content) - set(backbone) == {"fc.weight", "fc.bias"} and set(backbone) <= set(content)
    assert all(torch.equal(backbone[key], content[key]) for key in backbone)


@pytest.mark.parametrize(("change", "module"), [(BACKBONE, "backbone"), (WHOLE, "")])
def test_weights_of_a_file_are_loaded_where_pretrained_asks_for_them(written, change, module):
    path = written(PLAIN + change)
    torch.manual_seed(1)
    content = build_segmentor(path, False).get_submodule(module).state_dict()
    torch.save({"state_dict": content}, "mine.pth")
    for pretrained in (True, False):
        loaded = build_segmentor(path, pretrained).get_submodule(module).state_dict()
        assert all(torch.equal(loaded[key], content[key]) for key in content) == pretrained
