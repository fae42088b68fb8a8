"""The claims of an experiment: each verdict from measurements made by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from made_claims import METHODS, PARTS, SLP, STEPS, changed, view, without, without_parts, without_runs
from made_results import HandMade, by_hand

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.claims.evidence import ABOVE_ZERO, BELOW_ZERO, Evidence, Wanted
from pipeline_src.claims.finding import FAILS, HOLDS, NOT_DECIDED, NOT_RUN, Finding
from pipeline_src.claims.registry import CLAIMS
from pipeline_src.claims.text import markdown, verdicts
from pipeline_src.claims.view import View
from pipeline_src.claims.write import evidence, judged, secondary
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.metrics.registry import METRICS


def finding(name: str, seen: View) -> Finding:
    return Finding.of(evidence(CLAIMS[name], seen))


def secondary_verdicts(name: str, seen: View) -> dict[str, str]:
    return {what: result.verdict for what, result in secondary(CLAIMS[name], seen)}


AGAINST = {
    "C1": [("baseline", "gap", "two", -0.03), ("baseline", "oe", "lines", 0.07), ("baseline", "oe", "one", 0.06)],
    "C2": [("slp", "ece", "two", 0.06), ("slp", "oe", "one", 0.05)],
    "C3": [("slp", "ece", "one", 0.04), ("slp", "ece", "two", 0.02)],
    "C4": [("slp", "ece", "two", 0.005), ("aslp_mei", "ece", "one", 0.005), ("aslp_mc", "ece", "one", 0.08)],
    "C5": [("aslp_mc", "accuracy", "one", 0.89), ("aslp_mei", "accuracy", "two", 0.85)],
    "C6": [("aslp_mc", "ece", "dots", 0.2), ("aslp_mei", "oe", "lines", 0.2)],
    "C7": [("aslp_mc", "entropy", "one", 0.5), ("baseline", "entropy", "dots", 0.5)],
}


@pytest.mark.parametrize("name", AGAINST)
def test_holds_where_every_set_agrees(name):
    for protocol in PROTOCOLS:
        result = finding(name, view(protocol=protocol))
        assert result.verdict == HOLDS, result.why
        assert result.evidence
        for effect in (item.decisive[1] for item in result.evidence):
            assert effect.low <= effect.value <= effect.high and effect.by_seed == {0: effect.value}


@pytest.mark.parametrize(("name", "change"), [(name, change) for name, of in AGAINST.items() for change in of])
def test_one_opposite_set_is_enough_against(name, change):
    *where, value = change
    result = finding(name, view({tuple(where): value}))
    assert result.verdict == FAILS
    against = [item for item in result.evidence if item.says(result.level) == "against it"]
    assert all(change[0] in item.what and change[2] in item.sets for item in against)
    assert "The clearest against it" in result.why


@pytest.mark.parametrize(
    ("name", "change", "wide"),
    [
        ("C1", ("baseline", "gap", "one", 0.001), ()),
        ("C1", ("baseline", "oe", "dots", 0.081), ("baseline",)),
        ("C2", ("slp", "oe", "two", 0.039), ("slp",)),
        ("C3", ("slp", "ece", "one", 0.036), ("slp",)),
        ("C4", ("aslp_mc", "ece", "one", 0.019), ("aslp_mc",)),
        ("C5", ("aslp_mei", "accuracy", "two", 0.8951), ("aslp_mei",)),
        ("C6", ("aslp_mc", "oe", "lines", 0.109), ("aslp_mc",)),
        ("C7", ("aslp_mei", "entropy", "dots", 0.301), ("aslp_mei",)),
    ],
)
def test_an_interval_across_the_bound_decides_nothing(name, change, wide):
    *where, value = change
    result = finding(name, view({tuple(where): value}, wide=wide))
    assert result.verdict == NOT_DECIDED
    assert "The most open" in result.why


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("C1", "baseline"),
        ("C2", "slp"),
        ("C2", "baseline"),
        ("C3", "label_smoothing"),
        ("C3", "slp"),
        ("C4", "aslp_mc"),
        ("C5", "aslp_mei"),
        ("C5", "aslp_mc"),
        ("C6", "baseline"),
        ("C7", "aslp_mei"),
        ("C9", "aslp_mc"),
    ],
)
def test_a_missing_method_is_named_with_the_command(name, missing):
    result = finding(name, without(view(), missing))
    assert result.verdict == NOT_RUN
    assert f"a block of {missing}" in result.why
    assert "snakemake --cores all --config experiment=made" in result.why


@pytest.mark.parametrize(("name", "role"), [("C1", "id"), ("C1", "ood"), ("C2", "id"), ("C6", "ood"), ("C7", "id")])
def test_missing_sets_are_named(name, role):
    result = finding(name, without_parts(view(), role))
    assert result.verdict == NOT_RUN
    assert f"“data: {role}:”" in result.why


def test_a_run_that_was_not_evaluated_is_named():
    result = finding("C2", without_runs(view(), ("raw", "two", "slp")))
    assert result.verdict == NOT_RUN
    assert [item.what for item in result.missing] == ["slp on two"]


def test_an_undefined_metric_is_named():
    seen = view()
    one = seen.results.measurement("raw", "slp", "two")
    blank = replace(one, points={"oe": one.points["oe"]})
    made = {**seen.results.measurements, ("raw", "two", "slp"): blank}
    result = finding("C2", replace(seen, results=replace(seen.results, measurements=made)))
    assert result.verdict == NOT_RUN
    assert [item.what for item in result.missing] == ["ECE of slp − baseline, which is undefined on two"]


def test_what_opposes_counts_although_something_is_missing():
    result = finding("C6", without(view({("aslp_mc", "ece", "dots"): 0.2}), "aslp_mei"))
    assert result.verdict == FAILS
    assert "Missing: a block of aslp_mei" in result.why


def test_twice_as_much_is_far_more():
    only_more = {("baseline", "oe", part): 0.06 for part in ("dots", "lines")}  # 0.04 on ID sets
    assert finding("C1", view(only_more)).verdict == FAILS


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.9, HOLDS), (0.8951, HOLDS), (0.8949, FAILS), (0.95, HOLDS)])
def test_accuracy_is_kept_within_half_a_point(accuracy, verdict):
    assert finding("C5", view({("aslp_mc", "accuracy", "one"): accuracy})).verdict == verdict


@pytest.mark.parametrize(("ece", "verdict"), [(0.0359, HOLDS), (0.0361, FAILS), (0.0261, HOLDS), (0.0259, FAILS)])
def test_alike_is_within_half_a_point(ece, verdict):
    assert finding("C3", view({("slp", "ece", "one"): ece})).verdict == verdict


def test_equal_methods_are_not_decided():
    """Two methods of the very same maps: no effect, and no interval to speak of."""
    for ends in ((0.0, 0.0), (np.nan, np.nan)):
        assert Evidence("same", {"one": 1}, Estimate({0: 0.0}, *ends), BELOW_ZERO, METRICS["oe"]).says() == "open"


def test_two_videos_decide_nothing():
    """Intervals of few units hold, each for itself; how they hold together is not known."""
    for units, says in ((2, "open"), (9, "open"), (10, "for it"), (0, "for it")):
        effect = Estimate({0: -0.2}, -0.3, -0.1, units=units)
        assert Evidence("accuracy", {"videos": 300}, effect, BELOW_ZERO, METRICS["accuracy"]).says() == says


def test_a_difference_of_errors_needs_both_intervals():
    square, own = Estimate({0: -9e-4}, -12e-4, -6e-4, reference=25e-4), Estimate({0: -0.01}, -0.02, -0.005)
    effect = replace(own, image_low=math.nan, image_high=math.nan, decided=square, own=own)
    says = {BELOW_ZERO: "for it", ABOVE_ZERO: "against it"}
    own_holds_0, square_holds_0 = replace(own, image_high=0.001), replace(square, image_high=1e-5)
    open_ones = (replace(effect, own=own_holds_0), replace(effect, decided=square_holds_0))
    for wanted, word in says.items():
        assert Evidence("ECE", {"one": 100}, effect, wanted, METRICS["ece"]).says() == word
        for of in open_ones:
            item = Evidence("ECE", {"one": 100}, of, wanted, METRICS["ece"])
            assert item.says() == "open" and not of.excludes_zero
            assert Evidence.from_json(item.as_json(), wanted, METRICS["ece"]).says() == "open"


def test_sets_under_shift_have_no_say():
    seen = changed(view({("slp", "oe", "one"): 0.05}), parts=PARTS | {"one": "shifted"})
    assert seen.sets("id") == ["two"]
    assert finding("C2", seen).verdict == HOLDS
    assert secondary_verdicts("C2", seen) == {"slp on one": FAILS}


def test_validation_images_are_no_evidence():
    items = [item for claim in CLAIMS.values() for item in evidence(claim, view())]
    assert {part for item in items if isinstance(item, Evidence) for part in item.sets} == PARTS.keys() - {"val"}


# Which block stands for which method


def test_claims_follow_the_code_and_not_the_name():
    names = {"ce": "baseline", "soft": "slp", "ls": "label_smoothing", "entropic": "aslp_mei", "calibrated": "aslp_mc"}
    renamed = view(methods={name: METHODS[code] for name, code in names.items()})
    for name in AGAINST:
        assert finding(name, renamed).verdict == HOLDS, name
    assert "ECE of soft − ce" in {item.what for item in finding("C2", renamed).evidence}
    tree = judged(renamed)
    assert tree["compared"] == list(names)
    assert tree["against_baseline"]["raw"]["aslp_mc"]["ece"][0]["what"] == "ECE of calibrated − ce"


@pytest.mark.parametrize(
    ("first", "second", "principal"),
    [("ce", "other", "ce"), ("ce", "baseline", "baseline"), ("baseline", "ce", "baseline")],
)
def test_one_of_two_baselines_decides(first, second, principal):
    """The one of the method's name, or else the first; the other is secondary, and a rival like any."""
    others = {name: of for name, of in METHODS.items() if name != "baseline"}
    seen = view(methods={first: METHODS["baseline"], second: METHODS["baseline"]} | others)
    assert {item.what for item in finding("C2", seen).evidence} == {
        f"{metric} of slp − {principal}" for metric in ("ECE", "OE")
    }
    other = second if principal == first else first
    assert secondary_verdicts("C1", seen) == {f"{other} instead": HOLDS}
    assert {f"ECE of aslp_mc − {name}" for name in (first, second)} <= {i.what for i in finding("C4", seen).evidence}
    assert judged(seen)["against_baseline"]["raw"]["aslp_mc"]["ece"][0]["what"] == f"ECE of aslp_mc − {principal}"


