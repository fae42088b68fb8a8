"""The four paths of docs/architecture.md: each list is short, follows imports, and names all files that run."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from operator import attrgetter
from pathlib import Path

import pytest
import yaml
from project import ROOT

from pipeline_src.data.store import Store
from pipeline_src.params.load import read
from pipeline_src.pipeline import fingerprint
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.graph import build
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.runner import run_job
from pipeline_src.pipeline.steps.networks import load_predictor, settings
from pipeline_src.prediction.evaluate import evaluate
from pipeline_src.training.registry import METHODS

PACKAGE = ROOT / "pipeline_src"
MOST = {"Train one network": 16, "Count one image": 8, "Make a table": 15, "Is a result current": 3}
SECTION = re.compile(r"^([A-Z][a-z ]+) \((.*?)\).*:\n\n```text\n((?:.*\.(?:py|smk)\n)+)```", re.MULTILINE)
PATHS = {
    title: (re.findall(r"`(.*?)`", packages), files.split())
    for title, packages, files in SECTION.findall((ROOT / "docs/architecture.md").read_text())
}


def imported(file: str) -> set[str]:
    """The files of the package that a file imports, with the methods of a registry that it imports."""
    _, names = fingerprint._code(file)
    files = {place for name in names for place in fingerprint._places(name)}
    if "training/registry.py" in files:
        files |= {f"training/methods/{entry.partition(':')[0]}.py" for entry in METHODS.values()}
    return {place.partition(":")[0] for place in files}


def test_each_list_is_short():
    assert {title: len(files) for title, (_, files) in PATHS.items()} == MOST


@pytest.mark.parametrize("title", PATHS)
def test_each_file_is_imported_by_one_before_it(title):
    _, files = PATHS[title]
    assert [file for file in files if not (ROOT / file).is_file()] == []
    known: set[str] = set()
    for number, file in enumerate(name.removeprefix("pipeline_src/") for name in files if name.endswith(".py")):
        assert number == 0 or file in known, file
        known |= imported(file)


def recorded(run: Callable, job: Job) -> set[str]:
    """The files of the package whose functions run."""
    codes = set()

    def record(frame, event: str, _) -> None:
        if event == "call" and frame.f_code.co_name != "<module>":
            codes.add(frame.f_code.co_filename)

    threading.setprofile(record)
    sys.setprofile(record)
    run(job)
    sys.setprofile(None)
    return {Path(name).relative_to(PACKAGE).as_posix() for name in codes if name.startswith(f"{PACKAGE}/")}


def called(run: Callable, job: Job) -> set[str]:
    """The same of a new interpreter: what other tests leave in this one changes which functions are recorded."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(recorded, run, job).result()


def count(job: Job) -> None:
    images = Store(job.inputs["store/val"].folder)
    evaluate(load_predictor(job), images, settings(job), "one")


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> ExperimentGraph:
    """A training of one epoch, of which only the data were prepared."""
    folder = tmp_path_factory.mktemp("paths")
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    tiny = content["experiments"]["tiny"] | {"methods": ["slp"], "training": {"epochs": 1, "batch_size": 4}}
    content |= {"experiment": "tiny", "experiments": {"tiny": tiny}}
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        found = build(read())
        for job in found.of_kinds("prepare", "store"):
            run_job(job)
        yield found


@pytest.mark.slow
def test_each_list_names_what_runs_in_its_packages(graph):
    found = {
        "Train one network": called(run_job, graph.job("train/slp/seed0")),
        "Count one image": called(count, graph.evaluation("slp", 0)),
    }
    for job in graph.of_kinds("evaluate", "analyse"):
        run_job(job)
    found["Make a table"] = called(run_job, graph.job("tables"))
    fingerprint.CACHE.unlink(missing_ok=True)
    found["Is a result current"] = called(attrgetter("is_made"), build(read()).job("tables"))
    for title, (packages, files) in PATHS.items():
        listed = {name.removeprefix("pipeline_src/") for name in files}
        differing = {name for name in found[title] ^ listed if name.split("/")[0] in packages}
        assert differing == set(), title
