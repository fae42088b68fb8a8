"""Hooks of MkDocs: files from outside docs/ that pages link to, and published reports, join the
site, links follow them, and formulas become MathML, which browsers show without a script.
"""

from __future__ import annotations

import html
import os
import posixpath
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, InclusionLevel

TOP = {"CONTRIBUTING.md": "contributing/index.md", "CHANGELOG.md": "changelog.md"}  # file -> page
SOURCES = {page: file for file, page in TOP.items()}
REPORTS = "reports.md"
REPOSITORY = "repository/"  # in the site, before the paths of linked files
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Set the address of the repository where the workflow knows it."""
    repository = os.environ.get("GITHUB_REPOSITORY")
    if repository:
        server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
        config.repo_url = f"{server}/{repository}"
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add CONTRIBUTING.md, CHANGELOG.md, linked files, reports, and a page that lists them."""
    for file, page in TOP.items():
        files.append(File.generated(config, page, content=Path(file).read_text(encoding="utf-8")))
    for path in linked_files():
        files.append(_linked_file(path, config))
    names = []
    for folder in ("published", "published-rebuilt"):  # of two reports, the published one
        for report in sorted(Path("results", folder).glob("*/report.html")):
            if report.parent.name not in names:
                names.append(report.parent.name)
                uri = report.relative_to("results").as_posix()
                files.append(File(uri, "results", config.site_dir, config.use_directory_urls))
    rows = [f"- [{name}](published/{name}/report.html)" for name in names]
    content = "\n\n".join(
        [
            "# Published reports",
            "Each report is one self-contained page with diagrams, verdicts and tables, "
            "without images of datasets.",
            "\n".join(rows) or "`snakemake --cores all published` computes them.",
        ]
    )
    files.append(File.generated(config, REPORTS, content=f"{content}\n"))
    return files


def linked_files() -> list[str]:
    """Return the paths of files outside of docs/ that pages link to."""
    found = set()
    for page in [Path(file) for file in TOP] + list(Path("docs").rglob("*.md")):
        for link in LINK.finditer(page.read_text(encoding="utf-8")):
            path = posixpath.normpath(posixpath.join(page.parent.as_posix(), link[3]))
            if Path(path).is_file() and not path.startswith("docs/") and path not in TOP:
                found.add(path)
    return sorted(found)


def _linked_file(path: str, config: Any) -> File:
    """Return a linked file, a Markdown file as a page that the search leaves out."""
    uri = REPOSITORY + path
    if not path.endswith(".md"):
        return File.generated(config, uri, abs_src_path=str(Path(path).absolute()))
    text = "---\nsearch:\n  exclude: true\n---\n" + Path(path).read_text(encoding="utf-8")
    return File.generated(config, uri, content=text, inclusion=InclusionLevel.NOT_IN_NAV)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Point relative links at files of the site; of links to other files only the text stays."""
    uri = page.file.src_uri
    source = uri.removeprefix(REPOSITORY) if uri.startswith(REPOSITORY) else f"docs/{uri}"
    folder = posixpath.dirname(SOURCES.get(uri, source))

    def moved(link: re.Match[str]) -> str:
        image, text, target, anchor = link.groups(default="")
        path = posixpath.normpath(posixpath.join(folder, target))
        inside = TOP.get(path, REPOSITORY + path)
        if path.startswith("docs/"):
            inside = path.removeprefix("docs/")
        if files.get_file_from_path(inside):
            place = posixpath.relpath(inside, posixpath.dirname(uri) or ".")
            return f"{image}[{text}]({place}{anchor})"
        if not Path(path).exists():
            return link[0]  # a dead link, which MkDocs names
        return text

    return markdown if uri == REPORTS else LINK.sub(moved, markdown)


def on_page_content(content: str, page: Any, config: Any, files: Any) -> str:
    """Render formulas."""

    def rendered(formula: re.Match[str]) -> str:
        display = "block" if formula[2] == "[" else "inline"
        return str(convert(html.unescape(formula[3]).strip(), display))

    return FORMULA.sub(rendered, content)
