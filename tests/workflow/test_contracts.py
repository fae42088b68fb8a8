"""What a change of the package's code does to the contracts of its jobs, on a copy of the package."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from project import call, copy, edit


@pytest.fixture
def project(tmp_path) -> Path:
    copy(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def before(tmp_path_factory) -> dict[str, str]:
    """The contracts of the package as it is."""
    folder = tmp_path_factory.mktemp("before")
    copy(folder)
    return contracts(folder)


ASKED = """
import json, sys
from pipeline_src.params.load import read
from pipeline_src.steps.build import build
jobs, kinds = build(read()).jobs.values(), sys.argv[1:]
print(json.dumps({job.name: job.contract for job in jobs if not kinds or job.kind in kinds}))
"""


def contracts(project: Path, *kinds: str) -> dict[str, str]:
    """The contracts of `tiny`, by job; of all jobs, or of some kinds, which takes half as long."""
    return json.loads(call(project, sys.executable, "-c", ASKED, *kinds))


def changed(project: Path, before: dict[str, str], *kinds: str) -> set[str]:
    """Kinds of the jobs whose contract is another now."""
    after = contracts(project, *kinds)
    assert after.keys() == {name for name in before if not kinds or name.split("/")[0] in kinds}
    return {name.split("/")[0] for name in after if before[name] != after[name]}


def rename(project: Path, old: str, new: str) -> None:
    """Rename a module or a package, `old` and `new` as dotted names below pipeline_src, wherever it is imported."""
    place, to = (project / "pipeline_src" / name.replace(".", "/") for name in (old, new))
    place.rename(to) if place.is_dir() else place.with_suffix(".py").rename(to.with_suffix(".py"))
    parent, _, name = f"pipeline_src.{old}".rpartition(".")

    def imported(match: re.Match) -> str:
        names = [f"{new.rpartition('.')[2]} as {name}" if each == name else each for each in match[2].split(", ")]
        return match[1] + ", ".join(names)

    for file in [*(project / "pipeline_src").rglob("*.py"), *(project / "pipeline_src").rglob("*.smk")]:
        text = re.sub(rf"\bpipeline_src\.{re.escape(old)}\b", f"pipeline_src.{new}", file.read_text())
        text = re.sub(rf"(from {re.escape(parent)} import )([\w, ]+)$", imported, text, flags=re.MULTILINE)
        file.write_text(text)


@pytest.mark.slow
def test_names_of_modules_are_in_no_contract(project, before):
    assert len(before) == 21
    for old, new in {
        "training.augment": "training.augmentation_of_images",
        "training.pixels": "training.a_pixels",
        "data.pairing": "data.zz_pairs",
        "counting.rows": "counting.image_rows",
        "metrics.estimators": "metrics.formulas",
        "figures.style": "figures.looks",
        "steps.networks": "steps.nets",
        "engine.stamp": "engine.seal",
        "counting": "tallies",
        "claims": "verdicts",
    }.items():
        rename(project, old, new)
    assert not list((project / "pipeline_src").glob("counting"))
    assert changed(project, before) == set()


@pytest.mark.parametrize("room", ["metrics", "analysis"])
def test_metrics_and_analysis_concern_nothing_that_takes_inference(project, before, room):
    """Every function there is changed, and one more module added."""
    for file in (project / "pipeline_src" / room).glob("*.py"):
        text = re.sub(r"^( +)return ", r"\1changed = 1\n\1return ", file.read_text(), flags=re.MULTILINE)
        file.write_text(text)
    (project / "pipeline_src" / room / "one_more.py").write_text("print('a new metric')\n")
    assert changed(project, before, "prepare", "store", "train", "evaluate", "analyse") == {"analyse"}


EDITS = {  # file -> text, and another that changes no result
    "tables/cost.py": ("Time, speed and memory by method", "Time, speed and memory of each method"),
    "cli/steps.py": ("Draw the figures.", "Draw all figures."),
    "engine/execute.py": ("started = time.perf_counter()", "started = time.perf_counter() + 0"),
    "steps/build.py": ("STAGES = {", "MORE = 1\nSTAGES = {"),
    "files.py": ("os.fsync(file.fileno())", "pass"),
    "training/trackers.py": ("math.isfinite(value)", "value == value"),
    "../params.yaml": ("datasets: {}", "datasets: {}\ntrackers: [{type: TensorboardVisBackend}]"),
    "params/schema.py": ("ge=32", "ge=31"),
}


def test_what_concerns_no_result(project, before):
    for file, (old, new) in EDITS.items():
        edit(project / "pipeline_src" / file, old, new)
    assert changed(project, before) == set()


GLUE = {  # file -> text between parameters and results, another, and a kind of job that has another contract then
    "steps/store.py": ('"size": experiment', '"size": 2 * experiment', "store"),
    "engine/run_job.py": ("job.work(job, folder)", "job.work(job, folder / '.')", "prepare"),
    "steps/networks.py": (
        'parameters[key] for key in ("image_size", "augmentation")',
        'parameters[key] for key in ("augmentation",)',
        "train",
    ),
    "data/entry.py": ("{**self.splits, **source.splits}", "{**source.splits, **self.splits}", "prepare"),
    "params/schema.py": ("return self.factory or self.config", "return self.config", "train"),
    "files.py": ("temporary.write_text(text,", "temporary.write_text(text + ' ',", "tables"),
}


@pytest.mark.parametrize("file", GLUE)
def test_what_lies_between_parameters_and_results_counts(project, before, file):
    old, new, kind = GLUE[file]
    edit(project / "pipeline_src" / file, old, new)
    assert changed(project, before, kind) == {kind}


def test_a_new_method_and_a_changed_one_leave_the_others(project, before):
    methods = project / "pipeline_src/training/methods"
    (methods / "new.py").write_text((methods / "baseline.py").read_text().replace("Baseline", "New"))
    (methods / "slp.py").write_text((methods / "slp.py").read_text() + "\nMORE = 1\n")
    assert changed(project, before) == set()
