"""Every module of the package is changed in turn: exactly the jobs that reach it get another fingerprint."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from project import ROOT, forget_code

from pipeline_src.errors import UserError
from pipeline_src.params.load import read
from pipeline_src.params.schema import Params
from pipeline_src.pipeline import fingerprint
from pipeline_src.pipeline.fingerprint import COMPUTING, NEUTRAL, NEUTRAL_PACKAGES, code_digests
from pipeline_src.pipeline.graph import build
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.steps.overview import overview_job
from pipeline_src.training.models.config import model_names

pytestmark = pytest.mark.slow
SHOWN = {"analysis.facts", "analysis.results"}
SYNTHETIC = {"data.synthetic.scenes"}
PREDICTOR = {"data.store", "prediction.predict"}
ROOTS = {  # kind of job -> the modules that its function imports
    "prepare": {"data.prepare", "files"},
    "store": {"data.build"},
    "train": {"data.store", "data.manifest", "training.loop"},
    "fit": PREDICTOR | {"files"},
    "evaluate": PREDICTOR | {"data.manifest", "prediction.evaluate", "counting.storage"},
    "analyse": {"analysis.analyse", "data.groups"},
    "tables": SHOWN | {"tables.write"},
    "figures": SHOWN | {"figures.registry"},
    "gallery": SHOWN | PREDICTOR | {"figures.gallery", "figures.style"},
    "claims": SHOWN | {"claims.write"},
    "report": SHOWN | {"report.page", "data.store"},
    "overview": {"analysis.facts", "claims", "claims.write", "tables.several_experiments"},
}
SHOWN_KINDS = {"tables", "figures", "gallery", "claims", "report"}
FUNCTIONS = {  # function of a module of `steps` that works for a job -> the kinds of jobs that use it
    "data": {"prepare_dataset": {"prepare"}, "store_images": {"store"}, "report_overlap": {"train", "evaluate"}},
    "networks": {
        "train_network": {"train"},
        "fit_method": {"fit"},
        "settings": {"train", "fit", "evaluate", "gallery"},
        "load_networks": {"fit", "evaluate", "gallery"},
        "load_predictor": {"evaluate", "gallery"},
    },
    "numbers": {"counts_file": {"evaluate"}, "evaluate_run": {"evaluate"}, "analyse_split": {"analyse"}},
    "report": {
        "job_results": SHOWN_KINDS,
        "run_cost": SHOWN_KINDS,
        "run_folders": {"figures", "claims"},
        "write_table_files": {"tables"},
        "draw_figures": {"figures"},
        "judge_claims": {"claims"},
        "draw_gallery": {"gallery"},
        "_shown_images": {"gallery"},
        "write_page": {"report"},
        "provenance": {"report"},
        "_with_inputs": {"report"},
        "split_facts": {"report"},
    },
    "overview": {"write_overview": {"overview"}, "_check_intact": {"overview"}},
}
FORMS = (  # of an import in a module of a package
    "from {package}.changed0 import CHANGED as CHANGED0",
    "from {package} import changed1",
    "from .changed2 import CHANGED as CHANGED2",
    "from . import changed3",
    "import {package}.changed4 as changed4",
    "def function5():\n    from .changed5 import CHANGED",
)


def all_jobs() -> dict[str, Job]:
    """Jobs with every method, and with every model."""
    params = read(ROOT / "params.yaml")
    content = params.model_dump()
    tiny = content["experiments"]["tiny"]
    content["experiments"]["tiny"] = tiny | {"methods": list(content["methods"]), "seeds": [0, 1]}
    for model in model_names():
        content["experiments"][model] = tiny | {"model": {"config": model}, "methods": ["baseline"]}
    params = Params(**content)
    jobs = {"overview": overview_job(params)}
    for experiment in ("tiny", *model_names()):
        jobs |= {f"{experiment}: {name}": job for name, job in build(params, experiment).jobs.items()}
    return jobs


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Iterator[Path]:
    """A copy of the package whose files are the code that counts."""
    folder = tmp_path_factory.mktemp("every")
    copied = shutil.copytree(ROOT / "pipeline_src", folder / "pipeline_src")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(fingerprint, "ROOT", copied)
        yield copied
    forget_code()


@pytest.fixture(scope="module")
def jobs(package) -> dict[str, Job]:
    return all_jobs()


def digests(jobs: Mapping[str, Job]) -> dict[str, dict[str, str]]:
    forget_code()
    return {
        name: code_digests(job.work, {"parameters": job.parameters, "options": job.options}, job.modules)
        for name, job in jobs.items()
    }


@contextmanager
def edited(file: Path, text: str) -> Iterator[None]:
    """Let a file have another text for a while."""
    before = file.read_text()
    file.write_text(text)
    try:
        yield
    finally:
        file.write_text(before)


def modules() -> dict[str, Path]:
    """The files of the package by dotted name below it; "" for the package."""
    found = {}
    for path in sorted((ROOT / "pipeline_src").rglob("*.py")):
        parts = path.relative_to(ROOT / "pipeline_src").with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: Mapping[str, Path]) -> set[str]:
    """The modules that a file imports when it is run, with the packages above them."""
    found = set()
    queue: list[ast.AST] = [ast.parse(path.read_text())]
    while queue:
        node = queue.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            queue += node.orelse
            continue
        queue += ast.iter_child_nodes(node)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("pipeline_src"):
            for alias in node.names:
                parts = [*node.module.split("."), alias.name][1:]
                found |= {".".join(parts[:end]) for end in range(len(parts) + 1)}
    return found & known.keys()


def is_neutral(module: str) -> bool:
    return module in NEUTRAL or module.partition(".")[0] in NEUTRAL_PACKAGES


def reached(roots: set[str], graph: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    queue = [".".join(root.split(".")[:end]) for root in roots for end in range(root.count(".") + 2)]
    while queue:
        module = queue.pop()
        if module not in found and not is_neutral(module):
            found.add(module)
            queue += graph[module]
    return found | {""}


@pytest.fixture(scope="module")
def expected(jobs) -> dict[str, set[str]]:
    """The names of the jobs that reach each module, by the imports that stand in the files."""
    known = modules()
    graph = {name: imported(path, known) for name, path in known.items()}
    found: dict[str, set[str]] = {name: set() for name in known}
    for name, job in jobs.items():
        roots = ROOTS[job.kind] | {module.removeprefix("pipeline_src.") for module in job.modules}
        if method := job.parameters.get("method"):
            roots |= {type(method).__module__.removeprefix("pipeline_src."), "training.method"}
        for module in reached(roots, graph):
            found[module].add(name)
    assert sum(bool(names) for names in found.values()) > 120
    return found


def changed(before: dict[str, dict[str, str]], jobs: Mapping[str, Job]) -> set[str]:
    return {name for name, code in digests(jobs).items() if code != before[name]}


@pytest.mark.parametrize("module", modules())
def test_a_change_of_a_module_concerns_the_jobs_that_reach_it(package, jobs, expected, module):
    file = package / modules()[module].relative_to(ROOT / "pipeline_src")
    before = digests(jobs)
    with edited(file, file.read_text() + "\nCHANGED = 1\n"):
        assert changed(before, jobs) == expected[module]
    parts = ".".join(["pipeline_src", *file.relative_to(package).parts[:-1]])
    siblings = [file.with_name(f"changed{number}.py") for number in range(len(FORMS))]
    for sibling in siblings:
        sibling.write_text("CHANGED = 1\n")
    statements = "\n".join(form.format(package=parts) for form in FORMS)
    with edited(file, f"{file.read_text()}\n{statements}\n"):
        before = digests(jobs)
        for sibling in siblings:
            with edited(sibling, "CHANGED = 2\n"):
                assert changed(before, jobs) == expected[module], sibling.stem
    for sibling in siblings[1:]:
        sibling.unlink()
    above, _, package_name = parts.rpartition(".")
    if above:
        with edited(file, f"{file.read_text()}\nfrom {above} import {package_name} as whole\n"):
            before = digests(jobs)
            with edited(siblings[0], "CHANGED = 2\n"):
                assert changed(before, jobs) == expected[module]
    siblings[0].unlink()
    place = f"pipeline_src/{file.relative_to(package).as_posix()}, line {file.read_text().count(chr(10)) + 3}:"
    with edited(file, f"{file.read_text()}\n\nloaded = __import__('pipeline_src.files')\n"):
        if expected[module] and file.relative_to(package).as_posix() not in COMPUTING:
            with pytest.raises(UserError, match=place):
                digests(jobs)
        else:
            digests(jobs)


@pytest.mark.parametrize("module", FUNCTIONS)
def test_a_change_of_a_function_concerns_the_jobs_that_use_it(package, jobs, module):
    file = package / f"pipeline/steps/{module}.py"
    text = file.read_text()
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    before = digests(jobs)
    for function in functions:
        lines = text.splitlines(keepends=True)
        lines.insert(function.body[-1].lineno - 1, "    CHANGED = 1\n")
        with edited(file, "".join(lines)):
            kinds = {jobs[job].kind for job in changed(before, jobs)}
            assert kinds == FUNCTIONS[module].get(function.name, set()), function.name
    assert {function.name for function in functions} >= FUNCTIONS[module].keys()