def test_other_blocks_of_a_method_are_secondary_and_decide_nothing():
    seen = view({("slp_si", "ece", "one"): 0.2}, {"slp_si": SLP, **METHODS})
    assert finding("C2", seen).verdict == HOLDS
    assert secondary_verdicts("C2", seen) == {"slp_si instead": FAILS}
    assert finding("C3", seen).verdict == FAILS  # which speaks of every SLP of the same s


def test_only_equal_s_is_compared():
    strong = MethodFacts("slp", {"alpha": 0.1, "beta": 1.0})
    seen = view({("strong", "ece", "one"): 0.2}, METHODS | {"strong": strong})
    assert finding("C3", seen).verdict == HOLDS
    assert "2 alpha beta = 0.1" in finding("C3", without(seen, "slp")).why


def test_methods_outside_the_comparison_do_not_count():
    seen = view({("aslp_cl", "ece", "one"): 0.001}, METHODS | {"aslp_cl": MethodFacts("aslp_cl")})
    assert finding("C4", seen).verdict == HOLDS
    others = {what: of for what, of in secondary_verdicts("C4", seen).items() if "lowest mean" not in what}
    assert others == {"aslp_cl instead": FAILS, "aslp_mc against aslp_cl": FAILS}


def test_the_lowest_mean_that_no_method_is_significantly_below_is_a_weaker_reading():
    reading = "aslp_mc, lowest mean ECE, significantly above that of none"
    for ece, wide, strict, weak in (
        (0.0, (), HOLDS, HOLDS),
        (0.0195, ("aslp_mc",), NOT_DECIDED, HOLDS),  # below aslp_mei's 0.02, and not significantly
        (0.0205, ("aslp_mc",), NOT_DECIDED, NOT_DECIDED),
        (0.03, (), FAILS, FAILS),
    ):
        seen = view({("aslp_mc", "ece", "two"): ece}, wide=wide)
        assert (finding("C4", seen).verdict, secondary_verdicts("C4", seen)[reading]) == (strict, weak)


