"""Wrong settings, devices, weights and networks of a run: the error shows the key, file or value."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from bad_input import refused
from damaged import cut
from project import ROOT
from safetensors.torch import load_file, save_file

from pipeline_src.params.load import read, resolve
from pipeline_src.prediction import predict
from pipeline_src.training.checkpoint import save_network
from pipeline_src.training.classifier import prepare_device
from pipeline_src.training.models.build import build_segmentor

CONFIG = """
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(mean=[1] * 3, std=[1] * 3, bgr_to_rgb=True),
    backbone=dict(
        type="ResNet", depth=18, base_channels=8, stem_channels=8, norm_cfg=dict(type="BN"),
        init_cfg=dict(type="Pretrained", checkpoint="weights.pth"),
    ),
    decode_head=dict(type="FCNHead", in_channels=64, in_index=3, channels=8, num_convs=1, num_classes=2),
)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with params.yaml, which picks `tiny`."""
    monkeypatch.chdir(tmp_path)
    change()
    return tmp_path


def change(**keys: object) -> None:
    """Write params.yaml with changes of the experiment."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["experiments"] = {"tiny": content["experiments"]["tiny"] | keys}
    Path("params.yaml").write_text(yaml.safe_dump(content | {"experiment": "tiny"}))


def test_a_large_seed_is_named():
    change(seeds=[10_000_000_000])
    refused(lambda: resolve(read()), "experiments.tiny", "seeds.0", "10000000000")


def test_an_absent_device_is_named():
    change(training={"device": "cuda:99"})
    refused(lambda: prepare_device(resolve(read())[1].training), "training.device", "cuda:99")


def doubled(file: Path) -> None:
    """A tensor twice as long."""
    tensors = load_file(file)
    name = next(name for name, tensor in tensors.items() if tensor.ndim)
    save_file(tensors | {name: torch.cat([tensors[name]] * 2)}, file)


@pytest.mark.parametrize(
    ("damage", "shows"),
    [
        (cut, ""),
        (lambda file: file.write_bytes(b""), ""),
        (lambda file: torch.save({}, file), ""),
        (Path.unlink, ""),
        (doubled, "size mismatch"),
    ],
)
def test_a_damaged_network_is_named(damage, shows):
    file = Path("model.safetensors")
    save_network(file, build_segmentor("tiny_fpn", False))
    damage(file)
    refused(lambda: predict.load(file, resolve(read())[1]), str(file), shows)


def test_damaged_pretrained_weights_are_named(folder):
    Path("net.py").write_text(CONFIG)
    torch.save({"a": torch.ones(1000)}, "weights.pth")
    cut(Path("weights.pth"))
    refused(lambda: build_segmentor(str(folder / "net"), True), "model.pretrained", "weights.pth")
