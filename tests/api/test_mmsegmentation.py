"""The configs of docs/tutorials/in-code.md, trained and tested by mmsegmentation's own programs."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import cv2
import mmseg
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from project import ROOT
from tutorial import blocks

from pipeline_src.api import Evaluation

TOOLS = Path(mmseg.__file__).parent / ".mim" / "tools"
BASE = """
default_scope = "mmseg"
load = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")]
train_pipeline = [*load, dict(type="Resize", scale=(32, 32)), dict(type="PackSegInputs")]
test_pipeline = [
    load[0], dict(type="Resize", scale=(32, 32)), load[1], dict(type="PackSegInputs")]
data = dict(
    type="BaseSegDataset", data_root="FOLDER", data_prefix=dict(img_path="images", seg_map_path="masks"),
    img_suffix=".png", metainfo=dict(classes=("ground", "object"), palette=[[0, 0, 0], [255, 0, 0]]))
train_dataloader = dict(
    batch_size=3, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(**data, pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(**data, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type="IoUMetric", iou_metrics=["mIoU"])
test_evaluator = val_evaluator
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=3, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-2))
randomness = dict(seed=0)
log_level = "ERROR"
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(type="SegDataPreProcessor", mean=[128.0] * 3, std=[64.0] * 3, size=(32, 32)),
    backbone=dict(
        type="UNet", base_channels=4, num_stages=2, strides=(1, 1), enc_num_convs=(1, 1), dec_num_convs=(1,),
        enc_dilations=(1, 1), dec_dilations=(1,), downsamples=(True,)),
    decode_head=dict(
        type="FCNHead", in_channels=4, channels=4, num_convs=0, concat_input=False, in_index=1, num_classes=2,
        out_channels=1, threshold=0.5, dropout_ratio=0, loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=True)),
    train_cfg=dict(), test_cfg=dict(mode="whole"))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with photographs, the two configs, and what training by the second one left."""
    folder = tmp_path_factory.mktemp("mmseg")
    rng = np.random.default_rng(0)
    for k in range(7):
        mask = np.zeros((40, 48), np.uint8)
        cv2.circle(mask, tuple(int(v) for v in rng.integers(12, 30, 2)), 9, 1, -1)
        image = rng.integers(0, 120, (40, 48, 3)) + 110 * mask[..., None]
        mask[:2] = 255
        for name, picture in (("images", image), ("masks", mask)):
            (folder / name).mkdir(exist_ok=True)
            assert cv2.imwrite(str(folder / name / f"{k}.png"), picture.astype(np.uint8))
    (folder / "my_config.py").write_text(BASE.replace("FOLDER", str(folder)))
    page = (ROOT / "docs/tutorials/in-code.md").read_text(encoding="utf-8")
    measured, with_loss = [text for _, text in blocks(page) if "custom_imports" in text]
    (folder / "measured.py").write_text('_base_ = "my_config.py"\n' + measured)
    (folder / "with_loss.py").write_text(with_loss)
    config = Config.fromfile(folder / "with_loss.py")
    config.work_dir = str(folder / "work")
    runner = Runner.from_cfg(config)
    runner.train()
    return folder, runner


def test_levels_are_learned_and_saved(trained):
    folder, runner = trained
    alphas = runner.model.decode_head.loss_decode.alphas
    assert alphas.shape == (7,) and (alphas > 0).any()
    saved = torch.load(folder / "work/epoch_3.pth", weights_only=False)["state_dict"]
    (state,) = (value for name, value in saved.items() if name.endswith("loss_decode._extra_state"))
    assert state["epoch"] == 3  # mmengine saves, and validates then
    assert np.array_equal(np.asarray(state["method"]["_alphas"]), alphas)


def test_their_test_program_prints_our_numbers(trained, monkeypatch):
    folder, runner = trained
    arguments = [str(folder / "measured.py"), str(folder / "work/epoch_3.pth"), "--work-dir", str(folder / "tested")]
    monkeypatch.setattr("sys.argv", ["test.py", *arguments])
    monkeypatch.setenv("LOCAL_RANK", "0")  # the program sets it, and other tests must not find it
    runpy.run_path(str(TOOLS / "test.py"), run_name="__main__")
    (file,) = (folder / "tested").glob("*/*.json")
    said = json.loads(file.read_text())
    evaluation = Evaluation()
    runner.model.eval()
    for batch in runner.val_dataloader:
        with torch.no_grad():
            for sample in runner.model.val_step(batch):
                evaluation.update(sample.seg_logits.data, sample.gt_sem_seg.data)
    report = evaluation.compute()
    assert len(evaluation) == 7 and report.pixels == 7 * 38 * 48
    for name in ("ece", "oe", "accuracy", "gap"):
        assert said[f"calibration/{name}"] == pytest.approx(report[name], abs=1e-6), name
    assert said["aAcc"] == pytest.approx(100 * report["accuracy"], abs=0.006)  # theirs has two digits


@pytest.mark.slow
def test_a_resumed_run_keeps_its_levels(trained):
    folder, runner = trained
    config = Config.fromfile(folder / "with_loss.py")
    config.update(work_dir=str(folder / "resumed"), resume=True, load_from=str(folder / "work/epoch_3.pth"))
    again = Runner.from_cfg(config)
    again.train()  # no epoch is left
    of_both = (trained_runner.model.decode_head.loss_decode for trained_runner in (runner, again))
    assert np.array_equal(*(loss.alphas for loss in of_both))
