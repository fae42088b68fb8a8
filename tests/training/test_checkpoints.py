"""A checkpoint that is not what this run wrote is passed over and named; the run ends in the same bits."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from damaged import Trap, cut, flipped
from training_runs import outputs, run

from pipeline_src.errors import UserError
from pipeline_src.training import checkpoint

FACTS = {"method": "ASLP_MC", "seed": 0}
EPOCHS = 3


@pytest.fixture(scope="module")
def whole(stores, tmp_path_factory) -> Path:
    """A finished run; its last two checkpoints are still there."""
    folder = tmp_path_factory.mktemp("whole")
    run(stores, folder, epochs=EPOCHS, facts=FACTS)
    return folder


def changed(file: Path, **values) -> None:
    """Other values under a digest of their own, as another run would write them."""
    content, wrong = checkpoint._read(file)
    assert wrong is None
    checkpoint.save(file.parent, EPOCHS, content | values)


def other_shapes(file: Path) -> None:
    """A network of the same names, one of its tensors wider."""
    model = checkpoint._read(file)[0]["model"]
    name = next(iter(model))
    changed(file, model=model | {name: torch.cat([model[name], model[name]])})


FAULTS: dict[str, Callable[[Path], None]] = {
    "a bit flipped": flipped,
    "cut off": cut,
    "empty": lambda file: file.write_bytes(b""),
    "a text": lambda file: file.write_text("notes\n" * 1000),
    "torch's own format": lambda file: torch.save({"model": {}}, file),
    "code": lambda file: file.write_bytes(pickle.dumps(Trap())),
    "of another seed": lambda file: changed(file, of=checkpoint._read(file)[0]["of"] | {"seed": 1}),
    "of another order of images": lambda file: changed(
        file, of={**FACTS, "training images": checkpoint._read(file)[0]["of"]["training images"][::-1]}
    ),
    "of another model": lambda file: changed(file, model={}),
    "of other shapes": other_shapes,
    "of no run": lambda file: checkpoint.save(file.parent, EPOCHS, {"weights": torch.ones(2)}),
    "a list": lambda file: checkpoint.save(file.parent, EPOCHS, [1, 2]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_one_before_is_taken(whole, stores, tmp_path, caplog, fault):
    shutil.copytree(whole / "work", tmp_path / "work")
    caplog.set_level("INFO")
    file = tmp_path / "work" / f"epoch{EPOCHS}.pt"
    FAULTS[fault](file)
    assert outputs(run(stores, tmp_path, epochs=EPOCHS, facts=FACTS)) == outputs(whole / "out")
    assert str(file) in caplog.text and "passed over" in caplog.text
    assert f"resumes after epoch {EPOCHS - 1}" in caplog.text


def test_none_that_can_be_used_stops_the_run(whole, stores, tmp_path):
    shutil.copytree(whole / "work", tmp_path / "work")
    cut(tmp_path / "work" / f"epoch{EPOCHS}.pt")
    flipped(tmp_path / "work" / f"epoch{EPOCHS - 1}.pt")
    with pytest.raises(UserError, match=r"no checkpoint[\s\S]*epoch3.pt: .*cut off[\s\S]*epoch2.pt: .*not what"):
        run(stores, tmp_path, epochs=EPOCHS, facts=FACTS)


def test_two_are_kept_and_foreign_names_are_left_alone(whole, tmp_path):
    assert sorted(file.name for file in (whole / "work").glob("*.pt")) == ["epoch2.pt", "epoch3.pt"]
    (tmp_path / "mine.pt").write_text("mine")
    for epoch in (1, 2, 3):
        checkpoint.save(tmp_path, epoch, {})
    assert sorted(file.name for file in tmp_path.iterdir()) == ["epoch2.pt", "epoch3.pt", "mine.pt"]
