"""README.md and docs/ with what is made from code and from published results, between two comments that say what:

    <!-- metrics: two -->

    <!-- end of metrics -->

`methods`, `metrics` and `params` take the name of one of the `TABLES` of their module, `published` what
`published_tables` says, and `files` a pattern of Markdown files, whose text it takes over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import markers
import method_tables
import metric_tables
import params_schema
import params_tables
import published_overview
import published_pairs
import published_tables

from pipeline_src.errors import UserError, did_you_mean, listed
from pipeline_src.files import remove_leftovers, write_text
from pipeline_src.publishing import published

TABLES = {"methods": method_tables.TABLES, "metrics": metric_tables.TABLES, "params": params_tables.TABLES}
KINDS = "|".join((*TABLES, "published", "files"))
BLOCK = re.compile(
    rf"^(<!-- ({KINDS}): ([^\n]+?) -->\n)(?:(?!<!-- (?:{KINDS}):).)*?^(<!-- end of \2 -->)", re.DOTALL | re.MULTILINE
)
MARK = re.compile(rf"^<!-- (?:end of )?(?:{KINDS})\b.*", re.MULTILINE)


def write() -> None:
    """Write all of it into the pages of the working folder, with params.schema.json and what spans the published
    experiments.

    Raises:
        UserError: names a file that is not as it was published, a page without text, or a table without a page, before
            anything is written.
    """
    for name in published.names():
        published.checked(published.FOLDER / name, published.COMPUTED)
    remove_leftovers([*files(), params_schema.FILE, published_pairs.FILE])  # of a process that was killed
    pages = {file: file.read_text(encoding="utf-8") for file in files()}
    _check_whole(pages)
    write_text(params_schema.FILE, params_schema.page())
    published_overview.write()  # before the pages, which show its verdicts
    published_pairs.write(pair for page in pages.values() for pair in pairs(page))
    for file in pages:
        page = file.read_text(encoding="utf-8")  # again: differences can take minutes, in which it may be edited
        if (text := rewritten(page)) != page:
            write_text(file, text)


def _check_whole(pages: Mapping[Path, str]) -> None:
    """UserError where a page has no text, or a table of the code is on none: a file was cut short, or lost its
    comments."""
    shown = {(block[2], block[3]) for page in pages.values() for block in BLOCK.finditer(page)}
    lost = [f"<!-- {kind}: {name} -->" for kind in TABLES for name in TABLES[kind] if (kind, name) not in shown]
    wrong = [f"{file} is empty" for file, page in pages.items() if not page.strip()]
    wrong += [f"{comment} is in no page" for comment in lost]
    if wrong:
        raise UserError(
            f"README.md and docs/ are not whole{listed(wrong)}",
            expected="text in every page, and each table of the code in one of them",
            do="git checkout -- README.md docs, or write the comments of the table where it is to stand",
        )


def files() -> list[Path]:
    """The pages that may have such comments."""
    return [Path("README.md"), *sorted(Path("docs").rglob("*.md"))]


def pairs(page: str) -> list[str]:
    """The pairs of published methods whose differences a page shows."""
    comments = [block[3].split() for block in BLOCK.finditer(page) if block[2] == "published"]
    shown = [pair for words in comments if words[0] == "differences" for pair in words[2:]]
    return [*shown, *markers.pairs(page)]


def rewritten(page: str, folder: Path = published.FOLDER) -> str:
    """The text of a page with what is made today, numbers from what is published in `folder`.

    Raises:
        UserError: names a comment without its partner, or one that does not say what is known.
    """
    if stray := MARK.search(BLOCK.sub("", page)):
        raise UserError(
            "a text that is made from code or results has no beginning or no end",
            found=stray[0],
            expected=f"<!-- KIND: ... -->, and below it <!-- end of KIND -->, each a line; KIND is {KINDS}",
            do="write the other line",
        )

    def filled(block: re.Match[str]) -> str:
        text = _made(block[2], block[3].split(), folder)
        return block[0] if text is None else f"{block[1]}{text}\n{block[4]}"

    return BLOCK.sub(filled, page)


def _made(kind: str, words: Sequence[str], folder: Path) -> str | None:
    if kind == "published":
        return published_tables.text(words, folder)
    if kind == "files":
        return "\n\n".join(file.read_text(encoding="utf-8").strip() for file in sorted(Path().glob(words[0])))
    return _table(kind, TABLES[kind], " ".join(words))


def _table(kind: str, tables: Mapping[str, Callable[[], str]], name: str) -> str:
    if name not in tables:
        raise UserError(
            f"there is no table <!-- {kind}: {name} -->", expected=", ".join(tables), do=did_you_mean(name, tables)
        )
    return tables[name]()
