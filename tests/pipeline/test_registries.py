"""Registries agree with the folders and with the fingerprints of jobs, and an addition concerns its own jobs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from project import ROOT, call, copy
from tutorial import add_lines, blocks, run_python

from pipeline_src.calibrators.calibrator import Calibrator
from pipeline_src.calibrators.registry import CALIBRATORS, calibrator_class
from pipeline_src.claims.registry import CLAIMS
from pipeline_src.errors import UserError
from pipeline_src.figures import gallery
from pipeline_src.figures.registry import FIGURE_TYPES
from pipeline_src.metrics.registry import METRICS
from pipeline_src.pipeline.fingerprint import code_digests
from pipeline_src.pipeline.steps import networks, numbers, overview, report
from pipeline_src.tables.registry import TABLES
from pipeline_src.training import registry
from pipeline_src.training.registry import METHODS, choose, method_class

PACKAGE = ROOT / "pipeline_src"
SHOWN = {"tables", "figures", "gallery", "claims", "report", "overview"}
RUN_AGAIN = {  # section of the guide -> kinds of jobs
    "A method": set(),
    "A calibrator": set(),
    "A metric": {"analyse"} | SHOWN,
    "A table": {"tables", "report"},
    "A figure": {"figures", "report"},
    "A claim": {"claims", "overview", "report"},
}
FINGERPRINTS = """
import json
from pipeline_src.params.load import read
from pipeline_src.pipeline.graph import build
from pipeline_src.pipeline.steps.overview import overview_job
params = read()
jobs = [*build(params).jobs.values(), overview_job(params)]
print(json.dumps({job.name: [job.kind, job.fingerprint] for job in jobs}))
"""
RUN = """
from pipeline_src.params.load import read
from pipeline_src.pipeline.graph import build
from pipeline_src.pipeline.runner import run_job, show
graph = build(read())
for job in graph.jobs.values():
    run_job(job)
show(graph.jobs.values())
"""


def modules(folder: str) -> set[str]:
    return {file.stem for file in (PACKAGE / folder).glob("*.py")} - {"__init__"}


def code(function, *values) -> set[str]:
    """The names of the package's files in the fingerprint of a job."""
    return {name.removeprefix("pipeline_src/").removesuffix(".py") for name in code_digests(function, values)}


def test_a_method_with_the_name_of_a_calibrator_is_refused(monkeypatch):
    monkeypatch.setattr(registry, "METHODS", {**METHODS, "beta": "slp:SLP"})
    with pytest.raises(UserError, match="beta"):
        choose("slp", {})


@pytest.mark.parametrize("entries", [METHODS, CALIBRATORS, METRICS, TABLES, FIGURE_TYPES, CLAIMS])
def test_a_registry_is_read_only(entries):
    with pytest.raises(TypeError):
        entries["name"] = None


def test_every_method_and_calibrator_of_the_folders_is_an_entry():
    assert {entry.partition(":")[0] for entry in METHODS.values()} == modules("training/methods")
    others = {"calibrator", "pixels", "registry"}
    assert {entry.partition(":")[0] for entry in CALIBRATORS.values()} == modules("calibrators") - others
    assert {name: calibrator_class(name).name for name in CALIBRATORS} == {name: name for name in CALIBRATORS}
    assert all(issubclass(calibrator_class(name), Calibrator) for name in CALIBRATORS)
    assert {name: figure.name for name, figure in FIGURE_TYPES.items()} == {name: name for name in FIGURE_TYPES}


@pytest.mark.parametrize("name", [*METHODS, *CALIBRATORS])
def test_the_module_of_a_method_is_in_the_fingerprint_of_its_jobs_and_no_registry_is(name):
    folder, registry = ("calibrators", CALIBRATORS) if name in CALIBRATORS else ("training/methods", METHODS)
    for function in (networks.fit_method, numbers.evaluate_run) if name in CALIBRATORS else (networks.train_network,):
        found = code(function, method_class(name).model_construct())
        assert f"{folder}/{registry[name].partition(':')[0]}" in found
        assert not {"calibrators/registry", "training/registry"} & found


@pytest.mark.parametrize(
    ("folder", "functions"),
    [
        ("metrics", [numbers.analyse_split]),
        ("tables", [report.write_table_files, overview.write_overview]),
        ("figures", [report.draw_figures, report.draw_gallery]),
        ("claims", [report.judge_claims]),
    ],
)
def test_every_module_of_a_folder_is_in_the_fingerprints_of_its_jobs(folder, functions):
    found = set.union(*(code(function) for function in functions))
    assert {f"{folder}/{module}" for module in modules(folder)} <= found
    assert f"{folder}/registry" in code(functions[0])
    assert gallery.FIGURE not in FIGURE_TYPES.values() and "figures/registry" not in code(report.draw_gallery)


def run_script(folder: Path, script: str) -> str:
    return call(folder, "python", "-c", script)


@pytest.mark.slow
def test_an_addition_of_the_guide_concerns_the_jobs_that_it_names(tmp_path):
    """The examples of the guide are added one by one to a clone, in which all of them run then."""
    copy(tmp_path)
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    tiny = params["experiments"]["tiny"]
    methods = list(params["methods"])
    params["experiments"]["tiny"] = tiny | {"methods": methods, "seeds": [0, 1]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    before = json.loads(run_script(tmp_path, FINGERPRINTS))
    guide = (ROOT / "docs/contributing/extending.md").read_text()
    _, *sections = re.split(r"^## ", guide, flags=re.MULTILINE)
    changed = {}
    for section in sections[: len(RUN_AGAIN)]:
        for language, text in blocks(section):
            {"python": run_python, "diff": add_lines}[language](tmp_path, text)
        after = json.loads(run_script(tmp_path, FINGERPRINTS))
        assert after.keys() == before.keys()
        changed[section.partition("\n")[0]] = {kind for name, (kind, _) in after.items() if after[name] != before[name]}
        before = after
    assert changed == RUN_AGAIN

    added = {"logit_penalty": {}, "shrinkage": {"of": "baseline"}}
    params["methods"] |= added
    training = tiny["training"] | {"epochs": 1}
    params["experiments"]["tiny"] = tiny | {"methods": ["baseline", "aslp_mc", *added], "training": training}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    run_script(tmp_path, RUN)
    results = tmp_path / "results/tiny"
    main = pd.read_csv(results / "tables/main.csv")
    assert {*added} < {*main["method"]} and main["rms"].between(0, 1).all()
    assert {*pd.read_csv(results / "tables/T15.csv")["metric"]} == {"mce", "oe"}
    assert (results / "figures/accuracy-raw.png").is_file()
    assert "C10" in {claim["claim"] for claim in json.loads((results / "claims.json").read_text())["claims"]}
