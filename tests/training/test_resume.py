"""Runs are bit-identical after stops and damaged checkpoints, and for any number of workers."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch
from damaged import cut
from training_runs import outputs, run, stopped

EPOCHS = 4


@pytest.fixture(scope="module")
def undisturbed(stores, tmp_path_factory) -> Path:
    """A finished run of ASLP_MC with its last two checkpoints."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run(stores, folder, epochs=EPOCHS)
    return folder


def test_workers_change_no_bit(undisturbed, stores, tmp_path):
    assert outputs(run(stores, tmp_path, epochs=EPOCHS, workers=2)) == outputs(undisturbed / "out")
    assert len(outputs(undisturbed / "out")) == 4
    assert not multiprocessing.active_children(), "the workers end with the run"


def test_a_run_stopped_after_any_epoch(undisturbed, stores, tmp_path, monkeypatch):
    start = partial(run, stores, tmp_path, epochs=EPOCHS)
    assert outputs(stopped(monkeypatch, (1, 2, 3, 4), start)) == outputs(undisturbed / "out")


def test_a_stopped_run_with_averaged_weights(stores, tmp_path, monkeypatch):
    """ASLP_CL's alphas follow from the averaged network."""
    parameters = {"average_epochs": 1.5, "start_epoch": 1}
    expected = outputs(run(stores, tmp_path / "undisturbed", "aslp_cl", parameters, epochs=4))
    start = partial(run, stores, tmp_path / "stopped", "aslp_cl", parameters, epochs=4)
    assert outputs(stopped(monkeypatch, (1, 3), start)) == expected


def flip_weight(file: Path) -> None:
    """Flip a bit in the middle of the largest tensor."""
    with ZipFile(file) as archive:
        record = max(archive.infolist(), key=lambda info: info.file_size)
        position = file.read_bytes().index(archive.read(record)) + record.file_size // 2
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)


def move_to_another_run(file: Path) -> None:
    torch.save(torch.load(file, weights_only=True) | {"file": f"another/{file.name}"}, file)


FAULTS: dict[str, Callable[[Path], object]] = {
    "a bit flipped": flip_weight,
    "truncated": cut,
    "of another run": move_to_another_run,
    "of another epoch": lambda file: shutil.copyfile(file.with_name(f"epoch{EPOCHS - 1}.pt"), file),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(undisturbed, stores, tmp_path, caplog, fault):
    shutil.copytree(undisturbed / "work", tmp_path / "work")
    caplog.set_level("INFO")
    file = tmp_path / "work" / f"epoch{EPOCHS}.pt"
    FAULTS[fault](file)
    assert outputs(run(stores, tmp_path, epochs=EPOCHS)) == outputs(undisturbed / "out")
    assert str(file) in caplog.text and f"epoch {EPOCHS - 1}" in caplog.text
    assert sorted(kept.name for kept in file.parent.iterdir()) == ["epoch3.pt", "epoch4.pt"]


def test_without_an_undamaged_checkpoint_the_run_starts_from_the_beginning(undisturbed, stores, tmp_path, caplog):
    shutil.copytree(undisturbed / "work", tmp_path / "work")
    for epoch in (EPOCHS, EPOCHS - 1):
        cut(tmp_path / "work" / f"epoch{epoch}.pt")
    assert outputs(run(stores, tmp_path, epochs=EPOCHS)) == outputs(undisturbed / "out")
    assert all(f"epoch{epoch}.pt" in caplog.text for epoch in (EPOCHS, EPOCHS - 1))
