"""A result is believed because of its content: what was altered is noticed, named, and made again."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import pytest
from damaged import written_into

from pipeline_src import verified
from pipeline_src.engine import cache
from pipeline_src.engine.execute import execute, forget
from pipeline_src.engine.explain import differences, made_with, other_versions
from pipeline_src.engine.job import Job
from pipeline_src.engine.stamp import Stamp
from pipeline_src.errors import UserError
from pipeline_src.files import sha256, write_text

TEXTS = {"model.bin": "weights", "timing.csv": "1.5"}
FOLDERS = {"train": Path("results/one/train"), "evaluate": Path("results/one/evaluate")}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def work(job: Job, folder: Path) -> None:
    for name in job.files:
        (folder / name).write_text(job.options["texts"][name])


def job(kind: str = "train", inputs: dict | None = None, **texts: str) -> Job:
    texts = TEXTS | {name.replace("_", "."): text for name, text in texts.items()}
    return Job(
        kind, kind, FOLDERS[kind], kind, tuple(TEXTS), work, {}, inputs or {}, {"texts": texts}, varying=("timing.csv",)
    )


def chain(**texts: str) -> tuple[Job, Job]:
    """A training, whose files hold `texts`, and an evaluation of it."""
    trained = job(**texts)
    return trained, job("evaluate", {"networks/0": trained})


def replace(file: Path) -> None:
    """Another file of the same size and time."""
    before = file.stat()
    write_text(file, "W" + file.read_text()[1:])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("alter", [written_into, replace])
def test_an_altered_file_is_noticed_and_named_and_made_again(alter):
    trained, evaluated = chain()
    execute(trained)
    execute(evaluated)
    model = trained.paths[0]
    alter(model)
    assert not trained.current and differences(trained) == ["model.bin was changed"]
    evaluated.stamp.unlink()
    shutil.rmtree(f"results/.cache/{evaluated.contract}")
    with pytest.raises(UserError, match=f"{sha256(model)}[\\s\\S]*{trained.valid_stamp.files['model.bin']['sha256']}"):
        execute(evaluated)
    assert not evaluated.stamp.exists()
    assert execute(trained) and model.read_text() == "weights"
    assert execute(evaluated) and evaluated.current


def test_what_nothing_has_touched_is_not_read(monkeypatch):
    execute(job())
    monkeypatch.setattr(verified, "sha256", lambda file: pytest.fail(f"{file} was read"))
    assert job().current


def test_a_file_is_read_when_the_clock_has_moved_on_since_its_change(monkeypatch):
    """One more change in the same tick would not show in its times."""
    file = Path("file")
    file.write_text("text")
    changed, slept = max(verified._state(file)[1:3]), []
    times = iter([changed + verified.TICK_NS // 4, changed + verified.TICK_NS])
    monkeypatch.setattr(verified.time, "time_ns", lambda: next(times))
    monkeypatch.setattr(verified.time, "sleep", slept.append)
    verified.readings(Path(), ["file"], Path("record"))
    assert slept == [pytest.approx(0.75e-9 * verified.TICK_NS)]


def test_another_time_alone_changes_nothing():
    """As a clone, a pull and a copy do."""
    execute(job())
    os.utime(job().paths[0], (1_700_000_000, 1_700_000_000))
    assert job().current
    shutil.rmtree(".snakemake")
    assert job().current


def test_all_is_read_again_where_it_is_asked_for():
    """A disk that changes bytes by itself leaves no trace in times."""
    execute(job())
    written_into(job().paths[0])
    trusted = verified.Reading(verified._state(job().paths[0]), job().valid_stamp.files["model.bin"]["sha256"], "then")
    verified._write(job().record, verified._read(job().record) | {"model.bin": trusted})
    assert job().current
    assert [fault.file.name for fault in job().faults(again=True)] == ["model.bin"]
    assert not job().current


def test_a_damaged_record_is_made_anew():
    execute(job())
    for text in ("", "[]", '{"model.bin": 1}', '{"model.bin": [1]}', "\0"):
        job().record.write_text(text)
        assert job().current


def test_when_a_result_was_verified_is_known(monkeypatch):
    monkeypatch.setattr(verified, "now", lambda: "2026-01-01 00:00 UTC")
    execute(job())
    assert job().verified == "2026-01-01 00:00 UTC"
    monkeypatch.setattr(verified, "now", lambda: "2026-01-02 00:00 UTC")
    assert job().current and job().verified == "2026-01-01 00:00 UTC"
    assert job().faults(again=True) == [] and job().verified == "2026-01-02 00:00 UTC"


def test_a_file_that_cannot_be_read_is_made_again(monkeypatch):
    execute(job())
    file = job().paths[0]
    file.unlink()
    file.mkdir()
    assert differences(job()) == ["model.bin was changed"]
    assert job().faults()[0].actual == "is a folder"


def test_what_changes_while_it_is_put_in_place_is_told(monkeypatch):
    save = cache.save

    def disturbed(top, contract, folder, stamp):
        save(top, contract, folder, stamp)
        written_into(folder / "model.bin")

    monkeypatch.setattr(cache, "save", disturbed)
    with pytest.raises(UserError, match=r"model.bin changed while train put it in place"):
        execute(job())


# The same contract, other bits


def test_what_was_made_of_another_content_is_outdated():
    trained, evaluated = chain()
    execute(trained)
    execute(evaluated)
    trained.stamp.unlink()
    shutil.rmtree("results/.cache")
    other, outdated = chain(model_bin="WEIGHTS")
    assert other.contract == trained.contract
    execute(other)
    assert not outdated.current and differences(outdated) == ["train was made anew and has another content"]
    execute(outdated)
    assert outdated.current


def test_what_a_run_took_makes_nothing_outdated():
    trained, evaluated = chain()
    execute(trained)
    execute(evaluated)
    trained.stamp.unlink()
    shutil.rmtree("results/.cache")
    execute(chain(timing_csv="2.5")[0])
    assert evaluated.current


def test_what_lost_its_stamp_is_not_said_to_have_another_content():
    trained, evaluated = chain()
    execute(trained)
    execute(evaluated)
    trained.stamp.unlink()
    assert evaluated.changed_inputs(evaluated.valid_stamp) == [] and evaluated.current


def test_only_what_was_made_of_the_same_content_is_taken_over():
    execute(chain()[0])
    execute(chain()[1])
    for path in FOLDERS.values():
        shutil.rmtree(path)
    shutil.rmtree(f"results/.cache/{job().contract}")
    other, evaluated = chain(model_bin="WEIGHTS")
    execute(other)
    assert cache.find(evaluated) is None
    execute(evaluated)
    assert evaluated.valid_stamp.made["read"] == {"networks/0": other.content}


# Stamps


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "\0", '{"ingredients": 1, "details": 2, "files": 3}', "1e999"]
)
def test_a_damaged_stamp_is_none(text):
    execute(job())
    job().stamp.write_text(text)
    assert Stamp.read(job().stamp) is None and not job().current
    assert differences(job()) == [f"its stamp {job().stamp} cannot be read: damaged, or of an older version"]
    assert execute(job()) and job().current


def test_a_stamp_of_a_version_before_is_read():
    execute(job())
    stamp = Stamp.read(job().stamp)
    made = {name: stamp.made[name] for name in ("job", "folder", "time", "seconds", "memory")}
    Stamp(stamp.ingredients, stamp.details, stamp.files, made).write(job().stamp)
    assert job().current
    assert list(made_with([job()])) == ["not known"] and other_versions([job()]) == {}


# Made again


def test_what_is_forgotten_is_made_again_and_compared(caplog):
    """Neither the stamp nor the cache nor work that was stopped stands for it."""
    caplog.set_level("INFO")
    trained, evaluated = chain()
    execute(trained)
    execute(evaluated)
    write_text(trained.scratch / "last.pt", "a checkpoint")
    for texts, told in (({}, "train is as before, bit for bit"), ({"timing_csv": "9"}, "train is as before")):
        forget(trained)
        assert not trained.current and cache.find(trained) is None and not trained.scratch.exists()
        assert execute(chain(**texts)[0]) and "taken over" not in caplog.text
        assert told in caplog.text and not trained.previous_stamp.exists() and evaluated.current
        caplog.clear()
    forget(trained)
    execute(chain(model_bin="WEIGHTS")[0])
    assert "train differs from the result before, of the same contract: model.bin." in caplog.text
    assert not evaluated.current


def test_a_comparison_outlives_a_failure(caplog):
    execute(job())
    forget(job())
    forget(job())
    with pytest.raises(KeyError):
        execute(dataclasses.replace(job(), options={"texts": {}}))
    execute(job(model_bin="WEIGHTS"))
    assert "differs from the result before" in caplog.text


def test_what_is_damaged_and_comes_out_otherwise_is_named(caplog):
    execute(job())
    written_into(job().paths[0])  # in the cache too
    execute(job(model_bin="WEIGHTS"))
    assert "train differs from the result before" in caplog.text