def test_textures_that_are_not_the_papers_have_no_say():
    """Where there are some of the paper; `lines` are not, and say the opposite."""
    worse = {("aslp_mc", "ece", "lines"): 0.3, ("baseline", "oe", "lines"): 0.01, ("baseline", "entropy", "lines"): 0.9}
    papers = changed(view(worse), in_paper=("one", "dots"))
    for name, block in (("C1", "baseline"), ("C6", "aslp_mc"), ("C7", "aslp_mei")):
        assert finding(name, papers).verdict == HOLDS
        assert secondary_verdicts(name, papers)[f"{block} on lines"] == FAILS
        assert finding(name, view(worse)).verdict == FAILS  # none is the paper's, so that all count
    assert not judged(papers)["claims"][1]["protocols"]["raw"]["secondary"]  # C2 speaks of no textures


def test_entropy_is_compared_with_what_the_paper_compares_it_with():
    """Focal loss has a high entropy by construction."""
    methods = METHODS | {"focal": MethodFacts("focal")}
    seen = view({("focal", "entropy", part): 0.9 for part in PARTS}, methods)
    assert finding("C7", seen).verdict == HOLDS
    assert secondary_verdicts("C7", seen) == {"aslp_mei against focal": FAILS}


def test_temperature_counts_where_it_corrects_the_baseline():
    for of, verdict in (("baseline", FAILS), ("slp", HOLDS)):
        methods = METHODS | {"temperature": MethodFacts("temperature", {"of": of}, trains=False)}
        assert finding("C4", view({("temperature", "ece", "two"): 0.001}, methods)).verdict == verdict


