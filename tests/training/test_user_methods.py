"""A user's method: its mistakes are refused with file and callback, and it is resumed to the same bits."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from training_runs import outputs, run, stopped

from pipeline_src.errors import UserError
from pipeline_src.training import checkpoint

HEAD = """
import numpy as np
from pydantic import PrivateAttr
from pipeline_src.training.method import Method

class Mine(Method):
"""
KEEPS = """
    _seen: dict = PrivateAttr(default_factory=dict)

    def after_validation(self, validation, epoch):
        self._seen[epoch] = [np.float32(validation.accuracy), {"all": np.arange(epoch)}]
        self._last = epoch  # declared nowhere

    def loss(self, z, t):
        return super().loss(z, t) * (1 + len(self._seen) * getattr(self, "_last", 0))

    def history_values(self):
        return {"seen": np.float32(len(self._seen)), "last": getattr(self, "_last", 0)}
"""


@pytest.fixture
def mine(stores, tmp_path):
    """Trains with a class `Mine` of the given body, in `tmp_path` or a folder below it."""

    def train(body: str, folder: str = "", **training) -> Path:
        (tmp_path / "mine.py").write_text(HEAD + body)
        return run(stores, tmp_path / folder, "mine", {"file": str(tmp_path / "mine.py")}, **training)

    return train


def test_all_that_it_keeps_comes_back(mine, monkeypatch):
    whole = outputs(mine(KEEPS, "whole", epochs=4))
    assert outputs(stopped(monkeypatch, (1, 3), partial(mine, KEEPS, "stopped", epochs=4))) == whole
    assert b",seen,last" in whole["history.csv"]


@pytest.mark.parametrize("value", ["np.random.default_rng(0)", "{'deep': [object()]}", "np.array(['a'])", "{1, 2}"])
def test_what_a_checkpoint_can_not_hold_is_refused_when_it_is_saved(mine, value):
    with pytest.raises(UserError, match=r"mine.py: Mine.state\['_kept'\].* can't be saved"):
        mine(f"    def after_validation(self, validation, epoch):\n        self._kept = {value}\n")


def test_what_is_packed_comes_back_from_a_file(tmp_path):
    content = {"a": np.arange(3)[::-1], 2: (np.float64(0.5), None, [np.array(1.5), "x"]), "t": torch.ones(2)}
    checkpoint.save(tmp_path, 1, {"method": checkpoint.packed(content, "it")})
    back = checkpoint.unpacked(checkpoint.load(tmp_path)["method"])
    assert str(back) == str({"a": np.array([2, 1, 0]), 2: (0.5, None, [np.array(1.5), "x"]), "t": torch.ones(2)})
    assert type(back[2][0]) is float


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    def loss(self, z, t): return None", r"Mine.loss\(\)[\s\S]*NoneType"),
        ("    def loss(self, z, t): return 0.5", r"Mine.loss\(\)[\s\S]*float 0.5"),
        ("    def loss(self, z, t): return (z - t).square()", r"Mine.loss\(\)[\s\S]*\(4, 1, 32, 32\)"),
        ("    def loss(self, z, t): return super().loss(z, t).detach()", r"Mine.loss\(\)[\s\S]*without a gradient"),
        (
            "    def loss(self, z, t):\n        return z / 'a'",
            r"mine.py: Mine.loss\(\) fails in line 8[\s\S]*TypeError",
        ),
        ("    def loss(self, z, t): raise SystemExit", r"Mine.loss\(\) fails"),
        ("    def inputs(self, x, y, batch): return x", r"Mine.inputs\(\)[\s\S]*images and labels"),
        (
            "    def targets(self, y, batch): return y[:, :, 1:]",
            r"Mine.targets\(\)[\s\S]*\(4, 1, 31, 32\)[\s\S]*labels'",
        ),
        ("    def targets(self, y, batch): return y.numpy()", r"Mine.targets\(\)[\s\S]*an array"),
        ("    def image_statistic(self, z, y): return z.mean()", r"Mine.image_statistic\(\)[\s\S]*\(4,\)"),
        ("    def after_validation(self, v, epoch): v.nothing", r"Mine.after_validation\(\) fails"),
        (
            "    def history_values(self): return {'loss': 1.0}",
            r"Mine.history_values\(\) takes columns[\s\S]*found:    loss",
        ),
        ("    def history_values(self): return {'mine': [1]}", r"Mine.history_values\(\)[\s\S]*dict of numbers"),
        ("    learns = True", r"Mine.start\(\)[\s\S]*\(10,\)"),
        (
            "    def start(self, n, references, classes=2):\n        self._alphas = np.zeros(n + 1)",
            r"Mine.start\(\)[\s\S]*shape \(11,\)[\s\S]*\(10,\)",
        ),
    ],
)
def test_a_wrong_callback_is_refused(mine, body, message):
    with pytest.raises(UserError, match=message):
        mine(body + "\n", epochs=1)


def test_targets_may_broadcast(mine):
    history = pd.read_csv(
        mine("    def targets(self, y, batch): return y.mean((2, 3), keepdim=True)\n", epochs=1) / "history.csv"
    )
    assert history["loss"].notna().all()
