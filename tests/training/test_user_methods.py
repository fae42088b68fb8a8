"""A user's method and network: mistakes are refused by callback, runs resume, fingerprints follow the files."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from training_runs import outputs, run, stopped

from pipeline_src.errors import UserError
from pipeline_src.params.load import read
from pipeline_src.pipeline import fingerprint
from pipeline_src.pipeline.jobs import build
from pipeline_src.python_source import ROOT
from pipeline_src.training import checkpoint
from pipeline_src.training.models.config import own_weights
from pipeline_src.training.registry import choose

HEAD = """
import numpy as np
from pydantic import PrivateAttr
from pipeline_src.training.method import Method

class Mine(Method):
"""
STATEFUL = """
    _seen: dict = PrivateAttr(default_factory=dict)

    def after_validation(self, validation, epoch):
        self._seen[epoch] = [np.float32(validation.accuracy), {"all": np.arange(epoch)}]
        self._last = epoch  # declared nowhere

    def loss(self, z, t):
        return super().loss(z, t) * (1 + len(self._seen) * getattr(self, "_last", 0))

    def history_values(self):
        return {"seen": np.float32(len(self._seen)), "last": getattr(self, "_last", 0)}
"""
CONFIG = "model = dict(type='EncoderDecoder', decode_head=dict(type='FCNHead'))\n"


@pytest.fixture
def mine(stores, tmp_path):
    """Trains with a class `Mine` of the given body, in `tmp_path` or a folder below it."""

    def train(body: str, folder: str = "", **training) -> Path:
        (tmp_path / "mine.py").write_text(HEAD + body)
        return run(stores, tmp_path / folder, "mine", {"file": str(tmp_path / "mine.py")}, **training)

    return train


def test_the_whole_state_comes_back(mine, monkeypatch):
    expected = outputs(mine(STATEFUL, "undisturbed", epochs=4))
    assert outputs(stopped(monkeypatch, (1, 3), partial(mine, STATEFUL, "stopped", epochs=4))) == expected
    assert b",seen,last" in expected["history.csv"]


@pytest.mark.parametrize("value", ["np.random.default_rng(0)", "{'deep': [object()]}", "np.array(['a'])"])
def test_state_that_a_checkpoint_can_not_hold_is_refused(mine, value):
    with pytest.raises(UserError, match=r"mine.py: Mine.state\['_value'\]"):
        mine(f"    def after_validation(self, validation, epoch):\n        self._value = {value}\n")


def test_packed_values_come_back_from_a_file(tmp_path):
    content = {"a": np.arange(3)[::-1], 2: (np.float64(0.5), None, [np.array(1.5), "x"]), "t": torch.ones(2)}
    checkpoint.save(tmp_path, 1, {"method": checkpoint.packed(content, "it")})
    loaded = checkpoint.unpacked(checkpoint.load(tmp_path)["method"])
    assert str(loaded) == str({"a": np.array([2, 1, 0]), 2: (0.5, None, [np.array(1.5), "x"]), "t": torch.ones(2)})
    assert type(loaded[2][0]) is float


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("    def loss(self, z, t): return None", r"Mine.loss\(\)[\s\S]*NoneType"),
        ("    def loss(self, z, t): return (z - t).square()", r"Mine.loss\(\)[\s\S]*\(4, 1, 32, 32\)"),
        ("    def loss(self, z, t): return super().loss(z, t).detach()", r"Mine.loss\(\)[\s\S]*gradient"),
        ("    def loss(self, z, t):\n        return z / 'a'", r"mine.py: Mine.loss\(\)[\s\S]*line 8[\s\S]*TypeError"),
        ("    def inputs(self, x, y, batch): return x", r"Mine.inputs\(\)"),
        ("    def targets(self, y, batch): return y[:, :, 1:]", r"Mine.targets\(\)[\s\S]*\(4, 1, 31, 32\)"),
        ("    def targets(self, y, batch): return y.numpy()", r"Mine.targets\(\)"),
        ("    def image_statistic(self, z, y): return z.mean()", r"Mine.image_statistic\(\)[\s\S]*\(4,\)"),
        ("    def after_validation(self, v, epoch): v.nothing", r"Mine.after_validation\(\)"),
        ("    def history_values(self): return {'loss': 1.0}", r"Mine.history_values\(\)[\s\S]*loss"),
        ("    def history_values(self): return {'mine': [1]}", r"Mine.history_values\(\)"),
        (
            "    def start(self, n, references, classes=2):\n        self._alphas = np.zeros(n + 1)",
            r"Mine.start\(\)[\s\S]*\(11,\)[\s\S]*\(10,\)",
        ),
        ("    def target(self, y, batch): return y", r"Mine.target\(\)[\s\S]*'targets'"),
        ("    def before_step(self): pass", r"Mine.before_step\(\)[\s\S]*'after_step'"),
    ],
)
def test_a_wrong_callback_is_refused(mine, body, shown):
    with pytest.raises(UserError, match=shown):
        mine(body + "\n", epochs=1)


@pytest.mark.parametrize("name", ["describe", "_target"])
def test_other_names_are_free(name: str, tmp_path: Path):
    (tmp_path / "mine.py").write_text(HEAD + f"    def {name}(self): pass\n")
    choose("mine", {"file": str(tmp_path / "mine.py")})


def test_targets_may_broadcast(mine):
    folder = mine("    def targets(self, y, batch): return y.mean((2, 3), keepdim=True)\n", epochs=1)
    assert pd.read_csv(folder / "history.csv")["loss"].notna().all()


# Fingerprints


@pytest.fixture
def fingerprint_of(tmp_path, monkeypatch):
    """The fingerprint of the baseline's training in `tiny`, with the given `model:` and method entry."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    params = (ROOT.parent / "params.yaml").read_text()

    def compute(model: str = "{config: tiny_fpn, pretrained: false}", entry: str = "{}") -> str:
        fingerprint.forget_code()
        text = re.sub(r"model: {config: tiny_fpn.*}", f"model: {model}", params)
        (tmp_path / "params.yaml").write_text(text.replace("  baseline: {}", f"  baseline: {entry}"))
        return build(read(), "tiny").job("train/baseline/seed0").fingerprint

    return compute


