"""The recommendation: every sentence follows from numbers and intervals, by hand-made ones."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from made_results import HandMade, by_hand

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.analysis.intervals import percentiles
from pipeline_src.metrics.entries.calibration import SQUARED
from pipeline_src.report.comparison import KEPT, LOST, NOT_DECIDED, RANKING, ProtocolComparison
from pipeline_src.report.recommendation import glance, recommendation, use_in_short

STEADY = np.array([-0.002, 0.0, 0.002])  # resamples around a point, alike for all: differences are certain
ASIDE = np.array([1, 0, -1])
PARTS = {"one": "id", "two": "id", "textures": "ood"}
SHIFTED = PARTS | {"elsewhere": "shifted"}


def compared(
    ece: dict,
    accuracy: dict | None = None,
    ood: dict | None = None,
    uncertain: dict | None = None,
    brier: dict | None = None,
    ood_brier: dict | None = None,
    ranking: dict | None = None,
    floor: dict | None = None,
    seeds=(0,),
    codes: dict | None = None,
    shifted: dict | None = None,
) -> list[ProtocolComparison]:
    """The comparisons in and out of distribution and under shift, of made-up errors and accuracies (0.9 if not given).

    `uncertain`: (method, metric) -> how far the resamples of one spread besides, against all others'. `codes`: of the
    methods, their names if not given.
    """
    methods = {name: MethodFacts((codes or {}).get(name, name)) for name in ece}
    parts, errors = SHIFTED if shifted else PARTS, {"id": ece, "ood": ood or ece, "shifted": shifted}
    facts = Facts("x", methods, parts, seeds)

    measurements = {}
    for method, part in product(methods, parts):
        points = {"ece": errors[parts[part]][method], "oe": 0.0}
        points |= {
            name: (of or {}).get(method, least)
            for name, of, least in (
                ("accuracy", accuracy, 0.9),
                ("brier", ood_brier if parts[part] == "ood" and ood_brier else brier, 0.03),
                (RANKING, ranking, 0.01),
                ("ece_floor", floor, 0.0),
            )
        }
        one = by_hand({name: [point] * len(seeds) for name, point in points.items()}, STEADY, seeds)
        spread = {name: (uncertain or {}).get((method, name), 0) * ASIDE for name in points}
        spread[SQUARED] = spread["ece"]  # which decides about it
        values = {name: values + spread.get(name, 0) for name, values in one.values.items()}
        measurements["raw", part, method] = replace(one, values=values)
    results = HandMade(facts, {}, measurements)
    return [ProtocolComparison.of(results, "raw", (role,)) for role in ("id", "ood", "shifted")]


def words_of(*of, **more) -> dict[str, str]:
    return {heading: text.replace("\u00a0", " ") for heading, text in recommendation(*compared(*of, **more)).items()}


def test_the_lowest_error_is_named_and_recommended():
    words = words_of({"baseline": 0.04, "slp": 0.02, "mc": 0.03}, ood={"baseline": 0.05, "slp": 0.01, "mc": 0.05})
    assert words == {
        "Best calibrated": "slp has the lowest mean ECE on one and two, 2.00 % [1.81, 2.19], significantly below every "
        "other; next is mc (3.00 % [2.81, 3.19]).",
        "Accuracy kept": "Within half a point of baseline's on one and two: all others keep it.",
        "Refinement kept": "How well confidence tells right pixels from wrong ones, by Brier and AUGRC. None is "
        "significantly higher than baseline's.",
        "What to use": "slp: its mean ECE is 2.00 percentage points [2.00, 2.00] below baseline's, at kept accuracy, "
        "Brier and AUGRC not shown to be worse. It was chosen by the images that it is judged on: on others, expect to "
        "gain a little less. Each method was trained once: another training may change the order of "
        "methods that lie close.",
        "Out of distribution": "Of slp, the recommended one, on textures its mean ECE, 1.00 % [0.00, 1.19], is lower "
        "than baseline's, 5.00 % [4.81, 5.19]. baseline, slp and mc share the lowest mean Brier score there, 0.0300.",
    }


def test_below_the_noise_floor_nothing_is_ranked():
    words = words_of({"baseline": 0.04, "slp": 0.002, "mc": 0.001}, floor={"slp": 0.003, "mc": 0.003})
    assert words["Best calibrated"] == (
        "mc (0.10 % [0.00, 0.29]) and slp (0.20 % [0.00, 0.39]): below the noise floor (0.30 %), where a network "
        "without calibration error would be on one and two; methods there are not ranked."
    )


def test_what_does_not_differ_is_named_as_good():
    words = words_of({"baseline": 0.04, "slp": 0.02, "mc": 0.021}, uncertain={("mc", "ece"): 0.01})
    assert "not significantly higher: mc (2.10 %" in words["Best calibrated"]
    assert "As good, as far as these images can tell: mc." in words["What to use"]


def test_who_loses_accuracy_is_not_recommended():
    words = words_of({"baseline": 0.04, "slp": 0.02, "mc": 0.03}, accuracy={"slp": 0.88})
    assert words["Best calibrated"].startswith("slp has the lowest")
    assert words["Accuracy kept"].endswith("Lost, in percentage points: slp 2.00 on one and 2.00 on two.")
    assert words["What to use"].startswith("mc: its mean ECE is 1.00 percentage points [1.00, 1.00] below")


def test_who_loses_refinement_is_not_recommended():
    """Its ECE is the lowest, at kept accuracy: a constant confidence would have that, too."""
    errors = {"baseline": 0.04, "slp": 0.02, "mc": 0.03}
    words = words_of(errors, brier={"slp": 0.0337}, ranking={"slp": 0.0153})
    assert words["Refinement kept"] == (
        "How well confidence tells right pixels from wrong ones, by Brier and AUGRC. Significantly higher than "
        "baseline's: slp Brier by 0.0037 and AUGRC by 0.0053. No other is significantly higher than baseline's."
    )
    assert words["What to use"].startswith("mc: its mean ECE is 1.00 percentage points [1.00, 1.00] below")
    for metric in ("brier", "ranking"):
        inside, *_ = compared({"baseline": 0.04, "slp": 0.02}, **{metric: {"slp": 0.05}})
        assert inside.recommended is None and inside.candidates == ["baseline"]
    words = words_of(errors, brier={"slp": 0.0301}, uncertain={("slp", "brier"): 0.01})
    assert words["What to use"].startswith("slp")  # which the images do not show to be worse


def test_undecided_accuracy_is_not_kept():
    inside, *_ = compared(
        {"baseline": 0.04, "slp": 0.02}, accuracy={"slp": 0.896}, uncertain={("slp", "accuracy"): 0.01}
    )
    assert inside.accuracy("slp") == NOT_DECIDED
    words = words_of({"baseline": 0.04, "slp": 0.02}, accuracy={"slp": 0.896}, uncertain={("slp", "accuracy"): 0.01})
    assert words["Accuracy kept"] == "Not decided by these images: slp."
    assert words["What to use"].startswith("No method that keeps accuracy and refinement has a significantly lower")


@pytest.mark.parametrize("ece", [{"baseline": 0.02, "slp": 0.03}, {"baseline": 0.02, "slp": 0.019}])
def test_the_baseline_stays_where_nothing_beats_it(ece):
    words = words_of(ece, uncertain={("slp", "ece"): 0.01})
    assert "no reason to change" in words["What to use"]
    assert "Out of distribution" not in words["What to use"]


def test_without_a_baseline_nothing_is_recommended():
    words = words_of({"slp": 0.02, "mc": 0.03})
    assert "Accuracy kept" not in words
    assert words["What to use"].startswith("Without the method baseline nothing can be recommended")


def test_out_of_distribution_the_lowest_brier_score_is_named():
    """Of those that lose nothing in distribution: a network that calls everything background has the lowest of all."""
    errors, there = (
        {"baseline": 0.04, "slp": 0.02, "mc": 0.03, "empty": 0.01},
        {"baseline": 0.05, "mc": 0.02, "empty": 0},
    )
    words = words_of(errors, accuracy={"empty": 0.7}, ood_brier=there)
    assert words["What to use"].startswith("slp: ")
    assert words["Out of distribution"].endswith(
        "mc has the lowest mean Brier score there, 0.0200 [0.0181, 0.0219], significantly below slp's, 0.0300 [0.0281, "
        "0.0319]. Where many images hold none of the objects, it is the better choice."
    )
    unsure = {("mc", "accuracy"): 0.01, ("empty", "accuracy"): 0.01}
    words = words_of(errors, accuracy={"empty": 0.7}, ood_brier=there, uncertain=unsure)
    assert words["Out of distribution"].endswith(
        "it is the better choice, if it keeps the accuracy in distribution, which is not decided."
    )
    words = words_of(errors, accuracy={"empty": 0.7}, ood_brier=there, uncertain={("mc", "brier"): 0.02})
    assert words["Out of distribution"].endswith("not significantly below slp's, 0.0300 [0.0281, 0.0319].")
    words = words_of({"baseline": 0.02, "slp": 0.03}, ood_brier={"slp": 0.02})
    assert words["Out of distribution"].startswith("slp has the lowest mean Brier score on textures, 0.0200")


def test_more_seeds_no_warning_of_one():
    assert "trained once" not in words_of({"baseline": 0.04, "slp": 0.02}, seeds=(0, 1))["What to use"]


def test_accuracy_by_the_rule_of_c5():
    inside, *_ = compared({"baseline": 0.04, "a": 0.02, "b": 0.02}, accuracy={"a": 0.8951, "b": 0.8949})
    assert (inside.accuracy("a"), inside.accuracy("b")) == (KEPT, LOST)


def test_the_glance_has_every_method_best_first():
    rows = glance(*compared({"baseline": 0.04, "slp": 0.02, "mc": 0.03}, accuracy={"slp": 0.88}))
    assert [row["method"] for row in rows] == ["slp", "mc", "baseline"]
    assert [row["kept"] for row in rows] == ["lost", "kept", ""]
    assert rows[0]["ece"].value == pytest.approx(0.02)
    assert rows[0]["ece"].low == pytest.approx(0.02 + percentiles(STEADY, 100)[0])


def test_no_set_in_distribution_no_words():
    inside, *others = compared({"baseline": 0.04, "slp": 0.02})
    assert recommendation(ProtocolComparison(inside.results, "raw", ()), *others) == {}


def test_the_baseline_is_known_by_its_code():
    named = compared({"baseline": 0.04, "slp": 0.02, "mc": 0.03}, accuracy={"mc": 0.88})
    other = compared({"ce": 0.04, "slp": 0.02, "mc": 0.03}, accuracy={"mc": 0.88}, codes={"ce": "baseline"})
    words = [
        {heading: text.replace("baseline", "ce") for heading, text in recommendation(*of).items()}
        for of in (named, other)
    ]
    assert words[0] == words[1]
    assert [row["kept"] for row in glance(*other)] == [row["kept"] for row in glance(*named)] == ["kept", "lost", ""]


def test_of_two_baselines_the_one_of_its_name_decides():
    inside, *_ = compared({"ce": 0.01, "baseline": 0.04, "slp": 0.02}, codes={"ce": "baseline"})
    assert inside.baseline == "baseline"
    assert inside.recommended == "ce"
    words = words_of({"first": 0.01, "second": 0.04}, codes={"first": "baseline", "second": "baseline"})
    assert "lower mean ECE than first" in words["What to use"]


def test_what_was_not_run_everywhere_is_not_compared():
    inside, *_ = compared({"baseline": 0.04, "slp": 0.02, "mc": 0.01})
    del inside.results.measurements["raw", "two", "mc"]
    assert inside.methods == ["slp", "baseline"]


def test_equal_in_print_is_shared():
    words = words_of({"baseline": 0.02, "slp": 0.020001, "mc": 0.03}, shifted={"baseline": 0.1, "slp": 0.1, "mc": 0.2})
    assert words["Best calibrated"] == (
        "baseline and slp share the lowest mean ECE on one and two, 2.00 %, significantly below every "
        "other; next is mc (3.00 % [2.81, 3.19])."
    )
    assert words["Under shift"].startswith("baseline and slp share the lowest mean ECE on elsewhere, 10.00 %")
    assert words_of({"baseline": 0.02, "slp": 0.02})["Best calibrated"].endswith("two, 2.00 %.")


def test_below_the_floor_nothing_is_ranked_under_shift_either():
    there = {"baseline": 0.006, "slp": 0.005, "mc": 0.02}
    floor = dict.fromkeys(there, 0.01)
    words = words_of({"baseline": 0.04, "slp": 0.02, "mc": 0.03}, shifted=there, floor=floor)["Under shift"]
    assert words.startswith(
        "slp (0.50 % [0.00, 0.69]) and baseline (0.60 % [0.00, 0.79]): below the noise floor (1.00 %)"
    )
    assert "lowest" not in words
    assert "Of slp, the recommended one, its mean ECE, 0.50 % [0.00, 0.69], and baseline's, 0.60 %" in words
    assert "are both below the noise floor." in words


def test_a_method_is_called_by_its_name_and_in_short_by_one_sentence():
    inside, *others = compared({"baseline": 0.04, "beta": 0.02})
    titles = {"beta": "Beta calibration"}
    short = use_in_short(inside, titles)
    assert (
        short.startswith("beta (Beta calibration): its mean ECE is 2.00 percentage points") and short.count(". ") == 0
    )
    assert recommendation(inside, *others, titles=titles)["What to use"].startswith(short)
    assert use_in_short(ProtocolComparison(inside.results, "raw", ()), titles) == ""


def test_a_mean_over_sets_does_not_hide_one_of_them():
    """On one of two sets of textures the method's error is above the baseline's."""
    inside, outside, shifted = compared({"baseline": 0.04, "slp": 0.02}, ood={"baseline": 0.05, "slp": 0.01})
    there = {"baseline": 0.01, "slp": 0.03}
    more = {("raw", "grass", m): by_hand({"ece": [e], "brier": [0.03]}, STEADY) for m, e in there.items()}
    results = HandMade(inside.facts, {}, inside.results.measurements | more)
    both = ProtocolComparison(results, "raw", ["textures", "grass"])
    words = recommendation(inside, both, shifted)["Out of distribution"].replace("\u00a0", " ")
    assert "Set by set: textures 1.00 % [0.00, 1.19] against 5.00 % [4.81, 5.19]; grass 3.00 % [" in words
    assert "Set by set" not in recommendation(inside, outside, shifted)["Out of distribution"]


def test_few_groups_make_a_hint():
    """Intervals of few are wide, and what they say is no more than a hint."""
    inside, *others = compared({"baseline": 0.04, "slp": 0.02})
    assert "hint" not in recommendation(inside, *others)["What to use"]
    few = {
        key: replace(one, units=2, arrays={"groups": np.arange(2)}) for key, one in inside.results.measurements.items()
    }
    results = HandMade(inside.facts, {}, few)
    words = recommendation(*(ProtocolComparison.of(results, "raw", (role,)) for role in ("id", "ood", "shifted")))
    assert words["What to use"].endswith("on so few images or groups of them: one (2 groups) and two (2 groups).")


def test_sets_under_shift_are_spoken_of_apart_and_decide_nothing():
    """mc is best under shift, by far: without a word in what to use."""
    errors, there = {"baseline": 0.04, "slp": 0.02, "mc": 0.03}, {"baseline": 0.2, "slp": 0.1, "mc": 0.001}
    words, without = words_of(errors, shifted=there), words_of(errors)
    assert words == without | {
        "Under shift": "mc has the lowest mean ECE on elsewhere, 0.10 % [0.00, 0.29]. Of slp, the recommended one, its "
        "mean ECE, 10.00 % [9.81, 10.19], is lower than baseline's, 20.00 % [19.81, 20.19]. Sets from another source "
        "have no say in what to use."
    }
    rows = glance(*compared(errors, shifted=there))
    assert [row["method"] for row in rows] == ["slp", "mc", "baseline"]
    assert [round(row["shifted"].value, 6) for row in rows] == [0.1, 0.001, 0.2]
