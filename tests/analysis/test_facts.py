"""Who plays which part in an experiment."""

from __future__ import annotations

import pytest

from pipeline_src.analysis.facts import Facts, MethodFacts


def facts(**methods: MethodFacts) -> Facts:
    return Facts("made", methods, {"val": "val", "photos": "id", "other": "shifted", "textures": "ood"}, (3, 5))


def slp(alpha: float, beta: float) -> MethodFacts:
    return MethodFacts("slp", {"alpha": alpha, "beta": beta})


def test_the_baseline_is_known_by_its_code():
    named = facts(ce=MethodFacts("baseline"), other=MethodFacts("brier"))
    assert named.baseline == "ce"
    assert facts(ce=MethodFacts("baseline"), baseline=MethodFacts("baseline")).baseline == "baseline"
    assert facts(b=MethodFacts("baseline"), a=MethodFacts("baseline")).baseline == "b"
    assert facts(other=MethodFacts("brier")).baseline is None


def test_the_principal_block_of_a_method_bears_its_name_or_is_the_first():
    found = facts(one=slp(0.1, 1), slp=slp(0.2, 1), two=slp(0.3, 1), ce=MethodFacts("baseline"))
    assert found.entries("slp") == ["slp", "one", "two"] and found.principal("slp") == "slp"
    assert facts(one=slp(0.1, 1), two=slp(0.3, 1)).principal("slp") == "one"
    assert found.principal("brier") is None


def test_the_strength_of_static_perturbation():
    found = facts(ce=MethodFacts("baseline"), mild=slp(0.05, 0.5), ls=MethodFacts("label_smoothing", {"eps": 0.05}))
    assert found.static == pytest.approx({"mild": 0.05, "ls": 0.05})
    ls, one_less = MethodFacts("label_smoothing", {"eps": 0.3}), slp(0.2, 1)
    assert ls.strength(3) == pytest.approx(one_less.strength(3)), "the same expected labels: 0.8, 0.1, 0.1"


def test_the_papers_comparison():
    found = facts(
        ce=MethodFacts("baseline"),
        mine=MethodFacts(""),
        aslp_mc=MethodFacts("aslp_mc", learns=True),
        temperature=MethodFacts("temperature", {"of": "ce"}, trains=False),
        corrected=MethodFacts("temperature", {"of": "aslp_mc"}, trains=False),
    )
    assert found.compared == ["ce", "aslp_mc", "temperature"]
    assert found.learned == ["aslp_mc"] and found.trained == ["ce", "mine", "aslp_mc"]


def test_runs_and_parts():
    found = facts(ce=MethodFacts("baseline"), ensemble=MethodFacts(of_all_seeds=True, trains=False))
    assert found.runs == [("ce", 3), ("ce", 5), ("ensemble", 3)]
    assert found.splits_of(("id", "shifted")) == ["photos", "other"] and list(found.tests) == [
        "photos",
        "other",
        "textures",
    ]
    assert found.networks_text() == "seeds 3, 5 pooled"


def test_several_classes_have_one_protocol():
    several = Facts("made", {}, {}, class_names=("road", "sky", "car"))
    assert (several.classes, several.protocols) == (3, ("raw",))
    assert (facts().classes, facts().protocols) == (2, ("raw", "stretched"))
