"""The packages: imports go downward only, without cycles; modules are short."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Set
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from project import ROOT

PACKAGE = ROOT / "pipeline_src"
SHARED = {  # modules that every package may import
    *("errors", "files", "validation", "rng", "python_source", "text_tables"),
    *("labels", "processes", "outputs"),
}
NUMBERS = {"counting", "metrics", "analysis"}
NETWORKS = {"params", "data", "calibrators", "training", "prediction"}
SHOWN = {"tables", "claims", "figures", "report"}
ALLOWED = {  # package -> packages that it may import
    "counting": set(),
    "metrics": {"counting"},
    "analysis": {"counting", "metrics"},
    "calibrators": {"counting"},
    "params": set(),
    "data": {"params"},
    "training": {"counting", "params", "data", "calibrators"},
    "prediction": {"counting", "params", "data", "training"},
    "tables": NUMBERS,
    "claims": NUMBERS,
    "figures": NUMBERS,
    "maps": NUMBERS | {"data", "calibrators", "figures"},
    "report": NUMBERS | {"tables", "figures", "claims"},
    "pipeline": NUMBERS | NETWORKS | SHOWN,
    "publishing": NUMBERS | SHOWN | {"params", "data", "pipeline"},
    "export": NUMBERS | NETWORKS | {"pipeline"},
}
ALLOWED["cli"] = set(ALLOWED)
ALLOWED["api"] = NUMBERS | {"figures", "training", "calibrators"}


def modules() -> dict[str, Path]:
    """All modules of the package by dotted name."""
    files = {path.relative_to(ROOT).with_suffix(""): path for path in PACKAGE.rglob("*.py")}
    return {".".join(name.parts).removesuffix(".__init__"): path for name, path in files.items()}


def imports(path: Path, known: Set[str]) -> set[str]:
    """The modules of the package that a file imports, at any place."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports hide where a module lies"
            # A name from a package is a module of it, or is defined in its __init__.
            both = {f"{node.module}.{alias.name}" for alias in node.names} & known
            names.update(both if len(both) == len(node.names) else both | {node.module})
    return names & known


def top(module: str) -> str:
    """The package of a module, below `pipeline_src`."""
    return [*module.split("."), ""][1]


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """Module -> the modules that it imports."""
    files = modules()
    return {name: imports(path, files.keys()) for name, path in files.items()}


def test_every_package_is_known(graph):
    assert {top(name) for name in graph} == ALLOWED.keys() | SHARED | {"", "__main__"}


@pytest.mark.parametrize("package", sorted({*ALLOWED, *SHARED}))
def test_imports_go_downward(graph, package):
    allowed = SHARED | {package, ""} | ALLOWED.get(package, set())
    arrows = [(name, other) for name in graph if top(name) == package for other in graph[name]]
    assert [arrow for arrow in arrows if top(arrow[1]) not in allowed] == []


def test_imports_have_no_cycles(graph):
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError


@pytest.mark.parametrize(
    ("names", "slow"),
    [
        ("counting.storage, analysis.analyse", {"numba"}),  # until something is counted
        ("data.sources", {"numpy", "cv2", "torch", "pandas"}),  # at every start
        (  # whenever Snakemake asks for the names of files
            "figures.registry, tables.registry, tables.several_experiments",
            {"matplotlib", "pandas", "scipy", "torch", "cv2"},
        ),
    ],
)
def test_a_start_imports_nothing_slow(names, slow):
    imported = ", ".join(f"pipeline_src.{name}" for name in names.split(", "))
    code = f"import sys, {imported}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert f"pipeline_src.{names.split(', ')[0]}" in loaded and not slow & loaded


def test_modules_are_short():
    """Syntax-tree nodes, unlike lines, do not reward dense writing."""
    sizes = {}
    for name, path in modules().items():
        sizes[name] = len(list(ast.walk(ast.parse(path.read_text(encoding="utf-8")))))
    assert {name: size for name, size in sizes.items() if size > 4_100} == {}


@pytest.mark.parametrize("file", sorted((ROOT / "benchmarks").rglob("*.py")), ids=lambda file: file.stem)
def test_benchmarks_use_what_the_package_has(file):
    tree, own = ast.parse(file.read_text()), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipeline_src"):
            module = import_module(node.module)
            for name in node.names:
                known = hasattr(module, name.name)
                found = getattr(module, name.name) if known else import_module(f"{node.module}.{name.name}")
                own[name.asname or name.name] = found
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(found := own.get(ast.unparse(node.value)), ModuleType):
            assert hasattr(found, node.attr), ast.unparse(node)
