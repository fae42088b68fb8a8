"""README.md and docs/ with texts from code and from published results, between two comments:

    <!-- metrics: two -->

    <!-- end of metrics -->

`cli`, `datasets`, `methods`, `metrics`, `outputs` and `params` take the name of one of the `TABLES`
of their module, and `published` what `published_tables` says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import cli_tables
import dataset_tables
import markers
import method_tables
import metric_tables
import output_tables
import params_tables
import published_overview
import published_pairs
import published_tables

from pipeline_src.errors import UserError, check_name
from pipeline_src.files import write_text
from pipeline_src.publishing import published

TABLES: dict[str, Mapping[str, Callable[[], str]]] = {
    "cli": cli_tables.TABLES,
    "datasets": dataset_tables.TABLES,
    "methods": method_tables.TABLES,
    "metrics": metric_tables.TABLES,
    "outputs": output_tables.TABLES,
    "params": params_tables.TABLES,
}
KINDS = "|".join((*TABLES, "published"))
BLOCK = re.compile(
    rf"^(<!-- ({KINDS}): ([^\n]+?) -->\n)(?:(?!<!-- (?:{KINDS}):).)*?^(<!-- end of \2 -->)",
    re.DOTALL | re.MULTILINE,
)
MARK = re.compile(rf"^<!-- (?:end of )?(?:{KINDS})\b.*", re.MULTILINE)


def write() -> None:
    """Write all of it into the pages of the working folder, with what spans the published
    experiments.

    Raises:
        UserError: names a published file that was changed, or a comment without its partner.
    """
    for name in published.names():
        published.checked(published.FOLDER / name, published.COMPUTED)
    published_overview.write()  # before the pages, which show its verdicts
    shown: list[str] = []
    for file in files():
        shown += pairs(file.read_text(encoding="utf-8"))
    published_pairs.write(shown)
    for file in files():
        page = file.read_text(encoding="utf-8")
        text = rewritten(page)
        if text != page:
            write_text(file, text)


def files() -> list[Path]:
    """The pages that may have such comments."""
    return [Path("README.md"), *sorted(Path("docs").rglob("*.md"))]


def pairs(page: str) -> list[str]:
    """The pairs of published methods whose differences a page shows."""
    shown = list(markers.pairs(page))
    for block in BLOCK.finditer(page):
        words = block[3].split()
        if block[2] == "published" and words[0] == "differences":
            shown += words[3:]
    return shown


def rewritten(page: str, folder: Path = published.FOLDER) -> str:
    """The text of a page with today's lists and tables, numbers from what is published in `folder`.

    Raises:
        UserError: names a comment without its partner, or one that names no list or table.
    """
    stray = MARK.search(BLOCK.sub("", page))
    if stray:
        raise UserError(
            "a text that is made from code or results has no beginning or no end",
            found=stray[0],
            expected="<!-- KIND: ... -->, and below it <!-- end of KIND -->, each a line; "
            f"KIND is {KINDS}",
            fix="write the other line",
        )

    def filled(block: re.Match[str]) -> str:
        comment, kind, name, end = block.groups()
        if kind in TABLES:
            return f"{comment}{_list(kind, name)}\n{end}"
        text = published_tables.text(name.split(), folder)
        return block[0] if text is None else f"{comment}{text}\n{end}"

    return BLOCK.sub(filled, page)


def _list(kind: str, name: str) -> str:
    tables = TABLES[kind]
    check_name(name, tables, f"there is no table <!-- {kind}: {name} -->")
    return tables[name]()
