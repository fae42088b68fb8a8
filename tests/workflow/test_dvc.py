"""DVC: raw data and results are shared, metrics and plots compared, and its cache is never damaged."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_sets import encoded, image, write_files
from project import ROOT, call, copy, edit, planned, snakemake

STAGES = {
    "data": {"prepare", "store"},
    "models": {"train", "fit"},
    "results": {"evaluate", "analyse", "tables", "figures", "gallery", "claims", "report"},
}
MADE = set.union(*STAGES.values()) - {"fit"}  # `tiny` has no post-hoc method
STORE = Path("results/.store")
RAW = "data/downloads/mine"


def dvc(folder: Path, *words: str) -> str:
    return call(folder, "dvc", *words)


def commit(folder: Path, message: str) -> None:
    call(folder, "git", "add", "--all")
    call(folder, "git", "commit", "--quiet", "--message", message)


def kinds(folder: Path) -> set[str]:
    """The kinds of results in the store, whose manifests are there."""
    return {file.parent.parent.name for file in (folder / STORE).glob("*/*/manifest.json")}


def printed(folder: Path, *words: str) -> dict[str, Any]:
    """What a command of DVC prints as JSON."""
    return json.loads(dvc(folder, *words, "--json"))


def values(folder: Path) -> dict[str, Any]:
    """Method -> dataset -> metric -> value, as `dvc metrics show --json` prints it."""
    files = printed(folder, "metrics", "show")[""]["data"]
    return {Path(file).stem: content["data"] for file, content in files.items()}


def damaged_objects(cache: Path) -> list[Path]:
    """Objects of a cache whose content is not that of their names."""
    damaged = []
    files = list(cache.glob("files/md5/*/*"))
    assert files
    for file in files:
        expected = file.parent.name + file.name.removesuffix(".dir")
        if hashlib.md5(file.read_bytes()).hexdigest() != expected:
            damaged.append(file)
    return damaged


def is_linked(folder: Path, *manifests: Path) -> bool:
    """Whether manifests of the store, by default all, are hard links of objects in the cache of `folder`."""
    files = manifests or [*folder.glob(f"{STORE}/*/*/manifest.json")]
    inodes = {path.stat().st_ino for path in (folder / ".dvc/cache").rglob("*") if path.is_file()}
    return set() < {file.stat().st_ino for file in files} <= inodes


def test_stages_follow_each_other_and_hold_every_kind_of_result(clone):
    graph = dvc(clone, "dag", "--dot")
    edges = re.findall(r'"(\w+)" -> "(\w+)"', graph)
    assert sorted(edges) == [("data", "models"), ("models", "results")]
    assert kinds(clone) == MADE
    stages = yaml.safe_load((clone / "dvc.yaml").read_text())["stages"]
    for name, content in STAGES.items():
        outputs = {output for entry in stages[name]["outs"] for output in entry}
        assert outputs == {f"{STORE}/{kind}" for kind in content}


def test_metrics_and_plots_are_those_of_tables_and_figures_and_are_compared_with_commits(clone):
    (file,) = clone.glob(f"{STORE}/tables/*/metrics.json")
    tables = json.loads(file.read_text())["metrics"]["raw"]
    shown = values(clone)
    assert shown.keys() == tables.keys()
    for method, datasets in shown.items():
        assert datasets.keys() == tables[method].keys()
        for dataset, metrics in datasets.items():
            assert metrics == {m: tables[method][dataset][m]["mean"] for m in ("ece", "accuracy", "brier")}
    for dataset in ("val", "scenes", "textures"):
        (figure,) = clone.glob(f"{STORE}/figures/*/reliability-raw-{dataset}.csv")
        assert (clone / f"summary/reliability/{dataset}.csv").read_bytes() == figure.read_bytes()
    file = clone / "summary/metrics/baseline.json"
    content = json.loads(file.read_text())
    content["scenes"]["ece"] = 0.5
    file.write_text(json.dumps(content))
    edit(clone / "params.yaml", "    alpha: 0.05\n", "    alpha: 0.06\n")
    changes = printed(clone, "metrics", "diff")
    (change,) = changes["summary/metrics/baseline.json"].items()
    assert change[0] == "scenes.ece" and change[1]["new"] == 0.5
    assert "methods.slp.alpha" in printed(clone, "params", "diff")["params.yaml"]


@pytest.mark.slow
def test_plots_show_a_panel_per_method(clone):
    dvc(clone, "plots", "show", "--out", "plots")
    page = (clone / "plots/index.html").read_text()
    specifications = [json.loads(text) for text in re.findall(r"var spec = (\{.*\});", page)]
    names = ("scenes", "textures", "val")
    assert sorted(plot["title"] for plot in specifications) == [f"summary/reliability/{name}.csv" for name in names]
    for plot in specifications:
        assert plot["facet"]["field"] == "method"
        assert {row["method"] for row in plot["data"]["values"]} == {"baseline", "aslp_mc"}


@pytest.mark.slow
def test_a_dataset_is_added_and_results_are_computed_pushed_and_pulled_into_an_idle_clone(tmp_path):
    folder, clone = tmp_path / "project", tmp_path / "clone"
    folder.mkdir()
    copy(folder)
    call(folder, "git", "init", "--quiet")
    write_files(folder / RAW, {f"s{i}.png": encoded(image(i)) for i in range(6)})
    edit(folder / "params.yaml", "datasets: {} ", f"datasets: {{mine: {{images: {RAW}, ood: true}}}} ")
    edit(folder / "params.yaml", "        textures: {set: tiny-textures}", "        textures: {set: mine}")
    dvc(folder, "add", "--quiet", RAW)
    dvc(folder, "remote", "add", "--default", "storage", str(tmp_path / "storage"))
    commit(folder, "code and data")
    assert f"{RAW}.dvc" in call(folder, "git", "ls-files")
    dvc(folder, "repro", "--quiet")
    commit(folder, "results")
    dvc(folder, "push", "--quiet")
    assert is_linked(folder)

    call(tmp_path, "git", "clone", "--quiet", str(folder), str(clone))
    dvc(clone, "pull", "--quiet", "models")
    assert kinds(clone) == {"train"}
    dvc(clone, "pull", "--quiet")
    assert kinds(clone) == MADE
    assert "mine (given): in order; 6 samples" in call(clone, "python", "-m", "pipeline_src", "data", "check")
    assert planned(clone) == {}
    assert "Nothing to be done" in dvc(clone, "repro")
    assert is_linked(clone)
    assert call(clone, "git", "status", "--short") == ""
    assert set(map(tuple, printed(clone, "status").values())) == {("always changed",)}


@pytest.mark.slow
def test_no_command_writes_into_the_cache_through_a_link(finished, tmp_path):
    clone = tmp_path / "clone"
    call(tmp_path, "git", "clone", "--quiet", str(finished), str(clone))
    dvc(clone, "pull", "--quiet")
    planned(clone)  # which shows the results
    (tables,) = clone.glob(f"{STORE}/tables/*/manifest.json")
    assert is_linked(clone, tables)
    edit(clone / "pipeline_src/tables/write.py", "index=False, ", "index=bool(0), ")
    call(clone, "python", "-m", "pipeline_src", "keep", "tables", "--why", "the same table")
    (kept,) = {*clone.glob(f"{STORE}/tables/*/manifest.json")} - {tables}
    assert is_linked(clone, tables) and not is_linked(clone, kept)
    for kind in ("evaluate", "claims", "figures"):
        shutil.rmtree(next((clone / STORE / kind).iterdir()))
    snakemake(clone)
    dvc(clone, "repro", "--quiet")
    assert damaged_objects(clone / ".dvc/cache") == []


def test_git_holds_what_dvc_writes_about_data_and_no_data(tmp_path):
    call(tmp_path, "git", "init", "--quiet")
    shutil.copy(ROOT / ".gitignore", tmp_path)
    shown = ["data/README.md", "data/a.zip.dvc", "data/downloads/.gitignore", "data/downloads/archives/b.tar.dvc"]
    hidden = ["data/a.zip", "data/downloads/set/image.png", "data/downloads/archives/b.tar", "data/unpacked/c/d.dvc"]
    for name in (*shown, *hidden):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    known = call(tmp_path, "git", "ls-files", "--others", "--exclude-standard", "data").split()
    assert sorted(known) == sorted(shown)


@pytest.mark.slow
def test_after_one_stage_alone_the_others_are_outdated(clone):
    edit(clone / "params.yaml", "    alpha: 0.05\n", "    alpha: 0.06\n")
    dvc(clone, "repro", "--quiet", "data")
    status = printed(clone, "status")
    for stage in ("models", "results"):
        assert {"changed deps": {"params.yaml": "modified"}} in status[stage]
    assert status["data"] == ["always changed"]


@pytest.mark.slow
def test_a_damaged_network_is_not_recorded(clone):
    weights = next(clone.glob(f"{STORE}/train/*/model.safetensors"))
    content = weights.read_bytes()
    weights.unlink()  # a link to the cache
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    recorded = call(clone, "git", "show", "HEAD:dvc.lock")
    said = call(clone, "dvc", "repro", check=False)
    assert f"rm -r {weights.parent.relative_to(clone)}" in said
    assert (clone / "dvc.lock").read_text() == recorded
    weights.unlink()
    dvc(clone, "checkout", "--quiet")
    assert weights.read_bytes() == content
