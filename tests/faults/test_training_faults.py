"""Wrong settings, methods, weights and networks of a run: the error shows the key, file or value of each row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import yaml
from bad_input import contents
from damaged import cut
from project import ROOT
from safetensors.torch import load_file, save_file

from pipeline_src.errors import UserError
from pipeline_src.params.load import read, resolve
from pipeline_src.pipeline.jobs import build
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


def params(folder: Path, **changes: object) -> None:
    """params.yaml with changes of the experiment `tiny`: `baseline` is a method's block, the parts go into `data`."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["experiment"], tiny = "tiny", content["experiments"]["tiny"]
    for key, value in changes.items():
        if key == "baseline":
            content["methods"]["baseline"] = value
        elif key in ("train", "val", "scenes"):
            data = tiny["data"] if key != "scenes" else tiny["data"]["id"]
            data[key] = {"set": "tiny-scenes"} | value
        elif isinstance(value, dict):
            tiny[key] = tiny.get(key, {}) | value
        else:
            tiny[key] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(content))


# Changes of a folder


def settings(**changes: object) -> Callable[[Path], None]:
    return lambda folder: params(folder, **changes)


def training(**changes: object) -> Callable[[Path], None]:
    return settings(training=changes)


def network(change: Callable[[Path], object]) -> Callable[[Path], None]:
    """A network of `tiny`, then changed."""

    def write(folder: Path) -> None:
        params(folder)
        save_network(folder / "model.safetensors", build_segmentor("tiny_fpn", False), {})
        change(folder / "model.safetensors")

    return write


def doubled(file: Path) -> None:
    """A tensor twice as long."""
    tensors = load_file(file)
    name = next(name for name, tensor in tensors.items() if tensor.ndim)
    save_file(tensors | {name: torch.cat([tensors[name]] * 2)}, file)


def weights(content: object, change: Callable[[Path], object] = lambda file: None) -> Callable[[Path], None]:
    """A config and a file of pretrained weights."""

    def write(folder: Path) -> None:
        (folder / "net.py").write_text(CONFIG)
        torch.save(content, folder / "weights.pth")
        change(folder / "weights.pth")

    return write


# Calls


def planned() -> object:
    return build(read())


def on_device() -> object:
    return prepare_device(resolve(read())[1].training)


def started() -> object:
    return build_segmentor(str(Path("net").absolute()), True)


def loaded() -> object:
    return predict.load(Path("model.safetensors"), resolve(read())[1])


class Row(NamedTuple):
    """A call, the texts that its error shows, and the files that it finds."""

    call: Callable[[], object]
    shows: list[str]
    change: Callable[[Path], None] = lambda folder: None


NAMED = ["model.safetensors"]
ROWS = {
    "large seed": Row(planned, ["experiments.tiny", "seeds.0", "10000000000"], settings(seeds=[10_000_000_000])),
    "device": Row(on_device, ["training.device", "cuda:99"], training(device="cuda:99")),
    "network cut": Row(loaded, NAMED, network(cut)),
    "network empty": Row(loaded, NAMED, network(lambda file: file.write_bytes(b""))),
    "network of torch.save": Row(loaded, NAMED, network(lambda file: torch.save({}, file))),
    "network absent": Row(loaded, NAMED, network(lambda file: file.unlink())),
    "network of other shapes": Row(loaded, [*NAMED, "tiny_fpn", "size mismatch"], network(doubled)),
    "weights cut": Row(started, ["model.pretrained", "weights.pth"], weights({"a": torch.ones(1000)}, cut)),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_error_names_it_and_nothing_changes(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    row.change(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(UserError) as error:
        row.call()
    assert [text for text in row.shows if text not in str(error.value)] == [], str(error.value)
    after = contents(tmp_path)
    assert {path: after.get(path) for path in before} == before
