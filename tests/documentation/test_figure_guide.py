"""docs/guides/figure.md, followed to the letter."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

from project import ROOT, TESTS

DRAW = """
from pathlib import Path

import numpy as np
import pipeline_src
from made_results import HandMade, by_hand
from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.figures import catalogue, main
from pipeline_src.figures.sources import Sources

assert Path(pipeline_src.__file__).is_relative_to(Path.cwd())
methods = {name: MethodFacts(name) for name in ("baseline", "aslp_mc")}
facts = Facts("guide", methods, {"val": "val", "scenes": "id"})
print(*(figure_type.name for figure_type in catalogue.FIGURE_TYPES))
drawn = [picture for picture in catalogue.pictures(facts) if picture.type.name == "brier"]
main.pictures = lambda facts: drawn
measured = by_hand({"brier": [0.125]}, np.array([0.0, 0.0]))
keys = [(protocol, part, method) for protocol in facts.protocols for part in facts.parts for method in methods]
main.write_figures(HandMade(facts, {}, dict.fromkeys(keys, measured)), Sources(), Path("figures"))
assert {path.name for path in Path("figures").iterdir()} == {file for picture in drawn for file in picture.files}
"""


def test_the_figure_of_the_guide(tmp_path):
    shutil.copytree(ROOT / "pipeline_src", tmp_path / "pipeline_src", ignore=shutil.ignore_patterns("__pycache__"))
    page = (ROOT / "docs/guides/figure.md").read_text(encoding="utf-8")
    (name, code), *_ = re.findall(r"```python\n# (\S+)\n(.*?)```", page, re.DOTALL)
    (tmp_path / name).write_text(code, encoding="utf-8")
    (lines,) = (block.splitlines() for block in re.findall(r"```diff\n(.*?)```", page, re.DOTALL))
    before = "\n".join(line[1:] for line in lines if line[0] == " ")
    catalogue = tmp_path / "pipeline_src/figures/catalogue.py"
    text = catalogue.read_text(encoding="utf-8")
    assert text.count(before) == 1
    catalogue.write_text(text.replace(before, "\n".join(line[1:] for line in lines)), encoding="utf-8")

    environment = {"PYTHONPATH": f"{tmp_path}:{TESTS}"}
    done = subprocess.run([sys.executable, "-c", DRAW], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:3] == ["tradeoff", "brier", "overview"]
    assert "baseline,0.125,0.125,0.125" in (tmp_path / "figures/brier-raw-scenes.csv").read_text()