@pytest.mark.slow
def test_own_weights_count_where_they_are_loaded(fingerprint_of, tmp_path):
    (tmp_path / "net.py").write_text(CONFIG + "init_cfg = dict(type='Pretrained', checkpoint='mine.pth')\n")
    seen = []
    for weights in (b"one", b"other"):
        (tmp_path / "mine.pth").write_bytes(weights)
        loaded, drawn = ("{config: net.py, pretrained: " + word + "}" for word in ("true", "false"))
        seen.append((fingerprint_of(loaded), fingerprint_of(drawn)))
    assert own_weights("net.py")[0].name == "mine.pth"
    assert seen[0][0] != seen[1][0] and seen[0][1] == seen[1][1]


@pytest.mark.slow
def test_files_that_a_method_reads_count_by_their_content(fingerprint_of, tmp_path):
    (tmp_path / "mine.py").write_text(HEAD + "    pass\n")
    seen = []
    for content in ("one", "two", "one"):
        (tmp_path / "table.csv").write_text(content)
        seen.append(fingerprint_of(entry="{file: mine.py, files: [~/table.csv]}"))
    assert seen[0] != seen[1] and seen[0] == seen[2]
    assert fingerprint_of(entry="{file: ~/mine.py}") == fingerprint_of(entry="{file: mine.py}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "files", "change"),
    [
        ("{config: net.py}", {"net.py": "_base_ = ['base.py']\n", "base.py": CONFIG}, ("base.py", "FCN", "PSP")),
        ("{factory: '~/net.py:build'}", {"net.py": "from aid import A\n", "aid.py": "A = 1\n"}, ("aid.py", "1", "2")),
        ("{factory: 'net.py:build'}", {"net.py": "A = 1\n"}, ("net.py", "1", "2")),
        (
            "{factory: 'nets/net.py:build'}",
            {"nets/__init__.py": "", "nets/net.py": "from .blocks import A\n", "nets/blocks.py": "A = 1\n"},
            ("nets/blocks.py", "1", "2"),
        ),
    ],
)
def test_files_of_a_network_count_with_what_they_import(fingerprint_of, tmp_path, model, files, change):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    file, old, new = change
    before = fingerprint_of(model)
    (tmp_path / file).write_text(files[file] + "  # a comment\n")
    assert fingerprint_of(model) == before
    (tmp_path / file).write_text(files[file].replace(old, new))
    assert fingerprint_of(model) != before


@pytest.mark.parametrize(
    ("files", "model", "shown"),
    [
        ({"net.py": "a = 1\nb = = 2\n"}, "{config: net.py}", "model.config: net.py, line 2"),
        ({"net.py": "a = 1\nb = = 2\n"}, "{factory: 'net.py:build'}", "model.factory: net.py, line 2"),
        ({"net.py": b"a = '\xe9'\n"}, "{config: net.py}", r"model.config: net.py[\s\S]*utf-8"),
        ({"net.py": "_base_ = 'base.py'"}, "{config: net.py}", "model.config: there is no file base.py"),
        ({"net.py": "import aid", "aid.py": "\nb = = 2"}, "{factory: 'net.py:build'}", "aid.py, line 2"),
        ({}, "{factory: 'absent.py:build'}", "model.factory: there is no file absent.py"),
        ({}, "{factory: net.py}", "my_net.py:build"),
        ({}, "{config: tiny_fpn, factory: 'net.py:build'}", "factory"),
        ({}, "{factroy: 'net.py:build'}", "'factory'"),
    ],
)
def test_a_wrong_network_is_refused_before_anything_runs(fingerprint_of, tmp_path, files, model, shown):
    for name, text in files.items():
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=shown):
        fingerprint_of(model)
