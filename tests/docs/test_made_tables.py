"""Pages whose lists are written from code and from published results."""

from __future__ import annotations

import pytest
from method_tables import docstring_facts
from metric_tables import CLASSES
from pages import BLOCK, TABLES, files, rewritten

from pipeline_src.errors import UserError
from pipeline_src.metrics.registry import METRICS
from pipeline_src.training.method import MethodEntry

PAGES = {file: file.read_text(encoding="utf-8") for file in files()}


@pytest.mark.parametrize("file", PAGES, ids=str)
def test_a_page_is_in_step(file):
    assert rewritten(PAGES[file]) == PAGES[file], "run `python docs/make`"


@pytest.mark.parametrize("kind", TABLES)
def test_every_list_is_in_a_page(kind):
    comments = [block for page in PAGES.values() for block in BLOCK.finditer(page)]
    assert sorted(block[3] for block in comments if block[2] == kind) == sorted(TABLES[kind])


def test_every_metric_is_in_a_list():
    assert {metric.classes for metric in METRICS.values()} == {*CLASSES}


def test_an_unknown_list_is_refused():
    with pytest.raises(UserError, match="training"):
        rewritten("<!-- params: trainig -->\n<!-- end of params -->\n")


def test_a_method_without_its_lines_is_named():
    class Silent(MethodEntry):
        """Does something.

        Kind: comparison
        Idea: It
            goes on.
        """

    with pytest.raises(UserError, match="Formula, Source, Setting"):
        docstring_facts(Silent)
