"""Experiments of equal ingredients share results: the path is the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from project import ROOT

from pipeline_src.data import catalog
from pipeline_src.params.load import read, resolve
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.graph import build
from pipeline_src.pipeline.job import UNFINISHED
from pipeline_src.pipeline.manifest import STORE
from pipeline_src.pipeline.plan import missing_jobs
from pipeline_src.pipeline.runner import run_job, show
from pipeline_src.pipeline.upkeep import leftovers
from pipeline_src.prediction import evaluate as evaluation
from pipeline_src.prediction.evaluate import evaluate


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A project in which an experiment with two seeds was trained and evaluated."""
    folder = tmp_path_factory.mktemp("sharing")
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["methods"]["ce"] = {"method": "baseline"}
    tiny = content["experiments"]["tiny"] | {"training": {"epochs": 1, "batch_size": 4}, "methods": ["baseline", "slp"]}
    renamed = tiny["data"] | {"id": {"unseen": tiny["data"]["id"]["scenes"]}}
    content["experiments"] = {
        "seeds": tiny | {"seeds": [0, 1]},
        "one": tiny,
        "names": tiny | {"methods": ["ce", "baseline"], "data": renamed},
        "wider": tiny
        | {"data": tiny["data"] | {"shifted": {"new": {"set": "tiny-scenes", "split": "test", "first": 2}}}},
        "longer": tiny | {"training": {"epochs": 2, "batch_size": 4}},
    }
    content["experiment"] = "seeds"
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for job in build(read()).of_kinds("prepare", "store", "train", "evaluate"):
            run_job(job)
    return folder


@pytest.fixture
def experiment(made, monkeypatch):
    monkeypatch.chdir(made)

    def of(name: str) -> ExperimentGraph:
        return build(read(), name)

    return of


@pytest.fixture
def predicted(made, monkeypatch) -> Iterator[list[str]]:
    """The titles of the evaluations that predict. New results are removed after the test."""
    titles: list[str] = []
    before = {*(made / STORE).glob("*/*")}

    def recorded(predictor, images, settings, title, **options):
        titles.append(title)
        return evaluate(predictor, images, settings, title, **options)

    monkeypatch.setattr(evaluation, "evaluate", recorded)
    yield titles
    for folder in {*(made / STORE).glob("*/*")} - before:
        shutil.rmtree(folder)


def kinds(jobs) -> set[str]:
    return {job.kind for job in jobs}


def test_mini_takes_every_network_over_from_mini_seeds(monkeypatch):
    """By its settings, as its data need not be there."""
    monkeypatch.chdir(ROOT)
    one, three = (resolve(read(), name)[1].model_dump() for name in ("mini", "mini_seeds"))
    assert set(one.pop("methods")) <= set(three.pop("methods")) and set(one.pop("seeds")) <= set(three.pop("seeds"))
    assert one == three


def test_after_two_seeds_one_seed_trains_nothing(experiment):
    missing = kinds(missing_jobs(experiment("one")))
    assert missing == {"analyse", "tables", "figures", "gallery", "claims", "report"}


def test_names_of_blocks_and_parts_matter_to_no_network(experiment, predicted):
    graph = experiment("names")
    assert not kinds(missing_jobs(graph)) & {"train", "store"}
    for job in graph.of_kinds("evaluate"):
        run_job(job)
    assert predicted == []
    show(graph.jobs.values())
    model = Path("results/names/runs/ce/seed0/model.safetensors")
    assert model.samefile(experiment("seeds").job("train/baseline/seed0").paths[0])
    assert Path("results/names/statistics/ce/seed0/unseen/statistic.npz").is_file()


def test_of_a_new_test_set_only_its_own_images_are_predicted_and_analysed(experiment, predicted):
    graph = experiment("wider")
    for job in experiment("one").of_kinds("analyse"):
        run_job(job)
    for job in graph.of_kinds("store", "evaluate"):
        run_job(job)
    assert predicted == ["baseline seed 0 on new", "slp seed 0 on new"]
    assert [job.name for job in missing_jobs(graph) if job.kind == "analyse"] == ["analyse/new"]
    old, new = (found.evaluation("slp", 0) for found in (experiment("one"), graph))
    assert {path.name: path.read_bytes() for path in old.paths}.items() < {
        path.name: path.read_bytes() for path in new.paths
    }.items()


def test_two_blocks_that_mean_the_same_are_made_once(experiment):
    graph = experiment("longer")
    names = [f"train/{method}/seed0" for method in graph.methods]
    assert [job.name for job in missing_jobs(graph) if job.kind == "train"] == names
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["experiments"]["longer"]["methods"] = ["ce", "baseline"]
    Path("params.yaml").write_text(yaml.safe_dump(content))
    found = missing_jobs(experiment("longer"))
    assert [job.name for job in found if job.kind == "train"] == ["train/ce/seed0"]


def test_groups_of_a_set_are_in_the_contract_of_its_analysis_alone(experiment, made):
    before = {job.name: job.fingerprint for job in experiment("one").jobs.values()}
    content = yaml.safe_load((made / "params.yaml").read_text())
    plain = yaml.safe_load(catalog.FILE.read_text())["datasets"]["tiny-scenes"]
    content["datasets"] = {"tiny-scenes": plain | {"groups": "^(.).*$"}}
    (made / "grouped.yaml").write_text(yaml.safe_dump(content))
    after = {job.name: job for job in build(read(made / "grouped.yaml"), "one").jobs.values()}
    assert "groups" not in after["analyse/textures"].parameters
    assert after["analyse/scenes"].parameters["groups"] == "^(.).*$"
    assert kinds(job for name, job in after.items() if job.fingerprint != before[name]) == {
        *("analyse", "tables", "figures", "gallery", "claims", "report")
    }


def test_leftovers_are_what_no_experiment_needs(experiment):
    """For an invalid experiment, the results that its view shows and unfinished trainings are needed."""
    params, needed = read(), {job.key for job in experiment("one").jobs.values()}
    trained = experiment("one").job("train/slp/seed0")
    outdated = [UNFINISHED / "train/0123456789abcdef", STORE / "train-0123456789abcdef"]  # and one of an earlier layout
    folders = [*outdated, trained.scratch, STORE / f"train/.{trained.fingerprint}.new"]
    for folder in folders:
        folder.mkdir(parents=True)
    only_one = params.model_copy(update={"experiments": {"one": params.experiments["one"]}})
    others = {file.parent for file in STORE.glob("*/*/manifest.json")} - {STORE / key for key in needed}
    assert len(others) == 4 and {*leftovers(only_one)} == {*others, *outdated}
    assert {*leftovers(params)} == {*outdated}
    invalid = params.model_copy(update={"experiments": {"seeds": {"methods": ["none"]}}})
    assert {*leftovers(invalid)} == {outdated[1]}
    for folder in folders:
        folder.rmdir()
