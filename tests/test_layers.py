"""The rooms of the package, who may import whom, that no module imports itself by way of others, how long one is."""

from __future__ import annotations

import ast
import re
from collections.abc import Set
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from project import ROOT

PACKAGE = ROOT / "pipeline_src"
GROUND = {
    *("errors", "files", "validation", "rng", "python_source", "text_tables"),
    *("labels", "versions", "processes", "logs", "verified", "outputs"),
}
NUMBERS = {"counting", "metrics", "analysis"}
NETWORKS = {"params", "data", "calibrators", "training", "prediction"}
SHOWN = {"tables", "claims", "figures", "report"}
ALLOWED = {  # room -> rooms below it; every room may use the ground and itself
    "counting": set(),
    "metrics": {"counting"},
    "analysis": {"counting", "metrics"},
    "calibrators": {"counting"},
    "params": set(),
    "data": {"params"},
    "training": {"counting", "params", "data", "calibrators"},
    "prediction": {"counting", "params", "data", "training"},
    "export": NUMBERS | NETWORKS,
    "tables": NUMBERS,
    "claims": NUMBERS,
    "figures": NUMBERS | {"data", "prediction"},  # figures that show images
    "maps": NUMBERS | {"data", "calibrators", "figures"},
    "report": NUMBERS | {"tables", "figures", "claims"},
    "pipeline": NUMBERS | NETWORKS | SHOWN,
    "publishing": NUMBERS | SHOWN | {"params", "data", "pipeline"},
    "deployment": NUMBERS | NETWORKS | {"export", "pipeline"},
}
ALLOWED["cli"] = set(ALLOWED)
ALLOWED["api"] = NUMBERS | {"figures", "training"}


def modules() -> dict[str, Path]:
    """All modules of the package by dotted name."""
    files = {path.relative_to(ROOT).with_suffix(""): path for path in PACKAGE.rglob("*.py")}
    return {".".join(name.parts).removesuffix(".__init__"): path for name, path in files.items()}


def imports(path: Path, known: Set[str]) -> set[str]:
    """The modules of the package that a file names in its imports, wherever they stand in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports hide where a module lies"
            # What is taken from a package is a module of it, or else stands in its __init__.
            both = {f"{node.module}.{alias.name}" for alias in node.names} & known
            names.update(both if len(both) == len(node.names) else both | {node.module})
    return names & known


def room(module: str) -> str:
    steps = module.split(".")
    return steps[1] if len(steps) > 1 else ""


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """Module -> the modules that it imports."""
    files = modules()
    return {name: imports(path, files.keys()) for name, path in files.items()}


def test_every_room_is_known(graph):
    assert {room(name) for name in graph} == ALLOWED.keys() | GROUND | {"", "__main__"}


@pytest.mark.parametrize("upper", sorted({*ALLOWED, *GROUND}))
def test_imports_go_downward(graph, upper: str):
    allowed = GROUND | {upper, ""} | ALLOWED.get(upper, set())
    upward = {
        f"{name} -> {other}"
        for name in graph
        if room(name) == upper
        for other in graph[name]
        if room(other) not in allowed
    }
    assert not upward


def test_no_circles(graph):
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError


def test_no_two_classes_have_one_name():
    where: dict[str, list[str]] = {}
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                where.setdefault(node.name, []).append(name)
    assert not {name: places for name, places in where.items() if len(places) > 1}


def test_no_module_is_longer_than_350_lines():
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()}
    assert not {name: number for name, number in lines.items() if number > 350}


def test_the_paths_of_the_architecture_page_exist():
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").partition("## Four paths")[2]
    files = re.findall(r"^- `(.+)`$", page, re.MULTILINE)
    assert len(files) >= 20 and not [file for file in files if not (ROOT / file).is_file()]
