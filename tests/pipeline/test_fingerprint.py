"""What a fingerprint covers, and what it leaves out."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from project import ROOT, forget_code

from pipeline_src.errors import UserError
from pipeline_src.params.load import read
from pipeline_src.pipeline import experiment, fingerprint
from pipeline_src.pipeline.fingerprint import as_json, code_digests
from pipeline_src.pipeline.graph import build
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.steps import data, networks, numbers, report
from pipeline_src.training import registry
from pipeline_src.training.methods import baseline, brier, slp
from pipeline_src.training.registry import calibrated_method


@pytest.fixture(scope="module")
def copied(tmp_path_factory) -> Path:
    """A copy of the package, whose digests are kept from test to test."""
    folder = tmp_path_factory.mktemp("copied")
    return shutil.copytree(ROOT / "pipeline_src", folder / "pipeline_src")


@pytest.fixture
def package(copied, monkeypatch) -> Path:
    """A copy of the package whose files are the code that counts. Tests restore what they edit."""
    monkeypatch.chdir(copied.parent)
    monkeypatch.setattr(fingerprint, "ROOT", copied)
    forget_code()
    yield copied
    forget_code()


KINDS = {
    "prepare": data.prepare_dataset,
    "store": data.store_images,
    "train": networks.train_network,
    "evaluate": numbers.evaluate_run,
    "analyse": numbers.analyse_split,
    "tables": report.write_table_files,
    "figures": report.draw_figures,
    "claims": report.judge_claims,
}


def digests() -> dict[str, dict[str, str]]:
    """The code of each kind of job, of a training with the baseline."""
    forget_code()
    methods = {"train": (baseline.Baseline(),)}
    return {kind: code_digests(function, methods.get(kind, ())) for kind, function in KINDS.items()}


def changed(before: dict[str, dict[str, str]]) -> set[str]:
    return {kind for kind, code in digests().items() if code != before[kind]}


SHOWN = {"tables", "figures", "claims"}
# The kinds of jobs that an edit makes run again.
EDITS = [
    ("training/loop.py", '"""One training run', '"""A training run', set()),
    (
        "training/loop.py",
        "from __future__ import annotations\n",
        "# a comment\nfrom __future__ import annotations\n",
        set(),
    ),
    ("pipeline/training_faults.py", "LARGE_LOSS = 1e3", "LARGE_LOSS = 1e4", set()),
    ("pipeline/steps/data.py", '"%s and %s hold %d byte-identical images: %s"', '"%s %s %d %s"', set()),
    ("training/models/build.py", "but the weights can't be loaded", "and no weights are there", set()),
    ("training/method.py", "0: the last weights.", "0: those of the last step.", set()),
    ("data/manifest.py", "has too few samples", "is too short", set()),
    (
        "data/manifest.py",
        "= size - split.last if",
        "= size - split.last - 1 if",
        {"prepare", "store", "train", "evaluate", "analyse"},
    ),
    ("errors.py", "most: int = 20", "most: int = 30", set()),
    ("params/schema.py", "ge=32", "ge=31", set()),
    ("training/methods/slp.py", "\n\n\nclass", "\n\nMORE = 1\n\n\nclass", set()),
    ("training/batches.py", "cv2.INTER_LINEAR", "cv2.INTER_NEAREST", {"train", "evaluate"}),
    ("metrics/estimators.py", "\n\n\ndef", "\n\nMORE = 1\n\n\ndef", {"analyse", *SHOWN}),
    ("tables/write.py", "\n\n\ndef", "\n\nMORE = 1\n\n\ndef", {"tables"}),
    ("pipeline/steps/data.py", 'size=job.parameters["size"]', 'size=2 * job.parameters["size"]', {"store"}),
    ("pipeline/steps/report.py", "draw(job_results(job), run_folders(job)", "draw(job_results(job), {}", {"figures"}),
]


@pytest.mark.parametrize(
    ("file", "old", "new", "kinds"), EDITS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_an_edit_of_the_package_concerns_these_jobs(package, file, old, new, kinds):
    before = digests()
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new, 1))
    try:
        assert changed(before) == kinds
    finally:
        (package / file).write_text(text)


@pytest.mark.parametrize(
    ("old", "new", "kinds"),
    [
        ('"""Baseline:', '"""The baseline:', {"report"}),
        ("Idea: ", "Idea: Perhaps: ", {"report"}),
        ("Formula: ", "Formula: perhaps ", set()),
    ],
)
def test_a_docstring_that_the_report_prints_concerns_the_report(package, monkeypatch, old, new, kinds):
    monkeypatch.setattr(registry, "ROOT", package)

    def jobs() -> dict[str, Job]:
        forget_code()
        return build(read(ROOT / "params.yaml"), "tiny").jobs

    before = {name: job.fingerprint for name, job in jobs().items()}
    file = package / "training/methods/baseline.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    try:
        assert {job.kind for name, job in jobs().items() if job.fingerprint != before[name]} == kinds
    finally:
        file.write_text(text)


def test_a_training_has_no_batch_size_of_evaluations():
    content = read(ROOT / "params.yaml")
    defaults = content.defaults | {"evaluation": {"batch_size": 3, "bins": 10}}
    jobs = [build(params, "tiny").jobs for params in (content, content.model_copy(update={"defaults": defaults}))]
    changed_kinds = {jobs[0][name].kind for name in jobs[0] if jobs[0][name].fingerprint != jobs[1][name].fingerprint}
    assert "evaluate" in changed_kinds and "train" not in changed_kinds
    assert "batch_size" not in jobs[0]["train/baseline/seed0"].parameters


def test_weighted_f_concerns_evaluations_only():
    content = read(ROOT / "params.yaml")
    defaults = content.defaults | {"evaluation": {"weighted_f": True}}
    jobs = [build(params, "tiny").jobs for params in (content, content.model_copy(update={"defaults": defaults}))]
    plain, asked = ([job for job in by_name.values() if job.kind in ("train", "evaluate")] for by_name in jobs)
    differing = {a.kind for a, b in zip(plain, asked, strict=True) if a.fingerprint != b.fingerprint}
    assert differing == {"evaluate"}


OUTSIDE = {  # a config of a network outside the package, and what it takes its values from
    "mine.py": "_base_ = ['wide.py', './conf/a.yaml']\nfrom sizes import DEPTH\n"
    "model = dict(stages=1, depth=DEPTH, init_cfg=dict(checkpoint='{{ fileDirname }}/start.pth'))\n",
    "wide.py": "model = dict(width='{{$WIDTH:8}}', preprocessor=dict(file='norm.pth'))\n",
    "conf/a.yaml": "_base_: ./b.yaml\n",
    "conf/b.yaml": "data_preprocessor: {mean: 0}\n",
    "sizes.py": "DEPTH = 1\n",
    "start.pth": "1",
    "norm.pth": "1",
}


def outside(folder: Path) -> dict[str, Job]:
    """The jobs of `tiny` with the network mine.py in a folder."""
    content = read(ROOT / "params.yaml")
    content.experiments["tiny"] |= {"model": {"config": str(folder / "mine")}, "methods": ["baseline", "temperature"]}
    return build(content, "tiny").jobs


def test_what_a_network_takes_from_outside_the_package_counts(tmp_path, monkeypatch):
    """Its config, base configs in Python and YAML, weights by their bytes wherever they are, variables, imports."""
    monkeypatch.setattr(experiment, "packages_distributions", lambda: {"sizes": ["an installed one"]})
    seen = []
    for place in ("a", "b", *OUTSIDE, "WIDTH"):
        folder = tmp_path / place.replace("/", "-")
        for file, text in OUTSIDE.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(re.sub("[018]", "3", text) if file == place else text)
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, "sizes", raising=False)
        if place == "WIDTH":
            monkeypatch.setenv("WIDTH", "9")
        seen.append({job.name: job.ingredients["parameters"] for job in outside(folder).values()})
    assert seen[0] == seen[1]  # folders are in no fingerprint
    for place, now in zip([*OUTSIDE, "WIDTH"], seen[2:], strict=True):
        kinds = {name.split("/")[0] for name in now if now[name] != seen[0][name]}
        assert kinds == ({"train", "fit", "evaluate"} if place != "conf/a.yaml" else set()), place


COMPOSED = ["root + 'start.pth'", "f'{root}start.pth'", "'%sstart.pth' % root", "'{}start.pth'.format(root)"]


@pytest.mark.parametrize("path", [*COMPOSED, "''.join([root, 'start.pth'])"])
def test_weights_whose_path_a_config_of_the_package_composes_count(tmp_path, monkeypatch, path):
    monkeypatch.setattr(experiment, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(f"root = './'\nmodel = dict(init_cfg=dict(checkpoint={path}))\n")
    seen = []
    for content in ("1", "2"):
        Path("start.pth").write_text(content)
        jobs = outside(tmp_path).values()
        seen.append([job.ingredients["parameters"] for job in jobs if job.kind in ("train", "evaluate")])
    assert seen[0] != seen[1]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("_base_ = 'a.yaml'", r"mine\.py(.|\n)*a\.yaml"),
        ("custom_imports = dict(imports=['own_head'])", "own_head"),
        ("custom_imports = dict(imports=['pipeline_src.labels', 'own.head'])", r"own\.head"),
        ("_base_ = []\nimport sizes", "sizes"),
        ("_base_ = []\nimport absent", "absent"),
    ],
)
def test_a_network_that_cannot_be_followed_is_refused(tmp_path, monkeypatch, text, named):
    """Wherever the config lies: a user can put it into the package."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("sizes.py").write_text("")
    Path("mine.py").write_text(text)
    for root in (experiment.ROOT, tmp_path):
        monkeypatch.setattr(experiment, "ROOT", root)
        with pytest.raises(UserError, match=named):
            outside(tmp_path)


