"""What the documentation shows runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

from pipeline_src.data import catalog
from pipeline_src.data.part_checks import check_parts
from pipeline_src.params.schema import Data


def blocks(file: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", Path(file).read_text(encoding="utf-8"), re.DOTALL)


def test_the_data_entries_of_the_tutorial_are_valid():
    shown = [yaml.safe_load(text) for text in blocks("docs/data.md", "yaml")]
    for entries in (block["datasets"] for block in shown if "datasets" in block):
        assert set(entries) <= set(catalog.load(entries))
    data = Data(**next(block["data"] for block in shown if "data" in block))
    entries = catalog.load(shown[1]["datasets"])
    tests = {name: (part, role) for role in ("id", "ood") for name, part in getattr(data, role).items()}
    check_parts(entries, {"train": (data.train, "train"), "val": (data.val, "val"), **tests})


def test_links_between_our_pages_lead_somewhere():
    for page in (Path("README.md"), Path("CONTRIBUTING.md"), *Path("docs").rglob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_the_two_commands_start_from_the_systems_python():
    start = Path("README.md").read_text(encoding="utf-8").split("\n## Start\n")[1].split("\n## ")[0]
    run, check = (text.strip().split(" && ") for text in re.findall(r"```sh\n(.*?)```", start, re.DOTALL))
    assert run[:3] == ["python3 -m venv .venv", ". .venv/bin/activate", 'python -m pip install -e ".[pipeline]"']
    assert check[0] == run[1] and check[-1] == "pytest"
    libraries = re.search(r"apt-get install (?:\S+ )*?(libgl1 [^`]*)`", start)[1]
    for file in ("pipeline_src/__main__.py", ".ci/run", ".github/workflows/ci.yml"):
        assert libraries in Path(file).read_text(encoding="utf-8"), file


def test_the_rules_software_is_the_packages():
    listed = yaml.safe_load(Path("pipeline_src/workflow/envs/pipeline.yaml").read_text(encoding="utf-8"))[
        "dependencies"
    ][-1]["pip"]
    with open("pyproject.toml", "rb") as project:
        assert listed == tomllib.load(project)["project"]["dependencies"]
