"""Runs in processes of their own: killed at any moment and started again, and two that train together."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from training_runs import CASES, block, every_method_as_rank, one_as_rank, outputs, process, run, two_ranks

from pipeline_src.training import checkpoint
from pipeline_src.training.registry import choose


@pytest.mark.slow
def test_a_killed_process_goes_on_with_the_same_bits(stores, tmp_path):
    """kill -9 at moments that fall anywhere: in steps, in validation, in the writing of a checkpoint."""
    whole = outputs(run(stores, tmp_path / "whole", epochs=30))
    folder = tmp_path / "killed"
    train = partial(run, stores, folder, epochs=30)
    for wait in (0, 0.01, 0.02):
        before = checkpoint.checkpoints(folder / "work").keys()
        killed = process(train)
        while killed.is_alive() and checkpoint.checkpoints(folder / "work").keys() <= before:
            time.sleep(0.001)
        time.sleep(wait)
        killed.kill()
        killed.join()
        assert killed.exitcode == -9, "it was still running"
    assert not (folder / "out").exists()
    last_one = process(train)
    last_one.join()
    assert last_one.exitcode == 0
    assert outputs(folder / "out") == whole


@pytest.fixture(scope="module")
def ranks_of_every_method(stores, tmp_path_factory) -> Path:
    """A run of every method on two ranks of gloo, in case/rank."""
    folder = tmp_path_factory.mktemp("ranks")
    two_ranks(partial(every_method_as_rank, stores, folder))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_ranks_keep_a_method_in_step(ranks_of_every_method, case):
    """Alphas, what else a method learns, weights, running statistics and validation are the same on both ranks."""
    first, second = (ranks_of_every_method / case / rank / "out" for rank in "01")
    one, two = load_file(first / "model.safetensors"), load_file(second / "model.safetensors")
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    histories = [pd.read_csv(folder / "history.csv").drop(columns="loss") for folder in (first, second)]
    assert {"val_accuracy", "val_ece", "mean_alpha"} <= set(histories[0])
    pd.testing.assert_frame_equal(*histories)
    if choose(case, block(case)).method.learns:
        assert (first / "alpha.csv").read_bytes() == (second / "alpha.csv").read_bytes()
        alphas, history = pd.read_csv(first / "alpha.csv"), histories[0]
        # Those of ASLP_CL are 0 as long as its mark is.
        assert (alphas["2"] > 0).any() == ("mark" not in history or history["mark"].iloc[-1] > 0)


@pytest.mark.slow
def test_two_ranks_that_go_on_end_in_the_same_bits(stores, tmp_path):
    def trained(folder: Path, epochs: int) -> dict[str, bytes]:
        two_ranks(partial(one_as_rank, stores, folder, epochs))
        return outputs(folder / "out0")

    whole = trained(tmp_path / "whole", 3)
    trained(tmp_path / "stopped", 2)
    assert trained(tmp_path / "stopped", 3) == whole
