"""What every method that trains must be able to do, by its name alone: a new file is tested by being there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import project
import pytest
import torch
from safetensors.torch import load_file
from test_training import outputs, run, stopped

from pipeline_src.data.store import Store
from pipeline_src.training import checkpoint
from pipeline_src.training.method import Method
from pipeline_src.training.registry import FOLDER, choose

EARLY = {"start_epoch": 1}
VARIANTS = {
    "adafocal": {"highest": 3.0},  # with its 20, ten images of two classes are silenced (see its docstring)
    "slp": {"alpha": 0.1},
    "slp-dm": {"alpha": 0.2, "beta": 0.5, "noise": 0.25},
    "aslp_mc-expected": {"form": "expected"} | EARLY,
    "aslp_mc-default": {"beta": 2.0} | EARLY,
}
NAMES = sorted(file.stem for file in FOLDER.glob("[!_]*.py"))
TRAINED = [name for name in NAMES if isinstance(choose(name, {}).method, Method)]
CASES = sorted({*TRAINED, *VARIANTS})


def block(case: str) -> dict:
    """Parameters with which a case does something within a few epochs; `method:` names its code."""
    method = case.partition("-")[0]
    early = EARLY if "start_epoch" in type(choose(method, {}).method).model_fields else {}
    return {"method": method} | VARIANTS.get(case, early)


@pytest.mark.parametrize("case", CASES)
def test_it_overfits_a_handful_of_images(stores, tmp_path, case):
    """Accuracy on the ten images that it sees; with mild noise, since so few images don't average out a strong one."""
    fields = type(choose(case, block(case)).method).model_fields
    mild = {"start_epoch": 30} if "start_epoch" in fields else {}
    mild |= {"beta": 0.5} if "form" in fields and case != "als" else {}
    seen = {"train": stores["train"], "val": stores["train"]}
    history = pd.read_csv(
        run(seen, tmp_path, case, block(case) | mild, epochs=60, batch_size=5, lr=2e-2) / "history.csv"
    )
    assert history["val_accuracy"].iloc[0] < 0.9 < 0.95 < history["val_accuracy"].iloc[-20:].max()
    assert history["loss"].notna().all()


@pytest.mark.parametrize("case", CASES)
def test_a_stopped_run_ends_in_the_same_bits(stores, tmp_path, monkeypatch, case):
    whole = outputs(run(stores, tmp_path / "whole", case, block(case)))
    start = partial(run, stores, tmp_path / "stopped", case, block(case))
    assert outputs(stopped(monkeypatch, [2], start)) == whole


@pytest.mark.parametrize("case", CASES)
def test_it_trains_in_bf16(stores, tmp_path, case):
    losses = {
        amp: pd.read_csv(run(stores, tmp_path / amp, case, block(case), epochs=2, amp=amp) / "history.csv")["loss"]
        for amp in ("off", "bf16")
    }
    assert losses["bf16"].tolist() == pytest.approx(losses["off"].tolist(), abs=0.05)
    assert losses["bf16"].tolist() != losses["off"].tolist()


@pytest.fixture(scope="module")
def classes_stores(stores, tmp_path_factory) -> dict[str, Path]:
    """The small stores as three classes, background, left and right half of the object, with a void border."""
    made = {}
    for part, source in stores.items():
        folder = tmp_path_factory.mktemp("classes") / part
        folder.mkdir()
        store = Store.open(source)
        for file in source.iterdir():
            if file.is_file():
                (folder / file.name).write_bytes(file.read_bytes())
        (folder / "store.json").write_text(json.dumps(store.info | {"classes": 3}))
        masks = (np.array(store.masks) > 127).astype(np.uint8)
        masks[:, :, 16:] *= 2
        masks[:, 0] = 255
        np.save(folder / "masks.npy", masks)
        truths = []
        for i in range(len(store)):
            truth = np.array(store.truth(i))
            truth[:, truth.shape[1] // 2 :] *= 2
            truth[0] = 255
            truths.append(truth.reshape(-1))
        np.save(folder / "truth.npy", np.concatenate(truths))
        made[part] = folder
    return made


@pytest.mark.parametrize("case", CASES)
def test_it_trains_on_classes_with_void(classes_stores, tmp_path, case):
    history = pd.read_csv(run(classes_stores, tmp_path, case, block(case), epochs=8, lr=1e-2) / "history.csv")
    assert history["loss"].iloc[1:].min() < history["loss"].iloc[0]
    assert history["loss"].notna().all()


RANK = """
import json, os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_every_method import CASES, block
from test_training import run
for case in CASES:
    run(json.loads({stores!r}), Path({folder!r}) / case / os.environ["RANK"], case, block(case), epochs=2)
"""


def test_two_ranks_keep_every_method_in_step(stores, tmp_path):
    """Alphas, what else a method learns, weights and validation are the same on both ranks of gloo."""
    script = tmp_path / "rank.py"
    content = {"tests": str(project.TESTS), "stores": json.dumps({k: str(v) for k, v in stores.items()})}
    script.write_text(RANK.format(**content, folder=str(tmp_path)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[:16000]
    for case in CASES:
        first, second = (tmp_path / case / rank / "out" for rank in "01")
        one, two = load_file(first / "model.safetensors"), load_file(second / "model.safetensors")
        for name, tensor in one.items():
            assert torch.equal(tensor, two[name]), (case, name)
        shared = ["val_accuracy", "val_ece", "mean_alpha"]
        histories = [pd.read_csv(folder / "history.csv").drop(columns="loss") for folder in (first, second)]
        assert set(shared) <= set(histories[0])
        pd.testing.assert_frame_equal(*histories)
        if (first / "alpha.csv").exists():
            assert (first / "alpha.csv").read_bytes() == (second / "alpha.csv").read_bytes(), case
            assert (pd.read_csv(first / "alpha.csv")["2"] > 0).any() or not choose(case, block(case)).method.learns


@pytest.mark.parametrize("case", CASES)
def test_its_state_is_plain_and_whole(case):
    """What `state` gives survives a checkpoint and makes another instance the same."""
    one, other = (choose(case, block(case)).method for _ in range(2))
    for method in (one, other):
        method.start(4, {"baseline": [0.9] * 9})
    other.restore(checkpoint.unpacked(checkpoint.packed(one.state(), case)))
    assert str(other.state()) == str(one.state())
