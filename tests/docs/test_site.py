"""The site that MkDocs builds: every link of the evidence page leads to a file of the site."""

from __future__ import annotations

import re
import sys

import pytest
from project import ROOT, call


@pytest.mark.slow
def test_links_of_the_evidence_page_lead_to_files_of_the_site(tmp_path):
    pytest.importorskip("material")
    site = tmp_path / "site"
    call(ROOT, sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(site))
    page = site / "evidence/index.html"
    html = page.read_text(encoding="utf-8")
    targets = re.findall(r'href="(?!https?:|#)([^"#]+)', html)
    files = [(page.parent / target).resolve() for target in targets]
    assert [file for file in files if not (file.is_file() or (file / "index.html").is_file())] == []
    linked = {target.removeprefix("../") for target in targets}
    assert "repository/results/published/new_seeds/claims/" in linked
    assert "repository/benchmarks/networks/table.txt" in linked
