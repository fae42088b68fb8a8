"""`compare`: published experiments and the reasons for their differences."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_published import FACTS, maps, publish
from made_statistics import counted, varied
from project import copy
from typer.testing import CliRunner

from pipeline_src.analysis import differences
from pipeline_src.analysis.differences import UNDECIDED, MetricDifference
from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.facts import MethodFacts
from pipeline_src.cli.compare import summary_text
from pipeline_src.cli.main import app
from pipeline_src.errors import UserError
from pipeline_src.publishing.compare import Comparison, Side, _side, compare_experiments


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(differences, "RESAMPLES", 200)  # a run takes a second with all of them
    return tmp_path


def said(*words: str) -> str:
    result = CliRunner().invoke(app, ["compare", *map(str, words), "--cores", "1"])
    assert result.exit_code == 0, result.output
    return result.output


def test_an_experiment_is_the_same_as_itself(folder):
    a, b = publish("one"), publish("two", made={"torch": "2.9.0", "commit": "new"})
    told = said(a, b)
    assert "0 different, 0 inconclusive" in told and "commit" not in told  # nothing is to be explained


def test_two_methods_of_an_experiment_are_compared_in_pairs(folder):
    a = publish("one")
    cells = compare_experiments(f"{a}:baseline", f"{a}:slp").cells
    assert {cell.method for cell in cells} == {"slp - baseline"} and {*cells[0].seeds} == {(0, 0)}


def test_a_method_of_which_nothing_is_finished_is_refused(folder):
    """While another is: of a run that is under way."""
    side = _side(str(publish("one")))
    side = replace(side, counts={run: load for run, load in side.counts.items() if run[0] == "baseline"})
    assert [*side.only("baseline", "baseline").counts] == [("baseline", 0, "photos")]
    with pytest.raises(UserError, match="one:slp"):
        side.only("slp", "slp")


def test_a_published_experiment_is_found_by_its_name(folder, monkeypatch):
    copy(folder)
    publish("one")
    assert _side("one").name == "results/published/one"
    monkeypatch.setenv("ASLP_DOWNLOADS", str(folder / "absent"))
    publish("mini")  # an experiment of params.yaml, whose datasets are absent
    assert [*_side("mini").facts.methods] == [*FACTS.methods]
    (folder / "results/mini").mkdir()  # it was run here
    with pytest.raises(UserError, match="DUTS-TR"):
        _side("mini")


@pytest.mark.parametrize(("images", "texts"), [(2, ["2 images"]), (12, ["12 images"]), (100, [])])
def test_few_images_are_said_where_there_are_intervals(folder, images, texts):
    def made(method: str, seed: int, part: str):
        return counted(varied(images, sharp={"baseline": 2.0, "slp": 1.2}[method]), whole=False)

    a = publish("one", statistic=made)
    assert "Warning" not in said(a, publish("two", statistic=made))  # there are no intervals
    warnings = [line for line in said(f"{a}:baseline", f"{a}:slp").splitlines() if line.startswith("Warning: ")]
    warnings = [line for line in warnings if "‡" not in line]
    assert len(warnings) == 1 + len(texts)  # of one network, and of few images
    for text, warned in zip(texts, warnings[1:], strict=True):
        assert text in warned and warned.startswith("Warning: photos: ")


@pytest.mark.slow
def test_what_may_explain_a_difference_is_told_where_it_counts(folder):
    methods = FACTS.methods | {"slp": MethodFacts("slp", {"alpha": 0.2, "beta": 1.0})}
    a = publish("one")
    b = publish(
        "two",
        replace(FACTS, methods=methods),
        lambda method, seed, part: maps("other" if method == "slp" else method, seed, part),
        {"torch": "2.10.0", "written": "today"},
        params={"image_size": 128, "training": {"epochs": 60, "device": "cuda"}},
    )
    told = said(a, b)
    assert "torch 2.9.0 / 2.10.0" in told and "image_size 96 / 128" in told and "slp: alpha 0.1 / 0.2" in told
    assert "device" not in told and "written" not in told  # they change no number


def by_hand(groups_a=None, groups_b=None, seeds=(0, 0), settings=({}, {})) -> Comparison:
    """A comparison of one number, of 12 images that differ, or of 6 groups of them."""
    effect = Estimate({0: 0.1}, -0.1, 0.3, units=6 if groups_a or groups_b else 12)
    cell = MetricDifference("raw", "photos", "slp", "ece", [seeds], 0.1, 0.2, UNDECIDED, effect)
    sides = []
    for name, groups, conditions in zip("ab", (groups_a, groups_b), settings, strict=True):
        sides.append(Side(name, replace(FACTS, methods={}), {}, groups or {}, conditions))
    return Comparison(*sides, [cell])


def test_groups_of_one_side_are_named_in_the_warning():
    groups = {"photos": [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]}
    for sides in ((groups, None), (None, groups)):
        (warning,) = [text for text in by_hand(*sides).warnings if text.startswith("photos")]
        assert "6 groups" in warning
    assert "12 images" in by_hand().warnings[-1]


def test_reasons_are_printed_where_numbers_differ():
    printed = summary_text(by_hand(seeds=(0, 3), settings=({"epochs": 60}, {"epochs": 30})))
    assert "- seeds 0 / 3" in printed and "- epochs 60 / 30" in printed
    assert "nothing that is recorded" in summary_text(by_hand(settings=({"epochs": 60}, {"epochs": 60})))


def test_what_one_lacks_is_left_out(folder):
    a = publish("one")
    b = publish("two", replace(FACTS, methods={"slp": FACTS.methods["slp"]}))
    told = said(a, b)
    assert "B lacks\n    - baseline/0/photos" in told and "A lacks" not in told
