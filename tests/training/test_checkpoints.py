"""A damaged checkpoint is named in a warning and not used; the run ends in the same bits."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from damaged import Trap, cut, flipped
from training_runs import outputs, run

from pipeline_src.training import checkpoint

EPOCHS = 3


@pytest.fixture(scope="module")
def whole(stores, tmp_path_factory) -> Path:
    """A finished run with its last two checkpoints."""
    folder = tmp_path_factory.mktemp("whole")
    run(stores, folder, epochs=EPOCHS)
    return folder


FAULTS: dict[str, Callable[[Path], object]] = {
    "a bit flipped": flipped,
    "truncated": cut,
    "empty": lambda file: file.write_bytes(b""),
    "torch's own format": lambda file: torch.save({"model": {}}, file),
    "code": lambda file: file.write_bytes(pickle.dumps(Trap())),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_run_continues_from_the_checkpoint_before(whole, stores, tmp_path, caplog, fault):
    shutil.copytree(whole / "work", tmp_path / "work")
    caplog.set_level("INFO")
    file = tmp_path / "work" / f"epoch{EPOCHS}.pt"
    FAULTS[fault](file)
    assert outputs(run(stores, tmp_path, epochs=EPOCHS)) == outputs(whole / "out")
    assert str(file) in caplog.text and f"resumes after epoch {EPOCHS - 1}" in caplog.text


def test_without_a_whole_checkpoint_the_run_starts_from_the_beginning(whole, stores, tmp_path, caplog):
    shutil.copytree(whole / "work", tmp_path / "work")
    for epoch in (EPOCHS, EPOCHS - 1):
        cut(tmp_path / "work" / f"epoch{epoch}.pt")
    assert outputs(run(stores, tmp_path, epochs=EPOCHS)) == outputs(whole / "out")
    assert {f"epoch{epoch}.pt" for epoch in (2, 3) if f"epoch{epoch}.pt" in caplog.text} == {"epoch2.pt", "epoch3.pt"}


def test_two_checkpoints_stay_and_files_of_others_too(whole, tmp_path):
    assert sorted(file.name for file in (whole / "work").glob("*.pt")) == ["epoch2.pt", "epoch3.pt"]
    (tmp_path / "mine.pt").write_text("mine")
    for epoch in (1, 2, 3):
        checkpoint.save(tmp_path, epoch, {})
    assert sorted(file.name for file in tmp_path.iterdir()) == ["epoch2.pt", "epoch3.pt", "mine.pt"]