def test_s_and_e_measure_are_secondary_to_accuracy():
    changes = {(method, "s_measure", part): 0.8 for method in METHODS for part in PARTS}
    lower = changes | {("aslp_mc", "s_measure", "two"): 0.7}
    for points, verdict in ((changes, HOLDS), (lower, FAILS)):
        seen = view(points)
        # Nobody measured E.
        assert secondary_verdicts("C5", seen) == {"S-measure of aslp_mc": verdict, "S-measure of aslp_mei": HOLDS}
        assert finding("C5", seen).verdict == HOLDS
    assert not secondary_verdicts("C5", view())


def test_several_classes_are_judged_by_what_they_have():
    changes = {(method, "mean_iou", part): 0.6 for method in METHODS for part in ("one", "two")}
    seen = changed(view(changes), class_names=("background", "red", "blue"))
    assert secondary_verdicts("C5", seen) == {"mIoU of aslp_mc": HOLDS, "mIoU of aslp_mei": HOLDS}
    tree = judged(seen)
    assert {protocol for claim in tree["claims"] for protocol in claim["protocols"]} == {"raw", "any"}
    assert list(tree["against_baseline"]) == ["raw"]


# Seeds


def of_seeds(slp: dict[int, float], baseline: dict[int, float], **more) -> View:
    """ECE by seed of two methods on one set, which rise together."""
    methods = {name: replace(METHODS[name], **more) if name == "slp" else METHODS[name] for name in ("slp", "baseline")}
    made = {}
    for method, values in {"slp": slp, "baseline": baseline}.items():
        points = {name: list(values.values()) for name in ("ece", "oe")}
        made["raw", "one", method] = by_hand(points, STEPS, values, of_all_seeds=methods[method].of_all_seeds)
    return View(HandMade(Facts("made", methods, {"one": "id"}), {}, made))


