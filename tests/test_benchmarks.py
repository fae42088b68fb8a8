"""Benchmarks that train still do, on the smallest experiment; their numbers mean nothing."""

from __future__ import annotations

import sys

import pytest
import torch
from project import ROOT

from pipeline_src.params.load import read, resolve

sys.path.append(str(ROOT / "benchmarks"))


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.chdir(ROOT)
    return resolve(read(), "tiny")[1]


@pytest.mark.slow  # starts two processes that import torch
def test_the_training_loop_beside_a_bare_one(tiny):
    import training_loop

    loops = ("ours kept", "bare")
    seconds = training_loop.measured("tiny", "aslp_mc", loops, 2)
    assert tuple(seconds) == loops and all(len(of) == 2 and of.min() > 0 for of in seconds.values())


@pytest.mark.slow
def test_the_rows_of_the_gpu_script(tiny):
    import gpu

    cpu = torch.device("cpu")
    rows = [*gpu.network_rows(tiny, cpu, ["float32", "bf16"], 0.01), gpu.pipeline_row("tiny", tiny, cpu)]
    rows += gpu.counting_rows(tiny, cpu, 0.01)
    assert len(rows) == 7 and all(images > 0 for *_, images in rows)
