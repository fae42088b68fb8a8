"""Results that somebody or something altered under current stamps, in a finished run."""

from __future__ import annotations

import contextlib
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from project import call, make, outdated, planned
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from pipeline_src.cli.main import app
from pipeline_src.data import sources
from pipeline_src.engine.execute import execute
from pipeline_src.errors import UserError
from pipeline_src.params.load import read
from pipeline_src.steps.build import build, stages
from pipeline_src.steps.prepare import UNPACKED

MODEL, OTHER = "results/tiny/runs/baseline/seed0/model.safetensors", "results/tiny/statistics/aslp_mc/seed0/val.npz"
TRIPLED, STORE = "results/tiny/statistics/baseline/seed0/scenes.npz", "data/tiny/stores/textures/images.npy"
USERS = {  # altered file -> a job that needs it
    MODEL: "evaluate/baseline/seed0/val",
    OTHER: "analyse/val",
    TRIPLED: "analyse/scenes",
    STORE: "evaluate/aslp_mc/seed0/textures",
}


def alter(clone: Path) -> dict[str, bytes]:
    """A bias added to a model, the statistic of another run, counts times 3, flipped bytes in a store: what was there
    before."""
    before = {name: (clone / name).read_bytes() for name in USERS}
    tensors = load_file(clone / MODEL)
    bias = next(name for name in reversed(tensors) if name.endswith("bias"))
    save_file(tensors | {bias: tensors[bias] + 1}, clone / MODEL)
    shutil.copyfile(clone / OTHER.replace("aslp_mc", "baseline"), clone / OTHER)
    with np.load(clone / TRIPLED) as arrays:
        tripled = {name: array * 3 if array.dtype.kind in "iu" else array for name, array in arrays.items()}
    np.savez(clone / TRIPLED, **tripled)
    with open(clone / STORE, "r+b") as file:
        file.seek(1000)
        piece = file.read(6000)
        file.seek(1000)
        file.write(bytes(255 - byte for byte in piece))
    assert all((clone / name).read_bytes() != content for name, content in before.items())
    return before


@pytest.mark.slow
def test_it_is_refused_by_name_and_made_again(clone: Path):
    outdated(clone)  # all was verified once
    before = alter(clone)
    assert outdated(clone) == planned(clone) == {"train": 1, "evaluate": 2, "store": 1}
    with contextlib.chdir(clone):
        graph = build(read())
        for file, user in USERS.items():
            graph.job(user).stamp.unlink()
            with pytest.raises(UserError) as refusal:
                execute(graph.job(user))
            assert file in str(refusal.value) and str(refusal.value).count("sha256 ") == 2
    make(clone, "store", "train", "evaluate", "analyse")
    assert {name: (clone / name).read_bytes() for name in USERS} == before
    assert outdated(clone) == {}


def verify(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["verify", *words])
    return result.exit_code, result.output


def test_verify_reads_everything_and_names_what_is_wrong(clone: Path, monkeypatch):
    monkeypatch.chdir(clone)
    job = build(read()).job("prepare/tiny-scenes")
    raw = sources.open_root(sources.locate(job.options["entry"], None, UNPACKED), UNPACKED)
    code, said = verify()
    assert code == 0 and "all are as they were made; verified on 20" in said
    assert "can't be checked here: tiny-textures: it is not unpacked" in said
    assert "Verified on 20" in CliRunner().invoke(app, ["plan"]).output
    alter(clone)
    image = next(raw.rglob("*.png"))
    image.write_bytes(image.read_bytes() + b"0")
    (clone / "results/tiny/tables/metrics.json").unlink()
    code, said = verify()
    assert code == 1
    assert all(f"altered: {name} (" in said for name in (*USERS, image)) and "sha256" in said
    assert "missing: results/tiny/tables/metrics.json (tables)" in said
    assert f"remove {raw}" in said
    code, said = verify("train/aslp_mc/*", "figures")
    assert code == 0
    params = clone / "params.yaml"
    params.write_text(params.read_text().replace("bins: 10", "bins: 15"))
    code, said = verify("figures")
    assert code == 1 and "stale: figures: parameters.facts.bins 10 -> 15" in said


def test_every_stage_of_dvc_verifies_what_it_makes(pulled: Path, monkeypatch):
    monkeypatch.chdir(pulled)
    graph = build(read())
    commands = {name: of["cmd"] for name, of in yaml.safe_load(Path("dvc.yaml").read_text())["stages"].items()}
    for name, jobs in stages(graph).items():
        _, verified = commands[name]
        patterns = shlex.split(verified.removeprefix("python -m pipeline_src verify ").partition(" --experiment")[0])
        assert {job.name for job in graph.matching(patterns)} == {job.name for job in jobs}, name


@pytest.mark.slow
def test_dvc_commits_nothing_that_was_altered(clone: Path):
    names = ("results/tiny/claims.json", "results/tiny/tables/metrics.json")
    before = {name: (clone / name).read_bytes() for name in names}
    for name in names:
        (clone / name).write_bytes(before[name].replace(b"0", b"1"))
    said = call(clone, "dvc", "repro")
    assert all(f"{name} is not as it was made: sha256" in said for name in names)
    assert {name: (clone / name).read_bytes() for name in names} == before