def test_seeds_are_paired_and_averaged():
    first = finding("C2", of_seeds({0: 0.01, 1: 0.04, 2: 0.5}, {0: 0.03, 1: 0.05, 3: 0.9})).evidence[0]
    assert first.effect.by_seed == pytest.approx({0: -0.02, 1: -0.01})
    assert first.effect.value == pytest.approx(-0.015)
    # The square decides: -8e-4 and -9e-4, standard error 0.5e-4, t = 12.7 with one degree of freedom; all images agree.
    squared = first.effect.decided
    assert squared.by_seed == pytest.approx({0: -8e-4, 1: -9e-4})
    assert (squared.low, squared.high) == pytest.approx(
        (-8.5e-4 - 12.70620474 * 0.5e-4, -8.5e-4 + 12.70620474 * 0.5e-4)
    )
    assert first.effect.own.interval() == pytest.approx((-0.015 - 12.70620474 * 0.005, -0.015 + 12.70620474 * 0.005))
    assert first.says() == "open"  # the error itself could be equal
    assert first.as_json()["printed_seeds"] == "0: −2.00, 1: −1.00"


def test_without_a_common_seed_nothing_is_compared():
    result = finding("C2", of_seeds({0: 0.01}, {1: 0.03}))
    assert result.verdict == NOT_RUN
    assert "a seed that slp and baseline share" in result.why


def test_one_run_of_all_seeds_is_compared_with_each():
    seen = of_seeds({0: 0.01}, {0: 0.03, 1: 0.05}, of_all_seeds=True)
    assert finding("C2", seen).evidence[0].effect.by_seed == pytest.approx({0: -0.02, 1: -0.04})


# Texts


def test_generated_images_are_never_concealed():
    """Every verdict on generated images says that they are."""
    tree = judged(changed(view(), synthetic=True))
    assert tree["synthetic"]
    cells = [cell for row in verdicts(tree).groups[0].rows for cell in row[1:]]
    assert set(cells) == {"holds for these networks, on generated images", "not run"}
    assert "settle no claim" in markdown(tree)
    assert "settle no claim" not in markdown(judged(view()))


def test_a_margin_around_a_reference_below_it_has_no_lower_end():
    """An error cannot be lower by more than it is."""
    assert Wanted(-0.005, np.inf).squared(0.004) == Wanted(-np.inf, np.inf)
    of_both = Wanted(-0.005, 0.005).squared(0.01)
    assert (of_both.low, of_both.high) == pytest.approx((0.005**2 - 0.01**2, 0.015**2 - 0.01**2))


def test_effects_as_they_are_printed():
    ece, entropy, s = METRICS["ece"], METRICS["entropy"], METRICS["s_measure"]
    assert ece.signed(0.0123) == "+1.23"
    assert ece.signed(-0.0123) == "−1.23"
    assert ece.signed(-0.00001) == "0.00"
    assert ece.signed(float("nan")) == "–"
    assert entropy.signed(0.0123) == "+0.0123"
    assert Wanted(-0.005, np.inf).text(ece) == "above −0.50"
    assert Wanted(-0.005, 0.005).text(ece) == "within ±0.50"
    assert BELOW_ZERO.text(ece) == "below 0"
    effect = Estimate({0: -0.0123}, -0.02, -0.01)
    texts = [Evidence("effect", {"one": 1}, effect, BELOW_ZERO, quantity).text() for quantity in (ece, entropy, s)]
    assert texts == [
        "effect on one: −1.23 [−2.00, −1.00] percentage points",
        "effect on one: −0.0123 [−0.0200, −0.0100] nats",
        "effect on one: −0.0123 [−0.0200, −0.0100]",
    ]


def test_what_leaves_a_comparison_open_stands_with_it():
    def below(effect: Estimate, level: float = 0.99) -> list[str]:
        one = Evidence("effect", {"one": 30}, effect, BELOW_ZERO, METRICS["ece"])
        return [one.says(level), one.open_because(level, 8), one.text(level, 8).split(": ", 1)[1]]

    few = below(Estimate({0: 0.02}, 0.01, 0.03, units=6))
    assert few == ["open", "only 6 groups", "+2.00 [+1.00, +3.00] percentage points, open: only 6 groups"]
    # Half a width of 1.96 standard errors; at 99.9 % it is 3.29 of them.
    says, because, text = below(Estimate({0: 0.02}, 0.004, 0.036), 0.999)
    assert says == "open" and because == "all 8 together: [−0.69, +4.69]"
    assert text == "+2.00 [+0.40, +3.60] percentage points, open: all 8 together: [−0.69, +4.69]"
    assert below(Estimate({0: 0.02}, 0.004, 0.036), 0.95)[:2] == ["against it", ""]
    assert below(Estimate({0: 0.02}, -0.01, 0.05))[:2] == ["open", ""]


