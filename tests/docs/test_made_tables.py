"""Pages whose tables are made from code and from published results."""

from __future__ import annotations

from pathlib import Path

import pages
import pytest
from damaged import full_disk
from method_tables import docstring_facts
from metric_tables import CLASSES, of_classes
from pages import BLOCK, TABLES, files, rewritten

from pipeline_src.errors import UserError
from pipeline_src.metrics.registry import METRICS
from pipeline_src.training.method import Block

PAGES = {file: file.read_text(encoding="utf-8") for file in files()}


def test_the_pages_are_in_step():
    assert any("<!-- published: " in page for page in PAGES.values())
    for file, page in PAGES.items():
        assert rewritten(page) == page, f"{file}: run `python docs/make`"


@pytest.mark.parametrize("kind", TABLES)
def test_every_table_is_in_a_page(kind):
    comments = [block for page in PAGES.values() for block in BLOCK.finditer(page)]
    assert sorted(block[3] for block in comments if block[2] == kind) == sorted(TABLES[kind])


def test_every_metric_has_a_row_of_seven_cells():
    rows = [line for classes in CLASSES for line in of_classes(classes).splitlines() if line.startswith("| `")]
    assert sorted(row.split("`")[1] for row in rows) == sorted(METRICS)
    assert {row.count(" | ") for row in rows} == {6}


def test_a_table_that_there_is_not_is_refused():
    with pytest.raises(UserError, match=r"no table <!-- params: trainig -->\n(.|\n)*mean 'training'"):
        rewritten("<!-- params: trainig -->\n<!-- end of params -->\n")


def test_text_is_taken_over_from_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b", "a"):
        Path(f"{name}.md").write_text(f"\n{name} says so.\n\n")
    page = "<!-- files: *.md -->\nformer\n<!-- end of files -->\n"
    assert rewritten(page) == "<!-- files: *.md -->\na says so.\n\nb says so.\n<!-- end of files -->\n"


def test_a_method_that_does_not_describe_itself_is_told():
    class Silent(Block):
        """Does something.

        Kind: rivals
        Idea: It
            goes on.
        """

    with pytest.raises(UserError, match="without Formula, Changes, Cost, Source, Setting"):
        docstring_facts(Silent)


@pytest.fixture
def copied_pages(tmp_path, monkeypatch) -> Path:
    """The pages without published results, which stay as they are."""
    for file, page in PAGES.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(page, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pages.published_pairs, "write", lambda pairs: None)
    monkeypatch.setattr(pages.published_overview, "write", lambda: None)
    monkeypatch.setattr(pages, "rewritten", lambda page: page + "made\n")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "kept", "named"),
    [("docs/theory.md", 0, r"docs/theory\.md is empty"), ("docs/params.md", 20, r"<!-- params: \S+ --> is in no page")],
)
def test_a_page_that_was_cut_short_is_named_and_nothing_is_written(copied_pages, file, kept, named):
    Path(file).write_text(PAGES[Path(file)][:kept], encoding="utf-8")
    with pytest.raises(UserError, match=rf"not whole(.|\n)*{named}"):
        pages.write()
    assert not Path("params.schema.json").exists() and not Path("README.md").read_text().endswith("made\n")


def test_a_page_is_written_as_a_whole(copied_pages, monkeypatch):
    Path("docs/.theory-12345678.md").write_text("of a process that was killed")
    pages.write()
    assert all(file.read_text(encoding="utf-8") == page + "made\n" for file, page in PAGES.items())
    assert not Path("docs/.theory-12345678.md").exists()
    with full_disk(1), pytest.raises(UserError, match="the disk is full"):
        pages.write()
    assert all(len(file.read_text(encoding="utf-8")) >= len(page) for file, page in PAGES.items())
