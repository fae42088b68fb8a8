"""The site that MkDocs builds: every link of the evidence page leads to a file, and everybody can use its pages."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from project import ROOT, call

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("material")
    folder = tmp_path_factory.mktemp("site")
    call(ROOT, sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder))
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_no_violation_of_accessibility_and_no_page_scrolls_sideways(browser, site, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    for name in ("index.html", "results/index.html", "reading-results/index.html"):
        page.goto((site / name).as_uri())
        found = axe.Axe().run(page)
        assert found.violations_count == 0, (name, found.generate_report())
        assert page.evaluate("document.documentElement.scrollWidth") == width
    context.close()


def test_links_of_the_evidence_page_lead_to_files_of_the_site(site):
    page = site / "evidence/index.html"
    html = page.read_text(encoding="utf-8")
    targets = re.findall(r'href="(?!https?:|#)([^"#]+)', html)
    files = [(page.parent / target).resolve() for target in targets]
    assert [file for file in files if not (file.is_file() or (file / "index.html").is_file())] == []
    linked = {target.removeprefix("../") for target in targets}
    assert "repository/results/published/new_seeds/claims/" in linked
    assert "repository/benchmarks/networks/table.txt" in linked