def test_training_and_evaluation_reach_no_metric_and_nothing_that_is_shown():
    for function in (networks.train_network, numbers.evaluate_run):
        packages = {name.split("/")[1] for name in code_digests(function, ()) if name.startswith("pipeline_src/")}
        assert "training" in packages and "counting" in packages
        assert not packages & {"metrics", "analysis", "tables", "figures", "claims", "report", "cli", "publishing"}


def test_numbers_of_counts_do_not_depend_on_how_pixels_are_counted():
    """A change of the compiled pass makes no analysis and no table anew."""
    counting = {f"pipeline_src/counting/{name}.py" for name in ("accumulate", "kernels", "sample", "whole_maps")}
    for function in (numbers.analyse_split, report.write_table_files):
        assert not counting & code_digests(function, ()).keys()
    assert counting <= code_digests(numbers.evaluate_run, ()).keys()


def test_a_module_of_steps_counts_whole_if_it_is_imported_whole():
    files = {"numbers", "networks", "data"}
    found = fingerprint._code_digests(("pipeline_src.pipeline.steps.numbers.evaluate_run",))
    assert not {f"pipeline_src/pipeline/steps/{name}.py" for name in files} & found.keys()
    whole = fingerprint._code_digests(("pipeline_src.pipeline.steps.networks",))
    assert "pipeline_src/pipeline/steps/networks.py" in whole
    assert "pipeline_src/pipeline/steps/data.py:report_overlap" in whole


