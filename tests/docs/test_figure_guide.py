"""docs/guides/figure.md, followed to the letter."""

from __future__ import annotations

import guide
import pytest

DRAW = """
from pathlib import Path

import numpy as np
import pipeline_src
from made_results import HandMade, by_hand
from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.figures import catalogue, write
from pipeline_src.figures.types import Sources

assert Path(pipeline_src.__file__).is_relative_to(Path.cwd())
methods = {name: MethodFacts(name) for name in ("baseline", "aslp_mc")}
facts = Facts("guide", methods, {"val": "val", "scenes": "id"})
assert [figure_type.name for figure_type in catalogue.FIGURE_TYPES[:3]] == ["estimates", "brier", "entropy"]
drawn = [picture for picture in catalogue.pictures(facts) if picture.type.name == "brier"]
write.pictures = lambda facts: drawn
measured = by_hand({"brier": [0.125]}, np.array([0.0, 0.0]))
keys = [(protocol, part, method) for protocol in facts.protocols for part in facts.parts for method in methods]
write.write_figures(HandMade(facts, {}, dict.fromkeys(keys, measured)), Sources(), Path("figures"))
assert {path.name for path in Path("figures").iterdir()} == {file for picture in drawn for file in picture.files}
"""


@pytest.mark.slow
def test_the_figure_of_the_guide(tmp_path):
    guide.follow("figure.md", tmp_path)
    guide.run(tmp_path, DRAW)
    assert "baseline,0.125,0.125,0.125" in (tmp_path / "figures/brier-raw-scenes.csv").read_text()
