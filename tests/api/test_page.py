"""docs/tutorials/in-code.md does what it says: its examples with >>> by doctest, the loop in PyTorch as it stands."""

from __future__ import annotations

import doctest
import re

import pytest
from project import ROOT, call
from tutorial import blocks

from pipeline_src import api

PAGE = (ROOT / "docs/tutorials/in-code.md").read_text(encoding="utf-8")


def test_the_examples_give_what_the_page_says(tmp_path, monkeypatch):
    pytest.importorskip("torchmetrics")
    monkeypatch.chdir(tmp_path)
    text = re.sub(r"^```.*$", "", PAGE, flags=re.MULTILINE)  # doctest would take a fence for output
    examples = doctest.DocTestParser().get_doctest(text, {}, "in-code.md", "in-code.md", 0)
    results = doctest.DocTestRunner().run(examples)
    assert results.attempted > 25 and not results.failed


@pytest.mark.slow
def test_the_loop_in_plain_pytorch_learns_levels(tmp_path):
    pytest.importorskip("torchmetrics")
    (code,) = [text for _, text in blocks(PAGE) if text.startswith("import torch\n")]
    (tmp_path / "loop.py").write_text(code)
    said = call(tmp_path, "python", "loop.py", PYTHONPATH=str(ROOT))
    levels = [float(line.rpartition(" ")[2]) for line in said.splitlines()]
    assert levels[:2] == [0, 0] and levels[-1] > 0 and (tmp_path / "checkpoint.pt").exists()


def test_the_page_lists_what_can_be_imported():
    listed = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE))))
    assert listed == set(api.__all__) - {"CalibrationReport", "Statistic", "UserError"} | {"DenseCalibrationMetric"}
    assert all(getattr(api, name) for name in api.__all__)
