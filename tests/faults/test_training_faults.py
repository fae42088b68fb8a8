"""What is wrong with a run's parameters, a user's method or network, weights, checkpoints and models."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from bad_input import BadInput, refusals, run
from damaged import Trap, cut, flipped
from project import ROOT
from safetensors.torch import load_file, save_file

from pipeline_src.params.load import read, resolve
from pipeline_src.pipeline import precheck
from pipeline_src.pipeline.jobs import build
from pipeline_src.pipeline.runner import run_job
from pipeline_src.prediction.predict import load
from pipeline_src.training import checkpoint
from pipeline_src.training.calibrated import calibrated_method
from pipeline_src.training.models.build import build_segmentor
from pipeline_src.training.network_file import write

Temperature = calibrated_method("temperature")

METHOD = "from pipeline_src.training.method import Method\n\n\nclass Mine(Method):\n    {}\n"
NET = """
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
POOLED = """
from torch import nn


def build(outputs):
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    return nn.Sequential(pooled, nn.Conv2d(4, outputs, 1))
"""


def params(folder: Path, **changes: str) -> None:
    """params.yaml with `tiny` and changes: `baseline` of the method's block, others of lines of `tiny`'s that begin
    with such a key, or new ones."""
    text = (ROOT / "params.yaml").read_text()
    text = re.sub(r"^experiment: \w+", "experiment: tiny", text, flags=re.MULTILINE)
    head, block = text.split("\n  tiny:", 1)
    block, rest = block.split("\n\n", 1)
    for key, value in changes.items():
        if key == "baseline":
            head = head.replace("  baseline: {}", f"  baseline: {value}")
        elif re.search(rf"^ +{key}:.*$", block, re.MULTILINE):
            block = re.sub(rf"^( +){key}:.*$", lambda m, of=f"{key}: {value}": m[1] + of, block, count=1, flags=re.M)
        else:
            block = block.replace("\n", f"\n    {key}: {value}\n", 1)
    (folder / "params.yaml").write_text(f"{head}\n  tiny:{block}\n\n{rest}")


def planned(folder: Path) -> None:
    precheck.check(build(read()))


def of_method(block: str, code: str = METHOD.format("pass"), **files: str) -> Callable[[Path], None]:
    """A project whose baseline is a user's method."""

    def make(folder: Path) -> None:
        params(folder, baseline=block)
        (folder / "mine.py").write_text(code)

    return make


def with_params(**changes: str) -> Callable[[Path], None]:
    return lambda folder: params(folder, **changes)


def prepared(**changes: str) -> Callable[[Path], None]:
    """A project whose scenes are prepared."""

    def make(folder: Path) -> None:
        params(folder)
        run_job(build(read()).job("prepare/tiny-scenes"))
        params(folder, **changes)

    return make


def pooled(folder: Path) -> None:
    params(folder, model="{factory: 'net.py:build'}", training="{epochs: 1, batch_size: 1}")
    (folder / "net.py").write_text(POOLED)


# Models


def model(change: Callable[[Path], Any]) -> Callable[[Path], None]:
    """A model of `tiny`, then changed."""

    def make(folder: Path) -> None:
        params(folder)
        torch.manual_seed(0)
        network = build_segmentor("tiny_fpn", False, 32)
        write(folder / "model.safetensors", network, {"seed": 0, "method": "Baseline"})
        change(folder / "model.safetensors")

    return make


def loaded(folder: Path) -> None:
    load(folder / "model.safetensors", resolve(read())[1], 2, {"seed": 1, "method": "Baseline"})


def of_other_shapes(file: Path) -> None:
    tensors = load_file(file)
    name = next(name for name, tensor in tensors.items() if tensor.ndim)
    save_file(tensors | {name: torch.cat([tensors[name]] * 2)}, file)


# Weights to start from


def weights(content: Callable[[Path], Any]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / "net.py").write_text(NET)
        content(folder / "weights.pth")

    return make


def started(folder: Path) -> None:
    build_segmentor("net.py", True, 64)


# Checkpoints


