"""The project stays within the limits of budget.json. A commit may lower a number, and argues to raise one."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_tables import command_names
from project import ROOT

HERE = Path(__file__).parent
LIMITS = json.loads((HERE / "budget.json").read_text(encoding="utf-8"))
PHRASES = (HERE / "phrases.txt").read_text(encoding="utf-8").split("\n")[:-1]  # words with a standard term
PAGES = sorted(LIMITS["words by page or folder"], key=len, reverse=True)


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """The files of the repository that are here."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not in a git repository")
    return [Path(name) for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def pages(tracked) -> dict[str, str]:
    """The texts of all pages but the changelog."""
    files = [file for file in tracked if file.suffix == ".md" and file.parts[0] not in ("results", "tests")]
    return {str(file): (ROOT / file).read_text(encoding="utf-8") for file in files if file.name != "CHANGELOG.md"}


def prose(text: str) -> str:
    """A page without code, comments, tables, headings and images."""
    text = re.sub(r"```.*?```|<!--.*?-->", " ", text, flags=re.DOTALL)
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(("|", "#", "!", ">")))


def sentence_lengths(text: str) -> list[int]:
    """Words of each sentence and list item of a page."""
    parts = re.split(r"(?<=[.!?])\s+|\n\s*\n|\n\s*[-*\d]+[.)]?\s", prose(text))
    return [length for length in (len(re.findall(r"[A-Za-z']+", part)) for part in parts) if length > 2]


def phrases(text: str) -> Iterator[str]:
    """The private phrases of a page."""
    for pattern in PHRASES:
        yield from (found[0] for found in re.finditer(pattern, prose(text), re.IGNORECASE))


@pytest.mark.parametrize("top", ["pipeline_src", "tests", "benchmarks"])
def test_code_is_within_its_limits(tracked, top):
    """Syntax-tree nodes, unlike lines, do not reward dense writing."""
    texts = [(ROOT / file).read_text() for file in tracked if file.parts[0] == top and file.suffix == ".py"]
    nodes = 0
    for text in texts:
        nodes += sum(1 for _ in ast.walk(ast.parse(text)))
    counts = {"files": len(texts), "nodes": nodes}
    assert {name: counts[name] for name, limit in LIMITS[top].items() if counts[name] > limit} == {}


def test_tracked_files_and_commands_are_within_their_limits(tracked):
    assert len(tracked) <= LIMITS["tracked files"]
    assert len(command_names()) <= LIMITS["commands"]


def test_pages_are_within_their_limits(pages):
    """Comments, which bind sentences to published numbers, are not read."""
    words: Counter[str] = Counter()
    for name, text in pages.items():
        read = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
        words[next((page for page in PAGES if name.startswith(page)), name)] += len(read.split())
    assert words.total() <= LIMITS["words of all pages"]
    assert {page: n for page, n in words.items() if n > LIMITS["words by page or folder"].get(page, 0)} == {}
    assert len((ROOT / "CHANGELOG.md").read_text().split()) <= LIMITS["words of CHANGELOG.md"]


def test_sentences_are_short(pages):
    means = {name: sum(lengths) / len(lengths) for name, text in pages.items() if (lengths := sentence_lengths(text))}
    limit = LIMITS["words of a sentence, mean"]
    assert {name: mean for name, mean in means.items() if mean > limit.get(name, limit["any page"])} == {}


def test_pages_use_the_terms_of_the_field(pages):
    found = [f"{name}: {phrase}" for name, text in pages.items() for phrase in phrases(text)]
    assert len(found) <= LIMITS["private phrases"], found
