"""Folders of results: kept apart, and complete whenever a command stops."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from pipeline_src import outputs
from pipeline_src.errors import UserError
from pipeline_src.files import atomic_folder

NAMES = ("calibrator.json", "maps/a.png", "maps/b.png", "scores.json")
OLD = {**dict.fromkeys(NAMES, "old"), "drawing-a.svg": "old", "maps/c.png": "old"}
NEW = dict.fromkeys(NAMES, "new")


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def write(folder: Path, text: str, names: tuple[str, ...] = NAMES) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def test_only_earlier_results_are_replaced(tmp_path):
    write(tmp_path, "old", tuple(OLD))
    (tmp_path / "notes.txt").write_text("mine")
    with outputs.staged(tmp_path, "scores.json", ["maps", "drawing-*"]) as new:
        write(new, "new")
    assert content(tmp_path) == NEW | {"notes.txt": "mine"}


def test_an_error_leaves_the_earlier_results(tmp_path):
    for name in ("staged", "replaced"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, "old")
    with pytest.raises(ZeroDivisionError), outputs.staged(tmp_path / "staged", "scores.json") as new:
        write(new, "new")
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "replaced") as new:
        write(new, "new")
        raise ZeroDivisionError
    assert set(content(tmp_path).values()) == {"old"} and not [*tmp_path.rglob(".*")]


def test_a_folder_is_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    write(tmp_path / "out", "old", tuple(OLD))
    with atomic_folder(tmp_path / "out") as new:
        write(new, "new")
    assert content(tmp_path / "out") == NEW


def test_files_of_the_user_are_neither_replaced_nor_removed(tmp_path):
    replaced = ("drawing-*", "maps", "scores.json")
    outputs.check_output(tmp_path, "calibrate", replaced=replaced)
    write(tmp_path, "mine", ("maps/a.png", "drawing-a.svg"))
    with pytest.raises(UserError, match=rf"{tmp_path / 'drawing-a.svg'}(.|\n)*{tmp_path / 'maps'}"):
        outputs.check_output(tmp_path, "calibrate", replaced=replaced)
    (tmp_path / outputs.STAGING).mkdir()  # a killed command had removed some of its results
    outputs.check_output(tmp_path, "calibrate", replaced=replaced)
    write(tmp_path, "old", ("scores.json", "drawing-net/a.png"))
    outputs.check_output(tmp_path, "calibrate", replaced=replaced)
    with outputs.staged(tmp_path, "scores.json", replaced) as new:
        write(new, "new")
    assert content(tmp_path) == NEW | {"drawing-net/a.png": "old"}  # a pattern removes no folder


@pytest.mark.parametrize("other", outputs.RESULTS)
@pytest.mark.parametrize("command", outputs.RESULTS)
def test_folders_of_other_commands_are_refused(tmp_path, command, other):
    write(tmp_path, "", outputs.RESULTS[other])
    if command == other:
        outputs.check_output(tmp_path, command)
        return
    with pytest.raises(UserError, match=f", of {other}"):
        outputs.check_output(tmp_path, command)


def test_a_folder_whose_files_would_be_inputs_is_refused(tmp_path):
    for source, number in {"maps": 3, "maps/**/*.npy": 3, "maps/*.npy": 1}.items():
        for k, folder in enumerate(("maps", "maps/v", "maps/v/w", ".", "maps-2")):
            with pytest.raises(UserError, match=f"- {tmp_path / folder}") if k < number else nullcontext():
                outputs.check_output(tmp_path / folder, "judge", inputs=[tmp_path / source])


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "file/new/folder", "link"):
        with pytest.raises(UserError, match=f"--out {tmp_path / name} (.|\n)*{tmp_path / name.partition('/')[0]},"):
            outputs.check_output(tmp_path / name, "judge")
    outputs.check_output(tmp_path / "new/folder", "judge")
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(UserError, match=f"found: +{tmp_path},"):
        outputs.check_output(tmp_path / "new/folder", "judge")