def test_the_class_of_a_method_counts_and_no_other_method():
    first, second = (code_digests(networks.train_network, (method(),)) for method in (baseline.Baseline, brier.Brier))
    assert set(first) ^ set(second) == {f"pipeline_src/training/methods/{name}.py" for name in ("baseline", "brier")}
    calibrated = code_digests(numbers.evaluate_run, (calibrated_method("platt")(),))
    assert {"platt.py"} == {
        name.split("/")[-1] for name in calibrated if "calibrators/platt" in name or "/beta" in name
    }


def test_digests_are_kept_between_processes_and_renewed(package):
    before = digests()
    assert fingerprint.CACHE.is_file()
    fingerprint._known_code.cache_clear()  # as in another process
    assert digests() == before
    fingerprint.CACHE.write_text("[damaged")
    fingerprint._known_code.cache_clear()
    assert digests() == before


@dataclass
class Point:
    y: int
    x: int


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Point(1, 2), {"x": 2, "y": 1}),
        ({1: (True, None, 0.5)}, {"1": [True, None, 0.5]}),
        (Path("a/b"), "a/b"),
        (slp.SLP(alpha=0.1), {"alpha": 0.1, "beta": 1.0, "noise": 0.0}),
    ],
)
def test_parameters_in_jsons_types(value, expected):
    found = as_json(value)
    assert found == expected or {key: found[key] for key in expected} == expected


def test_methods_with_equal_parameters_differ():
    names = ("temperature", "platt", "beta", "isotonic")
    assert len({str(as_json(calibrated_method(name)())) for name in names}) == len(names)


def test_a_parameter_without_a_stable_text_is_refused():
    with pytest.raises(UserError, match="object"):
        as_json({"a": object()})