def test_a_square_is_told_only_where_it_alone_leaves_a_comparison_open():
    def text(own: Estimate, square: Estimate, level: float = 0.95) -> str:
        effect = Estimate(own.by_seed, math.nan, math.nan, decided=square, own=own)
        return Evidence("effect", {"one": 30}, effect, BELOW_ZERO, METRICS["ece"]).text(level, 8)

    lower, either = Estimate({0: -0.02}, -0.03, -0.01), Estimate({0: -0.02}, -0.05, 0.01)
    square, open_square = Estimate({0: -0.0004}, -0.0006, -0.0002), Estimate({0: -0.0004}, -0.0012, 0.0004)
    assert "squared" not in text(lower, square) and "squared" not in text(either, open_square)
    assert "−2.00 [−3.00, −1.00]; squared −4.00 [−12.00, +4.00] points²" in text(lower, open_square)
    higher, its_square = Estimate({0: 0.02}, 0.01, 0.03), Estimate({0: 0.0004}, 0.0001, 0.0007)
    assert text(higher, its_square, 0.999).endswith("points, open: all 8 together: squared [−1.04, +9.04]")


def test_the_effect_that_would_have_been_shown_is_in_points():
    """2.8016 standard errors: 1.96 for the level and 0.8416 for 80 %; of squares, the error that they mean."""

    def power(own: float, square: float, reference: float) -> str:
        decided = Estimate({0: 0.0}, -1.96 * square, 1.96 * square, reference=reference)
        of = Estimate({0: 0.0}, -1.96 * own, 1.96 * own)
        effect = Estimate({0: 0.0}, math.nan, math.nan, decided=decided, own=of)
        return Evidence("effect", {"one": 30}, effect, BELOW_ZERO, METRICS["ece"]).power

    assert "effect of 2.80 percentage points in 80 %" in power(0.01, 0.0, 0.01)
    assert "effect of less than 0.01 percentage points in 80 %" in power(1e-6, 0.0, 0.01)
    root = 100 * (0.1 - math.sqrt(0.01 - 2.8016 * 0.002))
    assert f"effect of {root:.2f} percentage points in 80 %" in power(0.001, 0.002, 0.01)
    assert power(0.001, 0.002, 0.005) == "Not even an error of 0 would have shown itself as lower in 80 % of cases."


def test_the_power_stands_where_nothing_is_decided():
    power = "in 80 % of cases"
    assert power not in finding("C2", view()).why
    assert power not in finding("C2", view({("slp", "ece", "two"): 0.06})).why
    assert power in finding("C5", view({("aslp_mei", "accuracy", "two"): 0.8951}, wide=("aslp_mei",))).why


def shown(seen: View) -> list[str]:
    return [claim["claim"] for claim in judged(seen)["claims"]]


def test_claims_are_chosen_by_the_experiment():
    assert shown(view()) == list(CLAIMS)
    assert shown(changed(view(), claims=("C5", "C1"))) == ["C1", "C5"]
    none = judged(changed(view(), claims=()))
    assert none["claims"] == [] and "asks for none" in markdown(none)


def test_on_own_data_those_that_cannot_be_judged_are_not_shown():
    seen = without(without_parts(view(), "ood"), "label_smoothing")
    own = judged(changed(seen, own_data=True))
    assert shown(seen) == list(CLAIMS)
    assert own["left_out"] == ["C1", "C3", "C6", "C9"]
    assert [claim["claim"] for claim in own["claims"]] == ["C2", "C4", "C5", "C7"]
    assert "Not shown, since this experiment cannot judge them: C1, C3, C6, C9." in markdown(own)
    assert shown(changed(seen, own_data=True, claims=("C1",))) == ["C1"]  # asked for by name
