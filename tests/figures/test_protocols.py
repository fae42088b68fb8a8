"""Figures of both protocols: the numbers of each are those of its own measurements."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from made_figures import maps
from made_results import analysed
from matplotlib.text import Text

from pipeline_src.analysis.facts import Corruption, Facts, MethodFacts
from pipeline_src.analysis.results import Results
from pipeline_src.figures import style
from pipeline_src.figures.catalogue import pictures
from pipeline_src.figures.types import Painted, Sources

STATIC = {f"slp-{a}": MethodFacts("slp", {"alpha": a, "beta": 0.5}) for a in (0.025, 0.05, 0.1)}
CORRUPTED = {"A-c-jpeg-3": Corruption("A-c", "jpeg", 3, "A")}
FACTS = Facts(
    "both",
    {"ce": MethodFacts("baseline")} | STATIC,
    {"A": "id", "textures": "ood", "A-c-jpeg-3": "shifted"},
    bins=15,
    corrupted=CORRUPTED,
)
ESTIMATED = {"tradeoff", "overview", "overconfidence", "severity", "sweep"}
COUNTED = {"reliability", "comparison", "risk"}
OF_IMAGES = {"joint", "entropy"}


def faint(method: str, seed: int, part: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Maps that stop short of 0 and 1, which stretching changes."""
    kept = 0.3 + 0.1 * list(FACTS.methods).index(method)
    return [(0.5 + kept * (p - 0.5).astype(np.float32), t) for p, t in maps(method, seed, part)]


class Swapped(Results):
    """Each protocol has the measurements of the other."""

    def measured(self, protocol, part):
        return super().measured({"raw": "stretched", "stretched": "raw"}[protocol], part)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    return analysed(tmp_path_factory.mktemp("both"), FACTS, faint)


@pytest.fixture(scope="module")
def painted(results) -> dict[tuple[str, ...], Painted]:
    """Figures of the protocols, by sort and what distinguishes them."""
    with style.house():
        return {
            (of.type.name, *of.key): of.type.paint(of, results, Sources())
            for of in pictures(FACTS)
            if of.type.name in ESTIMATED | COUNTED | OF_IMAGES
        }


def words(painted: Painted) -> list[str]:
    """All words of a figure in order, however its lines are broken, without the name of its protocol."""
    text = " ".join(text.get_text() for text in painted.figure.findobj(Text))
    return re.sub("raw|stretched", "", text).split()


def lines(painted: Painted) -> list[np.ndarray]:
    """What is drawn as a line or a row of marks; not all of it is in a table."""
    return [line.get_xydata() for axes in painted.figure.axes for line in axes.lines]


def test_both_protocols_have_the_same_sorts():
    """What is not compared below belongs to no protocol, or to the raw one alone."""
    kinds = {protocol: {p.type.name for p in pictures(FACTS) if p.protocol == protocol} for protocol in FACTS.protocols}
    assert kinds["stretched"] == ESTIMATED | COUNTED | OF_IMAGES == kinds["raw"] - {"examples"}


@pytest.mark.parametrize("sort", sorted(ESTIMATED | COUNTED | OF_IMAGES))
def test_a_protocol_has_the_figures_of_its_own_measurements(results, painted, sort):
    """Were the measurements of the protocols exchanged, so were their figures."""
    swapped = Swapped(FACTS, results.files)
    for picture in [p for p in pictures(FACTS) if p.type.name == sort and p.protocol == "raw"]:
        stretched = painted[sort, "stretched", *picture.key[1:]]
        with style.house():
            expected = picture.type.paint(picture, swapped, Sources())
        for ending, table in stretched.tables.items():
            pd.testing.assert_frame_equal(table, expected.tables[ending])
            assert not table.equals(painted[sort, *picture.key].tables[ending])
        assert words(stretched) == words(expected)
        for drawn, wanted in zip(lines(stretched), lines(expected), strict=True):
            np.testing.assert_array_equal(drawn, wanted)


@pytest.mark.parametrize("protocol", FACTS.protocols)
def test_estimates_of_a_figure_are_those_of_its_protocol(results, painted, protocol):
    tables = {key: of.tables[""] for key, of in painted.items() if key[0] in ESTIMATED and key[1] == protocol}
    for (sort, _, *part), table in tables.items():
        for row in table.to_dict("records"):
            for metric in {row.get("metric"), *row} & {"ece", "oe", "accuracy"}:
                one = results.estimate(
                    metric, protocol, row["method"], *(part if sort == "tradeoff" else [row["part"]])
                )
                long = "metric" in row
                assert row["value" if long else metric] == one.value, (sort, metric)
                ends = ("low", "high") if long or sort == "overconfidence" else (f"{metric}_low", f"{metric}_high")
                assert sort == "overview" or [row[end] for end in ends] == [one.low, one.high], (sort, metric)
    assert {key[0] for key in tables} == ESTIMATED


@pytest.mark.parametrize("protocol", FACTS.protocols)
def test_counts_of_a_figure_are_those_of_its_protocol(results, painted, protocol):
    for part in FACTS.tests:
        compared = painted["comparison", protocol, part].tables[""].set_index(["method", "bin"])
        risks = painted["risk", protocol, part].tables[""].iloc[-1]
        entropies = painted["entropy", protocol].tables[""].set_index(["method", "role"])["median"]
        joint = painted["joint", protocol, part].tables[""]
        for method, one in results.measured(protocol, part).items():
            diagram = painted["reliability", protocol, method, part].tables[""].set_index("bin")
            pd.testing.assert_frame_equal(diagram, compared.loc[method])
            assert diagram.index.tolist() == [*map(str, range(1, FACTS.bins + 1)), "all"]
            accuracy = results.estimate("accuracy", protocol, method, part).value
            assert diagram.loc["all", "accuracy"] == pytest.approx(accuracy)
            assert 1 - risks[method] == pytest.approx(accuracy)
            confidence = one.image_means("confidence")
            assert diagram.loc["all", "confidence"] == pytest.approx(confidence.mean(), abs=1e-6)
            cells = joint[joint["method"] == method]
            assert (cells["images"] * cells["confidence"]).sum() / len(confidence) == pytest.approx(
                confidence.mean() - 0.01, abs=0.01
            )
            if part == "textures":
                assert entropies[method, "ood"].iloc[0] == np.median(one.image_means("entropy"))
