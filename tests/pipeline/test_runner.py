"""One job: run once, into the folder of its fingerprint; its inputs are verified, and its files shown."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from damaged import flipped, is_killed
from filelock import FileLock

from pipeline_src import files
from pipeline_src.errors import UserError
from pipeline_src.pipeline import upkeep
from pipeline_src.pipeline.job import Graph, Job, other_versions
from pipeline_src.pipeline.manifest import Manifest
from pipeline_src.pipeline.plan import differences
from pipeline_src.pipeline.runner import check_inputs, check_results, reset_future_times, run_job

VIEW = Path("results/mine")
COMMAND = "snakemake --cores all"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def work(job: Job, folder: Path) -> None:
    """Write the files; each holds its name, the seed, and the texts of inputs."""
    read = [path.read_text() for needed in job.inputs.values() for path in needed.paths]
    for name in job.files[: job.options.get("files")]:
        (folder / name).write_text("\n".join([name, str(job.parameters.get("seed")), *read]))
    job.options.get("during", lambda: None)()


EDITED = ("pipeline_src.labels",)  # modules that stand for edited code


def graph(seed: int = 0, modules: tuple[str, ...] = (), **options) -> Graph:
    """A training, two evaluations of it, and a table."""
    found = Graph("mine")
    files, view = ("model", "history.csv"), VIEW / "run"
    found.add([Job("train", "train", files, work, {"seed": seed}, options=options, modules=modules, view=view)])
    train = found.job("train")
    for name in ("a", "b"):
        inputs = {"network": train}
        found.add([Job("evaluate", name, ("counts",), work, {"part": name}, inputs, view=VIEW / name)])
    found.add([Job("tables", "tables", ("T1.csv",), work, inputs={n: found.job(n) for n in "ab"}, view=VIEW)])
    return found


def finished() -> Graph:
    found = graph()
    for name in ("train", "a", "b", "tables"):
        run_job(found.job(name))
    return found


def test_a_job_is_run_once_into_the_folder_of_its_fingerprint():
    job = graph().job("train")
    assert run_job(job) and not run_job(job) and not run_job(graph().job("train"))
    assert job.folder == Path(f"results/.store/train/{job.fingerprint}") and len(job.fingerprint) == 16
    manifest = json.loads((job.folder / "manifest.json").read_text())
    assert manifest["fingerprint"] == job.fingerprint and manifest["ingredients"]["parameters"] == {"seed": 0}
    assert manifest["files"]["model"]["sha256"] == files.sha256(job.folder / "model")
    assert {"job", "time", "seconds", "resumed", "machine", "gpu", "memory", "versions"} == set(manifest["made"])
    assert sorted(Path("results/.store").glob("*/*")) == [job.folder]


# Files that depend on some inputs only


def count(job: Job, folder: Path) -> dict[str, float]:
    """Write the files that the folder lacks, with the text of the input that each depends on."""
    written = [name for name in job.files if not (folder / name).exists()]
    for name in written:
        (_, role) = job.depends_on[name]
        (folder / name).write_text(job.inputs[role].paths[0].read_text())
    job.options["written"].append(written)
    return dict.fromkeys(written, 2.0)


def evaluation(*splits: str, seed: int = 0, modules: tuple[str, ...] = ()) -> Job:
    """An evaluation of a training on splits; `options["written"]` lists the files that each call wrote."""
    found = graph(seed, modules)
    inputs = {"network": found.job("train")}
    for split in splits:
        inputs[f"store/{split}"] = Job("store", split, ("images",), work, {"images": split.removeprefix("renamed_")})
    for job in inputs.values():
        run_job(job)
    return Job(
        kind="evaluate",
        name="evaluation",
        files=tuple(f"{split}.npz" for split in splits),
        work=count,
        inputs=inputs,
        options={"written": []},
        depends_on={f"{split}.npz": ("network", f"store/{split}") for split in splits},
        view=VIEW / "statistics",
        view_form="{stem}/statistic.npz",
    )


def test_files_of_equal_fingerprints_are_copied_from_stored_results():
    first = evaluation("a", "b")
    run_job(first)
    more = evaluation("renamed_b", "c", "a")
    assert more.key != first.key and run_job(more)
    assert first.options["written"] == [["a.npz", "b.npz"]] and more.options["written"] == [["c.npz"]]
    assert (more.folder / "renamed_b.npz").read_bytes() == (first.folder / "b.npz").read_bytes()
    assert upkeep.verify([first, more], COMMAND) == (5, []) and more.manifest.file_seconds == 6.0
    assert (VIEW / "statistics/c/statistic.npz").samefile(more.folder / "c.npz")
    assert not (VIEW / "statistics/b/statistic.npz").exists()
    other = evaluation("a", seed=1)
    run_job(other)
    assert other.options["written"] == [["a.npz"]]


def train_to_other_bits(train: Job) -> None:
    """Run a training again, with another result, as on another machine."""
    shutil.rmtree(train.folder)
    run_job(replace(train, options={"during": write_other_bits}))


def write_other_bits() -> None:
    next(Path("results/.store").glob("*/.*/model")).write_text("other bits")


def test_files_of_a_network_that_was_trained_again_are_not_copied():
    first = evaluation("a")
    run_job(first)
    train_to_other_bits(first.inputs["network"])
    more = evaluation("a", "b")
    run_job(more)
    assert more.options["written"] == [["a.npz", "b.npz"]]


def remove_roles(file: Path) -> None:
    """Write the manifest of a result as versions before these fingerprints of files."""
    manifest = Manifest.read(file.parent)
    facts = {key: manifest.files[file.name][key] for key in ("size", "sha256")}
    replace(manifest, files={file.name: facts}).write(file.parent)


@pytest.mark.parametrize(
    "damage", [flipped, Path.unlink, lambda file: flipped(file.with_name("manifest.json")), remove_roles]
)
def test_damaged_and_foreign_files_are_not_copied(damage):
    first = evaluation("a")
    run_job(first)
    damage(first.folder / "a.npz")
    more = evaluation("a", "b")
    run_job(more)
    assert more.options["written"] == [["a.npz", "b.npz"]] and upkeep.verify([more], COMMAND) == (2, [])


def test_copies_of_kept_files_name_the_reason():
    run_job(evaluation("a"))
    upkeep.keep([evaluation("a", modules=EDITED)], "a renamed function")
    for splits in (("a", "b"), ("a", "b", "c")):
        more = evaluation(*splits, modules=EDITED)
        run_job(more)
        assert more.options["written"] == [[f"{splits[-1]}.npz"]] and more.manifest.kept == []
        assert [record["why"] for record in more.manifest.kept_records] == ["a renamed function"]


def test_a_reader_of_one_file_depends_on_that_file_only():
    def table(*splits: str) -> Job:
        return Job("analyse", "analyse/a", ("x",), work, inputs={"run": evaluation(*splits)}, reads="a.npz")

    for job in (table("a").inputs["run"], table("a")):
        run_job(job)
    more = table("a", "b")
    assert more.is_made and upkeep.verify([more], COMMAND) == (1, [])
    run_job(more.inputs["run"])
    flipped(more.inputs["run"].folder / "b.npz")
    shutil.rmtree(more.folder)
    assert run_job(table("a", "b")) and upkeep.verify([more], COMMAND) == (1, [])
    flipped(more.inputs["run"].folder / "a.npz")
    shutil.rmtree(more.folder)
    with pytest.raises(UserError, match=r"a\.npz is damaged"):
        run_job(table("a", "b"))


def test_the_view_shows_files_by_relative_links_and_outdated_ones_until_new_are_made():
    finished()
    assert os.readlink(VIEW / "a/counts").startswith("../../.store/evaluate/")
    assert (VIEW / "T1.csv").read_text().startswith("T1.csv")
    run_job(graph(1).job("train"))
    assert (VIEW / "run/model").read_text() == "model\n1" and "0" in (VIEW / "a/counts").read_text()
    short = Job("train", "train", ("model",), work, {"seed": 1}, view=VIEW / "run")
    run_job(short)
    assert [path.name for path in (VIEW / "run").iterdir()] == ["model"]


# Damage


def flip_cores(manifest: Path) -> None:
    manifest.write_text(manifest.read_text().replace(" cores", " corez"))


DAMAGE = {  # damage of a model or its folder -> the file that the error names
    "a flipped bit": (flipped, "model"),
    "removed": (Path.unlink, "model"),
    "another file": (lambda file: flipped(file.with_name("history.csv")), "history.csv"),
    "truncated manifest": (lambda file: os.truncate(file.with_name("manifest.json"), 9), ""),
    "edited manifest": (lambda file: flip_cores(file.with_name("manifest.json")), ""),
    "no result": (lambda file: shutil.rmtree(file.parent), ""),
}


@pytest.mark.parametrize("fault", DAMAGE)
def test_a_damaged_input_is_never_used_and_named_with_the_command_that_recomputes_it(fault):
    damage, name = DAMAGE[fault]
    found = graph()
    train = found.job("train")
    run_job(train)
    damage(train.folder / "model")
    with pytest.raises(UserError) as error:
        run_job(found.job("a"), COMMAND)
    assert "a needs train" in str(error.value) and str(train.folder / name) in str(error.value)
    command = f"rm -r {train.folder} && {COMMAND}" if fault != "no result" else COMMAND
    assert str(error.value).endswith(f" {command}") and not found.job("a").is_made
    number, problems = upkeep.verify([train], COMMAND)
    assert problems and number == (2 if name else 0)
    shutil.rmtree(train.folder, ignore_errors=True)
    run_job(graph().job("train"))
    assert run_job(graph().job("a")) and upkeep.verify([graph().job("train")], COMMAND) == (2, [])


@pytest.mark.parametrize("name", ["model", "history.csv", "manifest.json"])
def test_a_result_that_lost_a_file_is_made_again(name):
    job = graph().job("train")
    run_job(job)
    (job.folder / name).unlink()
    assert not job.is_made and run_job(graph().job("train")) and upkeep.verify([job], COMMAND) == (2, [])


def test_verify_names_what_was_made_from_other_bits():
    train_to_other_bits(finished().job("train"))
    made = graph()
    _, problems = upkeep.verify(made.jobs.values(), COMMAND)
    assert [line.partition(":")[0] for line in problems[:-1]] == ["a", "b"]
    assert all("another result of train" in line for line in problems[:-1])
    # What was computed from these two has to go as well.
    folders = [str(made.job(name).folder) for name in ("a", "b", "tables")]
    assert problems[-1].endswith(f"rm -r {' '.join(folders)} && {COMMAND}")
    with pytest.raises(UserError, match="tables"):
        check_inputs(made.jobs.values(), COMMAND)
    with pytest.raises(UserError, match="another result of train"):
        check_results([made.job("b")], "publish", COMMAND)
    for folder in folders:
        shutil.rmtree(folder)
    for job in made.jobs.values():
        run_job(job)
    check_inputs(made.jobs.values(), COMMAND)


# Faults while a job runs


def test_a_job_that_leaves_out_a_file_is_refused():
    with pytest.raises(UserError, match="train did not write history"):
        run_job(graph(files=1).job("train"))
    assert not Path("results/.store").is_dir() or not [*Path("results/.store").glob("*/*")]


def test_a_full_disk_is_named_and_loses_nothing():
    run_job(graph().job("train"))

    def fill() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(UserError, match="the disk is full"):
        run_job(graph(1, during=fill).job("train"))
    assert [path.parent.name for path in Path("results/.store").glob("*/*")] == ["train"]
    assert run_job(graph(1).job("train"))


def test_a_killed_job_leaves_all_of_a_result_or_none():
    moment, made = 0, set()
    while is_killed(lambda: run_job(graph().job("train")), moment):
        job = graph().job("train")
        made.add(job.is_made)
        assert not job.is_made or upkeep.verify([job], COMMAND)[1] == []
        run_job(graph().job("train"))
        assert upkeep.verify([graph().job("train")], COMMAND) == (2, [])
        assert (VIEW / "run/model").read_text() == "model\n0"
        shutil.rmtree("results")
        moment += 1
    assert made == {True, False}


def test_of_two_processes_one_makes_a_result_and_the_other_waits(caplog):
    caplog.set_level("INFO", "pipeline_src")
    begun, done, said = threading.Event(), [], "train is in work by another process"

    def wait() -> None:
        begun.set()
        deadline = time.monotonic() + 10
        while said not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not done

    first = threading.Thread(target=lambda: done.append(run_job(graph(during=wait).job("train"))))
    first.start()
    assert begun.wait(10)
    done.append(run_job(graph().job("train")))
    first.join()
    assert sorted(done) == [False, True] and said in caplog.text


def test_only_times_in_the_future_become_now():
    """Also of a manifest that is a link into a cache: the time of the link counts for Snakemake."""
    found = finished()
    past, future, linked = (found.job(name).folder / "manifest.json" for name in ("train", "a", "b"))
    linked.rename("cache")
    linked.symlink_to(Path("cache").resolve())
    os.utime(past, (1e9, 1e9))
    start, later = time.time(), time.time() + 3600
    for file in (future, linked):
        os.utime(file, (later, later), follow_symlinks=False)
    reset_future_times([*found.jobs.values(), *graph(7).jobs.values()])
    times = [file.lstat().st_mtime for file in (future, linked)]
    assert os.stat(past).st_mtime == 1e9 and all(start - 1 < time < later for time in times)


# Upkeep


@pytest.mark.parametrize("link", [os.link, lambda *_: os.stat("there are no links")])
def test_keep_takes_results_over_into_todays_fingerprints(monkeypatch, link):
    monkeypatch.setattr(os, "link", link)
    finished()
    assert differences(graph(1).job("train")) == ["seed 0 -> 1"]
    new = graph(modules=EDITED)
    assert differences(new.job("tables")) == ["inputs a changed", "inputs b changed"]
    kept = upkeep.keep([new.job(name) for name in ("train", "a", "b")], "a renamed function")
    old, now = graph().job("train"), new.job("train")
    assert kept == ["train", "a", "b"] and old.faults() == now.faults() == [] and old.manifest.kept == []
    assert old.paths[0].samefile(now.paths[0]) == (link.__name__ == "link")
    manifest = new.job("train").manifest
    assert manifest.fingerprint == new.job("train").fingerprint and manifest.kept[0]["why"] == "a renamed function"
    assert (VIEW / "run/model").read_text() == "model\n0"
    assert run_job(new.job("tables")) and upkeep.verify(new.jobs.values(), COMMAND)[1] == []
    assert upkeep.keep([new.job("train")], "again") == []
    with FileLock(".snakemake/dense-calibration.lock"), pytest.raises(UserError, match=r"dense-calibration\.lock"):
        upkeep.keep([graph(2).job("train")], "while a run may compute it")


def test_a_killed_keep_is_carried_on():
    moment = 0
    while True:
        finished()
        killed = is_killed(lambda: upkeep.keep([graph(modules=EDITED).job("train")], "a renamed function"), moment)
        upkeep.keep([graph(modules=EDITED).job("train")], "a renamed function")
        job = graph(modules=EDITED).job("train")
        assert job.faults() == [] and (VIEW / "run/model").samefile(job.paths[0])
        assert [record["fingerprint"] for record in job.manifest.kept] == [graph().job("train").fingerprint]
        if not killed:
            break
        shutil.rmtree("results")
        moment += 1
    assert moment >= 1


def test_a_folder_that_was_copied_to_another_fingerprint_is_no_result():
    finished()
    new = graph(1)
    shutil.copytree(graph().job("train").folder, new.job("train").folder)
    _, problems = upkeep.verify([new.job("train")], COMMAND)
    assert "manifest.json" in problems[0] and f"rm -r {new.job('train').folder}" in problems[1]
    with pytest.raises(UserError, match=new.job("train").key):
        run_job(new.job("a"))


def test_results_of_other_versions_are_named(monkeypatch):
    found = finished()
    made = found.job("train").manifest.made["versions"]
    assert other_versions(found.jobs.values()) == [] and "numpy" in made
    monkeypatch.setattr("pipeline_src.pipeline.job.installed", lambda name: "0.1" if name == "numpy" else made[name])
    assert other_versions(found.jobs.values()) == [f"made with numpy {made['numpy']}, here 0.1: train, a, b, tables"]


def test_a_result_stays_if_its_link_cannot_be_written(caplog):
    (VIEW / "run/model").mkdir(parents=True)
    job = graph().job("train")
    assert run_job(job) and job.faults() == [] and "train is not shown" in caplog.text
    assert [path.name for path in (VIEW / "run").iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda job: flipped(job.folder / "model"), "model is damaged"),
        (lambda job: shutil.rmtree(VIEW), "no earlier result is shown"),
    ],
)
def test_keep_refuses_what_is_damaged_or_not_shown(damage, words):
    old = finished().job("train")
    damage(old)
    new = graph(modules=EDITED).job("train")
    with pytest.raises(UserError, match=words):
        upkeep.keep([new], "why")
    assert old.is_made and not new.is_made


@pytest.mark.parametrize("action", [lambda job: upkeep.keep([job], "why"), lambda job: upkeep.remove([job.folder])])
def test_nothing_is_kept_or_removed_while_a_snakemake_runs(action):
    job = finished().job("train")
    with FileLock(upkeep.RUN_LOCK), pytest.raises(UserError, match=str(upkeep.RUN_LOCK)):
        action(job)
    assert job.is_made


def test_keep_refuses_results_of_other_parameters_and_inputs():
    finished()
    for name in ("train", "a"):
        run_job(graph(1).job(name))
    new = graph(modules=EDITED)
    with pytest.raises(UserError, match=r"train: seed 1 -> 0(.|\n)*a: .*train"):
        upkeep.keep([new.job("train"), new.job("a")], "why")
    run_job(graph().job("train"))
    with pytest.raises(UserError, match=r"a: .*train"):
        upkeep.keep([new.job("train"), new.job("a")], "why")
    assert new.job("train").is_made and not new.job("a").is_made
    job = graph(modules=EDITED).job("train")
    longer = replace(job, parameters=job.parameters | {"groups": "^(.)"})
    with pytest.raises(UserError, match="groups absent"):
        upkeep.keep([longer], "why")


def test_keep_refuses_results_of_inputs_that_are_gone():
    finished()
    table = graph(modules=EDITED).job("tables")
    upkeep.keep([table.inputs["a"].inputs["network"], *table.inputs.values()], "why")
    with pytest.raises(UserError, match="other inputs: a, b"):
        upkeep.keep([replace(table, inputs={"a": table.inputs["a"]})], "why")


def test_names_of_jobs_and_patterns():
    found = graph()
    assert [job.name for job in found.matching(["t*", "b"])] == ["train", "b", "tables"]
    assert found.find(found.job("a").key) is found.job("a")