def checkpoints(change: Callable[[Path], Any]) -> Callable[[Path], None]:
    """The only checkpoint of a run, changed."""

    def make(folder: Path) -> None:
        checkpoint.save(folder, 7, {"of": 1, "weights": torch.ones(1000)})
        change(folder / "epoch7.pt")

    return make


def resumed(folder: Path) -> None:
    checkpoint.load(folder, lambda content: None if content["of"] == 1 else "it belongs to another run")


# Weights that come from an address


def misnamed(folder: Path) -> None:
    """`tiny` with the network of `paper`, and another file under the name of its weights."""
    params(folder, model="{config: resnet50_aslp, pretrained: true}")
    (folder / "hub/checkpoints").mkdir(parents=True)
    torch.save({"fc.bias": torch.ones(3)}, folder / "hub/checkpoints/resnet50-0676ba61.pth")


def with_weights(call: Callable[[Path], object]) -> Callable[[Path], None]:
    """The call where the files of torch.hub lie in the folder."""

    def called(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TORCH_HOME", str(folder))
            call(folder)

    return called


AGAIN = "start the command again"
FROM_START = "or remove it to start from the beginning"
STOPS = "The run stops: neither checkpoint can be used."
BEFORE = "Refused before anything runs."
PLAN = "`plan` refuses it, as the step itself does."
ROWS = [
    BadInput(
        "huge-seed",
        "`seeds: [10000000000]`",
        planned,
        r"experiments.tiny[\s\S]*seeds.0: .*less than 4294967296 \(found 10000000000\)",
        make=with_params(seeds="[10000000000]"),
        happens=BEFORE,
    ),
    BadInput(
        "misspelt-callback",
        "A method of one's own has `def target`, which nothing calls",
        planned,
        r"methods: mine.py: Mine.target\(\) is not a callback",
        found="target",
        expected="after_step, .*targets",
        do="did you mean 'targets'",
        make=of_method("{file: mine.py}", METHOD.format("def target(self, y, batch): return y / 2")),
        happens=BEFORE + " The baseline would be trained under its name.",
    ),
    BadInput(
        "misspelt-after-step",
        "`def before_step`",
        planned,
        r"Mine.before_step\(\) is not a callback",
        found="before_step",
        expected="after_step",
        do="did you mean 'after_step'",
        make=of_method("{file: mine.py}", METHOD.format("def before_step(self, m, index, epoch): pass")),
        happens=BEFORE,
    ),
    BadInput(
        "files-absent",
        "`files:` names a file that is not there",
        planned,
        r"methods.baseline.files: there is no file weights.csv",
        found="nothing at .*weights.csv",
        expected="working folder",
        do="correct the path",
        make=of_method("{file: mine.py, files: [weights.csv]}"),
        happens=BEFORE,
    ),
    BadInput(
        "files-folder",
        "`files:` names a folder",
        planned,
        r"methods.baseline.files: there is no file tables",
        found="a folder",
        expected="files, by their path",
        do="correct the path",
        make=lambda folder: (of_method("{file: mine.py, files: [tables]}")(folder), (folder / "tables").mkdir()),
        happens=BEFORE,
    ),
    BadInput(
        "files-text",
        "`files: weights.csv` in the place of a list",
        planned,
        "methods.baseline.files: must be a list",
        found="'weights.csv'",
        expected=r"files: \[weights.csv\]",
        do="write the list",
        make=of_method("{file: mine.py, files: weights.csv}"),
        happens=BEFORE,
    ),
    BadInput(
        "files-without-file",
        "`files:` for a method of the project",
        planned,
        "methods.baseline.files: goes with `file:` alone",
        found=r"weights.csv",
        expected="file: my_method.py",
        do="remove the key",
        make=with_params(baseline="{files: [weights.csv]}"),
        happens=BEFORE,
    ),
    BadInput(
        "first-of-too-many",
        "`first: 1000000000` of a set that is drawn or counted in the catalog",
        planned,
        r"data.train: first 1000000000 of tiny-scenes/train has too few samples",
        found=r"\d+ or fewer in tiny-scenes/train",
        expected="1,000,000,000 or more",
        do="lower `first`",
        make=with_params(train="{set: tiny-scenes, split: train, first: 1000000000}"),
        happens=PLAN,
    ),
    BadInput(
        "last-of-too-many",
        "`last: 1000` of a set that has fewer",
        planned,
        r"data.val: last 1000 of tiny-scenes/val has too few samples",
        found=r"\d+ or fewer in tiny-scenes/val",
        expected="1,000 or more",
        do="lower `first` or `last`",
        make=with_params(val="{set: tiny-scenes, split: val, last: 1000}"),
        happens=PLAN,
    ),
    BadInput(
        "train-is-val",
        "Training and validation are the same split",
        planned,
        "data.train and data.val are the same images",
        found="tiny-scenes/train and tiny-scenes/train",
        expected="without a common sample",
        do="other splits",
        make=with_params(val="{set: tiny-scenes, split: train}"),
        happens=PLAN,
    ),
    BadInput(
        "train-is-test",
        "A test set is a part of the training split",
        planned,
        "data.train and data.scenes are the same images",
        found="tiny-scenes/train and first 2 of tiny-scenes/train",
        expected="without a common sample",
        do="other splits",
        make=with_params(scenes="{set: tiny-scenes, split: train, first: 2}"),
        happens=PLAN + " It was told after training.",
    ),
    BadInput(
        "parts-meet",
        "`split: all` as a test set of a set that is prepared",
        planned,
        "parts of the data overlap",
        expected="without a common sample",
        do="other splits",
        make=prepared(scenes="{set: tiny-scenes}"),
        happens=PLAN,
    ),
    BadInput(
        "no-gpus",
        "`gpus: 4` without GPUs",
        planned,
        "training.gpus: this machine has no 4 GPUs",
        found=r"\d CUDA devices",
        expected="4 or more",
        do="`gpus: 0`",
        make=with_params(training="{epochs: 1, batch_size: 4, gpus: 4}"),
        happens=PLAN + " Four processes would share the CPU.",
    ),
    BadInput(
        "no-such-device",
        "`device: cuda:99`",
        planned,
        "training.device: this machine has no 'cuda:99'",
        found=r"\d CUDA devices",
        do="`device: auto`",
        make=with_params(training="{epochs: 1, batch_size: 4, device: 'cuda:99'}"),
        happens=PLAN,
    ),
    BadInput(
        "fp16-on-cpu",
        "`amp: fp16` on a CPU",
        planned,
        "training.amp: fp16 needs a GPU",
        found="device cpu",
        expected="off or bf16",
        make=with_params(training="{epochs: 1, batch_size: 4, device: cpu, amp: fp16}"),
        happens=PLAN,
    ),
    BadInput(
        "huge-batch",
        "`batch_size: 1000000000`",
        planned,
        "training.batch_size: a step has more images than there are",
        found=r"batch_size: 1,000,000,000 and \d+ training images",
        expected=r"\d+ or fewer",
        do=r"set `batch_size: \d+`",
        make=with_params(training="{epochs: 1, batch_size: 1000000000}"),
        happens=PLAN + " It needed all memory.",
    ),
    BadInput(
        "batch-of-one",
        "`batch_size: 1` for a network with batch norm after global pooling",
        planned,
        "training.batch_size: this network can't be trained on one image",
        found="batch_size: 1 a process",
        expected="two images or more",
        do="`batch_size: 2`",
        make=pooled,
        happens=PLAN,
    ),
    *(
        BadInput(
            f"model-{name}",
            f"A model that {fault}",
            loaded,
            "model.safetensors can't be read as a network",
            found=".",
            expected="a whole file of safetensors",
            do=AGAIN,
            make=model(change),
            happens="Refused by name when it is read.",
        )
        for name, fault, change in (
            ("cut", "is cut off", cut),
            ("empty", "is empty", lambda file: file.write_bytes(b"")),
            ("text", "is a text", lambda file: file.write_text("notes\n" * 100)),
            ("pickled", "was written by torch.save", lambda file: torch.save({}, file)),
            ("gone", "is gone", lambda file: file.unlink()),
        )
    ),
    BadInput(
        "model-of-other-shapes",
        "A model of other shapes",
        loaded,
        "model.safetensors does not fit the model tiny_fpn",
        found="size mismatch",
        expected="names and shapes",
        do=AGAIN,
        make=model(of_other_shapes),
        happens="Refused by name when it is read.",
    ),
    BadInput(
        "model-of-another-seed",
        "The model of another run in a run's place",
        loaded,
        "model.safetensors is of another run: other seed",
        found="seed 0",
        expected="seed 1",
        do=AGAIN,
        make=model(lambda file: None),
        happens="Refused: `model.safetensors` says of which run it is.",
    ),
    *(
        BadInput(
            name,
            fault,
            with_weights(call),
            r"model\.pretrained: .*resnet50-0676ba61\.pth is not the file that its name says",
            found="sha256 (?!0676ba61)[0-9a-f]{64}",
            expected=r"sha256 0676ba61\.\.\.",
            do="remove it, and get https://.*resnet50-0676ba61.pth anew",
            make=misnamed,
            happens="Refused: torch.hub's names end with the begin of the SHA-256.",
        )
        for name, fault, call in (
            ("weights-misnamed", "Another file under the name of pretrained weights, in `plan`", planned),
            (
                "weights-misnamed-trained",
                "The same, in a training",
                lambda folder: run("train", "--method", "baseline", "--experiment", "tiny"),
            ),
        )
    ),
    BadInput(
        "weights-with-code",
        "Pretrained weights whose file runs code",
        started,
        "model.pretrained: weights.pth may hold more than weights",
        found="eights",
        expected="safetensors, or",
        do=r"convert it and name weights.safetensors.*: python -c",
        make=weights(lambda file: torch.save({"state_dict": {}, "hook": Trap()}, file)),
        happens="Refused; no code of it is run.",
    ),
    BadInput(
        "weights-with-objects",
        "Pretrained weights beside other objects, as many programs write them",
        started,
        "model.pretrained: weights.pth may hold more than weights",
        found="eights",
        expected="safetensors, or",
        do=r"save_file\(.*'weights.safetensors'\)",
        make=weights(lambda file: torch.save({"state_dict": {}, "args": argparse.Namespace(lr=1)}, file)),
        happens="Refused, with the command that converts the file.",
    ),
    BadInput(
        "weights-cut",
        "Pretrained weights that are cut off",
        started,
        "model.pretrained: weights.pth can't be read as weights",
        found="Error",
        expected="a whole file",
        do="fetch the file again",
        make=weights(lambda file: (torch.save({"a": torch.ones(1000)}, file), cut(file))),
        happens="Refused by name.",
    ),
    BadInput(
        "weights-of-another-network",
        "Pretrained weights of another network",
        started,
        "model.pretrained is true, but weights.pth is not made for the ResNet",
        found="0 of 20 weights",
        expected="conv1.weight",
        do="pretrained: false",
        make=weights(lambda file: torch.save({"a": torch.ones(3, 3)}, file)),
        happens="Refused where less than half of a module's weights come from the file.",
    ),
    *(
        BadInput(
            f"checkpoint-{name}",
            f"The only checkpoint {fault}",
            resumed,
            "no checkpoint of this run can be used",
            found=rf"^epoch7.pt: {found}",
            expected="this run has written",
            do=FROM_START,
            make=checkpoints(change),
            happens=STOPS,
        )
        for name, fault, change, found in (
            ("flipped", "has a flipped bit", flipped, "its content is not what was written"),
            ("cut", "is cut off", cut, "it is cut off"),
            ("empty", "is empty", lambda file: file.write_bytes(b""), "it is cut off, or no checkpoint"),
            (
                "foreign",
                "is of another run",
                lambda f: checkpoint.save(f.parent, 7, {"of": 2}),
                "it belongs to another",
            ),
            ("code", "runs code", lambda f: checkpoint.save(f.parent, 7, {"of": Trap()}), "Weights only load failed"),
        )
    ),
    BadInput(
        "fitted-parameter",
        "A parameter that a calibrator was fitted to is out of bounds",
        lambda folder: Temperature().restored({"parameters": {"temperature": -1.0}}),
        r"run\.json: fitted\.parameters(.|\n)*temperature: .*greater than or equal to 0\.001",
        make=lambda folder: None,
        happens="Refused by name.",
    ),
]


test_it_is_refused = refusals(ROWS)
