"""Which GPU a job sees on invented machines."""

from __future__ import annotations

import os

import pytest
import torch
from project import ROOT
from typer.testing import CliRunner

from pipeline_src.cli.main import app
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Training
from pipeline_src.pipeline import runner
from pipeline_src.training import machine as machines
from pipeline_src.training.classifier import prepare_device
from pipeline_src.training.machine import VISIBLE, check_gpu, reserved_gpu

AUTO = Training(gpus=1)


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """One with three GPUs and no job."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv(VISIBLE, raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.setattr(machines, "check_gpu", lambda: None)


def seen(monkeypatch) -> str | None:
    """What the job of this process sees; the next call is another process's."""
    visible = os.environ.get(VISIBLE)
    monkeypatch.delenv(VISIBLE, raising=False)
    return visible


def test_each_job_has_the_first_gpu_that_no_other_has(monkeypatch):
    with reserved_gpu(AUTO):
        assert seen(monkeypatch) == "0"
        with reserved_gpu(AUTO):
            assert seen(monkeypatch) == "1"
            with reserved_gpu(AUTO):
                assert seen(monkeypatch) == "2"
                with reserved_gpu(AUTO):  # a fourth job on three GPUs
                    assert seen(monkeypatch) is None
        with reserved_gpu(AUTO):
            assert seen(monkeypatch) == "1"


def test_gpus_that_the_user_made_visible_are_shared_out(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv(VISIBLE, "4, GPU-8f/1")
    with reserved_gpu(AUTO):
        assert seen(monkeypatch) == "4"
        monkeypatch.setenv(VISIBLE, "4, GPU-8f/1")
        with reserved_gpu(AUTO):
            assert os.environ[VISIBLE] == "GPU-8f/1"
        assert os.environ[VISIBLE] == "4, GPU-8f/1"


@pytest.mark.parametrize("settings", [{"device": "cuda:1", "gpus": 1}, {"device": "cpu", "gpus": 1}, {"gpus": 0}])
def test_nothing_is_chosen_where_the_settings_choose(settings):
    with reserved_gpu(Training(**settings)):
        assert VISIBLE not in os.environ


@pytest.mark.parametrize("count", [0, 3])
def test_a_reserved_gpu_that_does_not_work_is_an_error(monkeypatch, count):
    """Of a machine without GPUs, and of one whose GPUs this torch cannot use."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    monkeypatch.setattr(machines, "check_gpu", check_gpu)
    for _ in range(2):  # the first one releases its GPU
        with pytest.raises(UserError, match=r"training\.gpus"), reserved_gpu(AUTO):
            pytest.fail("the job began")
        assert VISIBLE not in os.environ
    with reserved_gpu(Training(gpus=1, device="cpu")):
        assert prepare_device(Training(gpus=1, device="cpu")) == torch.device("cpu")


def test_precision_on_a_gpu_is_that_of_the_docs():
    prepare_device(Training(device="cpu"))
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cuda.matmul.allow_tf32 and torch.backends.cudnn.allow_tf32
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] in (":4096:8", ":16:8")


@pytest.mark.parametrize("job", ["train/baseline/seed0", "evaluate/baseline/seed0"])
def test_training_and_evaluation_reserve_a_gpu(monkeypatch, tmp_path, job):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("gpus: 0", "gpus: 1"))
    visible = []
    monkeypatch.setattr(runner, "run_job", lambda *_, **__: visible.append(os.environ.get(VISIBLE)))
    result = CliRunner().invoke(app, ["run-job", job, "--experiment", "tiny"], catch_exceptions=False)
    assert result.exit_code == 0
    assert visible == ["0"] and VISIBLE not in os.environ
