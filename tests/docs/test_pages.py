"""What the documentation shows runs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from pipeline_src.counting.bins import Bins

PAGES = (Path("README.md"), Path("CONTRIBUTING.md"), *sorted(Path("docs").rglob("*.md")))
NAMING = (".py", ".md", ".yaml", ".toml", ".smk", ".def", ".j2")
NAMED = re.compile(r"docs/[a-z_/-]+\.md")  # pages that code, configuration and messages name


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_has_no_dead_link(page):
    dead = []
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text(encoding="utf-8")):
        file = page.parent / target if target else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            dead.append(f"{target}#{anchor}")
    assert dead == []


def test_pages_that_the_code_names_exist():
    files = [path for top in ("pipeline_src", "benchmarks", "workflow", "containers") for path in Path(top).rglob("*")]
    files += [Path("params.yaml"), Path("pyproject.toml"), Path("config/README.md"), Path("data/README.md")]
    texts = {path: path.read_text(encoding="utf-8") for path in files if path.suffix in NAMING}
    named = {(str(path), page) for path, text in texts.items() for page in NAMED.findall(text)}
    assert [found for found in sorted(named) if not Path(found[1]).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_files_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:pipeline_src|tests|benchmarks|workflow|docs)/[\w./-]+)`", text)
    assert [name for name in named if not Path(name).exists()] == []


def test_the_metric_of_the_guide_is_one():
    text = Path("docs/contributing/extending.md").read_text()
    code = re.search(r"```python\n(# pipeline_src/metrics/.*?)```", text, re.DOTALL)[1]
    exec(code, names := {})
    # Confidence 0.75 with half of the pixels right, then 1 with all right.
    hits, score = np.array([1.0, 2.0]), np.array([1.5, 2.0])
    bins = Bins(count=np.array([2.0, 2.0]), hits=hits, score=score, excess=score - hits)
    assert names["rms_error"](bins) == pytest.approx((0.25**2 / 2) ** 0.5)
    assert names["RMS"].column == "RMS error %"
