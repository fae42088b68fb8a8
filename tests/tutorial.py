"""Pages followed as their readers follow them, block by block, in a project of their own.

    yaml     is merged into params.yaml
    python   is written to the file that its first line names (`# my_net.py`), or run if that names none
    diff     is a change of the file that its first line names
    sh       is called, a line at a time
    text     shows what the block before it printed

Other languages, and a fence with a further word (```sh skip), are only shown. A comment `<!-- picture: FILE -->` above
an image names the file that it is a copy of. `python tests/tutorial.py` follows all pages and writes outputs and
pictures into them.
"""

from __future__ import annotations

import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from project import ROOT, call, copy, edit

from pipeline_src.params.load import merge

PAGES = (
    "docs/getting-started.md",
    "docs/tutorials/saved-maps.md",
    "docs/tutorials/classes.md",
    "docs/tutorials/own-experiment.md",
    "docs/tutorials/network.md",
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
PICTURE = re.compile(r"<!-- picture: (\S+) -->\n\n!\[[^\]]*\]\(([^)]+)\)")


def follow(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Follow `page` in `folder`, which becomes the working folder.

    Returns:
        The text of the page with the output of this run. All that the page tells to do must succeed.
    """
    copy(folder)
    shutil.copytree(ROOT / "results/network", folder / "results/network")
    printed = ""

    def followed(block: re.Match[str]) -> str:
        nonlocal printed
        if block[1] == "text":
            return f"```text\n{printed.strip()}\n```"
        if block[1] in ACTIONS:
            printed = ACTIONS[block[1]](folder, block[2])
        return block[0]

    return BLOCK.sub(followed, (ROOT / page).read_text(encoding="utf-8"))


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """(language, content) of the fenced blocks of a page, without those that are only shown."""
    return ((block[1], block[2]) for block in BLOCK.finditer(text))


def without_numbers(text: str) -> str:
    """The words of a text: numbers and alignment differ between machines and versions."""
    return re.sub(r"\s+", " ", re.sub(r"[-+−]?\d[\d.,]*(e-?\d+)?", "#", text))


def _merge_params(folder: Path, text: str) -> str:
    params = folder / "params.yaml"
    params.write_text(yaml.safe_dump(merge(yaml.safe_load(params.read_text()), yaml.safe_load(text))))
    return ""


def run_python(folder: Path, text: str) -> str:
    name = re.match(r"# (\S+\.py)\n", text)
    code = folder / (name[1] if name else "block.py")
    code.write_text(text)
    return "" if name else call(folder, "python", code.name)


def add_lines(folder: Path, text: str) -> str:
    """Follow a block of `diff`: its first line names the file, and @@ separates hunks."""
    name, _, hunks = text.partition("\n")
    for hunk in hunks.rstrip().split("\n@@\n"):
        before = [line[1:] for line in hunk.splitlines() if line[0] in " -"]
        after = [line[1:] for line in hunk.splitlines() if line[0] in " +"]
        edit(folder / name.removeprefix("# "), "\n".join(before), "\n".join(after))
    return ""


def _run_lines(folder: Path, text: str) -> str:
    lines = text.replace("\\\n", " ").splitlines()
    return "".join(command(folder, shlex.split(line, comments=True)) for line in lines)


ACTIONS = {"yaml": _merge_params, "python": run_python, "diff": add_lines, "sh": _run_lines}


def command(folder: Path, words: list[str]) -> str:
    """What a line of a shell prints, without Snakemake's messages and progress. Our commands import the package in
    `folder`, to which the page adds files."""
    if words[:1] == ["dense-calibration"]:
        words = ["python", "-m", "pipeline_src", *words[1:]]
    printed = call(folder, *words) if words else ""
    return "" if words[:1] == ["snakemake"] else re.sub(r".* images/s .*\n", "", printed)


def write_outputs() -> None:
    """Write the output and the pictures of a run into every page."""
    for page in PAGES:
        with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
            text = follow(page, Path(name), patch)
            for source, target in PICTURE.findall(text):
                shutil.copy(Path(name) / source, (ROOT / page).parent / target)
        (ROOT / page).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_outputs()
