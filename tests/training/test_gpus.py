"""Which GPUs a job sees, on machines that are made up."""

from __future__ import annotations

import os
import re

import pytest
from project import ROOT
from typer.testing import CliRunner

from pipeline_src.cli.main import app
from pipeline_src.params.schema import Training
from pipeline_src.pipeline import job_names, runner
from pipeline_src.training.gpus import VISIBLE, reserved

AUTO = Training(device="auto")


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """One with so many GPUs, and no job."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv(VISIBLE, raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)


def seen(monkeypatch) -> str | None:
    """What the job of this process sees; what is called next is another process."""
    visible = os.environ.get(VISIBLE)
    monkeypatch.delenv(VISIBLE, raising=False)
    return visible


def test_each_job_has_the_first_gpu_that_no_other_has(monkeypatch):
    with reserved(AUTO, 1):
        assert seen(monkeypatch) == "0"
        with reserved(AUTO, 1):
            assert seen(monkeypatch) == "1"
            with reserved(AUTO, 2):  # only one is free, and it stays so
                assert seen(monkeypatch) is None
                with reserved(AUTO, 1):
                    assert seen(monkeypatch) == "2"
                    with reserved(AUTO, 1):  # who lets four jobs run on three
                        assert seen(monkeypatch) is None
        with reserved(AUTO, 2):
            assert seen(monkeypatch) == "1,2"
    with reserved(AUTO, 1):
        assert seen(monkeypatch) == "0"


def test_what_the_user_made_visible_is_shared_out_and_stays_as_it_was(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv(VISIBLE, "4, GPU-8f/1")
    with reserved(AUTO, 1):
        assert seen(monkeypatch) == "4"
        monkeypatch.setenv(VISIBLE, "4, GPU-8f/1")
        with reserved(AUTO, 1):
            assert seen(monkeypatch) == "GPU-8f/1"
    monkeypatch.setenv(VISIBLE, "4, GPU-8f/1")
    with reserved(AUTO, 1):
        pass
    assert os.environ[VISIBLE] == "4, GPU-8f/1"


def test_a_user_without_a_name_has_locks_too(monkeypatch):
    """As in a container that runs as the number of a user it does not know."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 7)
    with reserved(AUTO, 1):
        assert seen(monkeypatch) == "0"


@pytest.mark.parametrize(
    ("device", "number", "here"), [("cuda:1", 1, 3), ("cpu", 2, 3), ("auto", 0, 3), ("auto", 1, 1)]
)
def test_nothing_is_chosen_where_there_is_no_choice(monkeypatch, device, number, here):
    monkeypatch.setattr("torch.cuda.device_count", lambda: here)
    with reserved(Training(device=device), number):
        assert VISIBLE not in os.environ


@pytest.mark.parametrize(
    ("job", "gpus", "expected"),
    [
        (job_names.training("baseline", 0), 1, "0"),
        (job_names.training("baseline", 0), 2, "0,1"),
        (job_names.evaluation("baseline", 0, "val"), 2, "0"),
    ],
)
def test_training_and_evaluation_reserve_their_gpus(monkeypatch, tmp_path, job, gpus, expected):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(re.sub(r"gpus: 0", f"gpus: {gpus}", text))
    visible = []
    monkeypatch.setattr(runner, "run_job", lambda *_, **__: visible.append(os.environ.get(VISIBLE)))
    monkeypatch.setattr("pipeline_src.training.memory.keep_freed", lambda: True)
    monkeypatch.setattr("pipeline_src.training.models.pretrained.leave_out_noise", lambda: None)
    result = CliRunner().invoke(app, ["run-job", job, "--experiment", "tiny"], catch_exceptions=False)
    assert result.exit_code == 0
    assert visible == [expected] and VISIBLE not in os.environ
