"""Files that catalogues and builders of containers read."""

from __future__ import annotations

import re

import yaml
from project import ROOT

DOCKER = (ROOT / "containers/Dockerfile").read_text(encoding="utf-8")
APPTAINER = (ROOT / "containers/apptainer.def").read_text(encoding="utf-8")
CATALOGUE = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))


def test_the_conditions_of_the_workflow_catalogue():
    """A readme that names Snakemake and a workflow, workflow/Snakefile, config/README.md, and a file of its own."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in readme and "workflow" in readme
    assert (ROOT / "workflow/Snakefile").is_file() and "params.yaml" in (ROOT / "config/README.md").read_text()
    usage = CATALOGUE["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment", "report"}
    assert usage["mandatory-flags"].keys() == {"desc", "flags"}


def test_the_catalogue_promises_what_the_rules_have():
    files = [ROOT / "workflow/Snakefile", *(ROOT / "workflow/rules").glob("*")]
    rules = "".join(
        file.read_text(encoding="utf-8") for file in files if file.suffix == ".smk" or file.stem == "Snakefile"
    )
    usage = CATALOGUE["usage"]
    assert usage["software-stack-deployment"]["conda"] == ("conda:" in rules)
    assert usage["software-stack-deployment"]["apptainer"] == ("container:" in rules)
    assert usage["report"] == bool(re.search(r"^(?!rule )\s*report:", rules, re.MULTILINE))


def test_containers_ci_and_the_error_have_the_software_of_the_readme():
    libraries = re.search(r"libgl1 [a-z0-9. -]+", (ROOT / "README.md").read_text(encoding="utf-8"))
    for file in ("pipeline_src/__main__.py", ".ci/run", ".github/workflows/ci.yml"):
        assert libraries and libraries[0].strip() in (ROOT / file).read_text(encoding="utf-8"), file
    pip = 'python -m pip install --no-cache-dir --editable ".[pipeline]" --constraint constraints.txt'
    images = set()
    for text in (DOCKER, APPTAINER):
        assert libraries and f"--no-install-recommends git {libraries[0].strip()}" in text and pip in text
        images.add(re.search(r"^(?:FROM|From:) (\S+)$", text, re.MULTILINE)[1])
    assert len(images) == 1 and ":latest" not in images.pop()


def test_what_is_copied_exists():
    copied = [line.split()[1:-1] for line in DOCKER.splitlines() if line.startswith("COPY")]
    files = APPTAINER.split("%files\n")[1].split("\n\n")[0].splitlines()
    copied += [[line.split()[0]] for line in files]
    assert len(copied) > 5 and all((ROOT / name).exists() for names in copied for name in names)
    sections = re.findall(r"^%(\w+)$", APPTAINER, re.MULTILINE)
    assert sections == ["help", "files", "post", "runscript"]


def test_codecheck_lists_published_files_that_exist():
    listed = [entry["file"] for entry in yaml.safe_load((ROOT / "codecheck.yml").read_text())["manifest"]]
    assert [name for name in listed if not (ROOT / name).is_file()] == []
    assert {"results/published/overview/differences.json", "results/published/new_seeds/claims.md"} <= {*listed}
