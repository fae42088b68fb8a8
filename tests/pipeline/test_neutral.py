"""Neutral modules are in no fingerprint: what jobs call of them changes no result, or its value is in a parameter."""

from __future__ import annotations

import ast

import pytest
from project import ROOT

from pipeline_src.data.sources import GENERATOR
from pipeline_src.pipeline import syntax
from pipeline_src.pipeline.fingerprint import NEUTRAL, NEUTRAL_PACKAGES, _is_neutral, _places, code_digests
from pipeline_src.pipeline.steps import data, networks, numbers, overview, report
from pipeline_src.python_source import PACKAGE, syntax_tree
from pipeline_src.training.models.config import model_modules, model_names
from pipeline_src.training.registry import method_class, method_names

WORK = [
    data.prepare_dataset,
    data.store_images,
    networks.train_network,
    networks.fit_method,
    numbers.evaluate_run,
    numbers.analyse_split,
    report.write_table_files,
    report.draw_figures,
    report.judge_claims,
    report.write_page,
    overview.write_overview,
]
MESSAGE = "only in a message"
OTHER = "of an object of another class"
# Function, method or constant of a neutral module that the code of jobs names -> the parameter that holds its value.
VALUES = {
    "errors.check_name": "none: it raises an error, or nothing happens",
    "errors.did_you_mean": MESSAGE,
    "errors.few": MESSAGE,
    "errors.listed": MESSAGE,
    "processes.alone": "none: a lock",
    "python_source.PACKAGE": "`model_modules`, which are in the job's modules",
    "python_source.ROOT": "none: the folder of the code",
    "python_source.commit": "none: the report states the commit at which it was written",
    "python_source.installed": "none: the report states the versions with which it was written",
    "python_source.registered_class": "`method`, whose class has the module and the name of the calibrator's class",
    "python_source.syntax_tree": "`model_modules`, which are in the job's modules",
    "validation.Count": "`method`, whose values it limits",
    "validation.Fraction": "`method`, whose values it limits",
    "validation.Name": "`method`, whose values it limits",
    "data.entry.GROUPS_FILE": "`groups` of prepare and analyse",
    "data.entry.Entry.draws_groups": "`groups` of prepare, which is absent if no groups are drawn",
    "data.entry.Entry.layout": "`data.layout` of prepare",
    "data.entry.MAX_PIXELS": "none: it raises an error, or nothing happens",
    "data.entry.Entry.splits_of": "`data.splits` of prepare",
    "data.entry.Source.description": MESSAGE,
    "data.entry.Source.label": MESSAGE,
    "data.entry.Split.parents": OTHER,
    "params.schema.ALL": "`part.split` of store",
    "pipeline.fingerprint.digest": "none: a change of it changes all fingerprints",
    "pipeline.job.Job.faults": OTHER,
    "pipeline.job.Job.file_fingerprints": "none: the fingerprints themselves",
    "pipeline.job.Job.fingerprint": "none: the fingerprint itself",
    "pipeline.job.Job.folder": "none: the place of a result",
    "pipeline.job.Job.key": "none: the place of a result",
    "pipeline.job.Job.manifest": "none: the report states the versions of its inputs",
    "pipeline.job.Job.paths": "none: the place of a result",
    "pipeline.job.Job.scratch": "none: the place of unfinished files",
    "pipeline.job.linked": "none: the place of a result",
    "pipeline.job.other_versions": "none: the report states the versions of its inputs",
    "pipeline.manifest.Manifest.faults": "none: it raises an error, or nothing happens",
    "pipeline.manifest.Manifest.file_seconds": "none: the report states what its inputs took",
    "pipeline.manifest.Manifest.kept_records": "none: the report states the reasons of `keep`",
    "pipeline.manifest.Manifest.read": "none: it raises an error, or nothing happens",
    "pipeline.manifest.Manifest.write": OTHER,
    "pipeline.manifest.now": "none: the report states when it was written",
    "pipeline.training_faults.warn_of_accuracy": "none: a line in the log",
    "training.progress.Progress.close": "none: files of trackers",
    "training.progress.Progress.end": "none: a line in the log, and files of trackers",
    "training.progress.Progress.step": "none: a line in the log",
}
UNSEEN = ("Graph", "ExperimentGraph")  # classes of which no job sees an object


def tree(name: str) -> ast.Module:
    """The code of a file or of a function, as a fingerprint counts it."""
    file, _, function = name.partition(":")
    found = syntax.Remover(file.split("/")[:-1]).visit(syntax_tree(ROOT / file))
    return syntax.definition(found, function) if function else found


@pytest.fixture(scope="module")
def job_code() -> list[ast.Module]:
    """The code of all jobs with all methods and models."""
    methods = [method_class(name).model_construct() for name in method_names()]
    modules = [GENERATOR, *(module for name in model_names() for module in model_modules(name))]
    names = {name for function in WORK for name in code_digests(function, methods, modules)}
    assert len(names) > 100
    return [tree(name) for name in sorted(names)]


def module_of(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_every_value_of_a_neutral_module_that_a_job_uses_is_in_a_parameter(job_code):
    files = [path.relative_to(ROOT / PACKAGE).as_posix() for path in (ROOT / PACKAGE).rglob("*.py")]
    neutral = {module_of(file): syntax_tree(ROOT / PACKAGE / file) for file in files if _is_neutral(file)}
    assert neutral.keys() >= {*NEUTRAL, *NEUTRAL_PACKAGES}
    classes = [
        (module, node) for module, content in neutral.items() for node in content.body if isinstance(node, ast.ClassDef)
    ]
    class_names = {f"{module}.{node.name}" for module, node in classes}
    methods: dict[str, list[str]] = {}
    for module, node in classes:
        for function in node.body:
            if isinstance(function, ast.FunctionDef) and not (node.name in UNSEEN or function.name == "__init__"):
                methods.setdefault(function.name, []).append(f"{module}.{node.name}.{function.name}")
    used = set()
    for code in job_code:
        nodes = list(ast.walk(code))
        modules = {}  # names of neutral modules in the file
        for node in nodes:
            if isinstance(node, ast.alias) and node.name.startswith(f"{PACKAGE}."):
                module = module_of(_places(node.name)[-1])
                name = node.name.removeprefix(f"{PACKAGE}.")
                if name == module:
                    modules[node.asname] = module
                elif module in neutral:
                    used.add(name)
        for node in nodes:
            if isinstance(node, ast.Attribute):
                module = modules.get(getattr(node.value, "id", ""), "")
                used.update({f"{module}.{node.attr}"} if module in neutral else methods.get(node.attr, []))
    assert used - class_names == VALUES.keys()
