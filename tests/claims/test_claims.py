"""The claims of an experiment: each verdict from measurements made by hand."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest
from made_claims import METHODS, PARTS, SLP, changed, view, without, without_parts, without_runs
from scipy import stats

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.facts import MethodFacts
from pipeline_src.claims.checks import View
from pipeline_src.claims.registry import CLAIM_FILES, CLAIMS
from pipeline_src.claims.verdict import (
    ABOVE_ZERO,
    AGAINST,
    BELOW_ZERO,
    BOUNDED,
    FOR,
    INCONCLUSIVE,
    NOT_RUN,
    REFUTED,
    SUPPORTED,
    UNDECIDABLE,
    Evidence,
    Finding,
    Target,
)
from pipeline_src.claims.write import claims_markdown, judged, write_claims
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.metrics.metric import Quantity
from pipeline_src.metrics.registry import METRICS


def finding(name: str, seen: View) -> Finding:
    return Finding.of(CLAIMS[name].evidence(seen))


def secondary_verdicts(name: str, seen: View) -> dict[str, str]:
    return {what: result.verdict for what, result in CLAIMS[name].secondary(seen)}


OPPOSED = {
    "C1": [("baseline", "gap", "two", -0.03), ("baseline", "oe", "lines", 0.07), ("baseline", "oe", "one", 0.06)],
    "C2": [("slp", "ece", "two", 0.06), ("slp", "oe", "one", 0.05)],
    "C3": [("slp", "ece", "one", 0.04), ("slp", "ece", "two", 0.02)],
    "C4": [("slp", "ece", "two", 0.005), ("aslp_mei", "ece", "one", 0.005), ("aslp_mc", "ece", "one", 0.08)],
    "C5": [("aslp_mc", "accuracy", "one", 0.89), ("aslp_mei", "accuracy", "two", 0.85)],
    "C6": [("aslp_mc", "ece", "dots", 0.2), ("aslp_mei", "oe", "lines", 0.2)],
    "C7": [("aslp_mc", "entropy", "one", 0.5), ("baseline", "entropy", "dots", 0.5)],
}


@pytest.mark.parametrize("name", OPPOSED)
def test_every_set_that_agrees_supports(name):
    for protocol in PROTOCOLS:
        result = finding(name, view(protocol=protocol))
        assert result.verdict == SUPPORTED and result.evidence, result.why


@pytest.mark.parametrize(("name", "change"), [(name, change) for name, of in OPPOSED.items() for change in of])
def test_one_opposing_set_refutes(name, change):
    *place, value = change
    result = finding(name, view({tuple(place): value}))
    assert result.verdict == REFUTED
    against = [item for item in result.evidence if item.says(result.level) == AGAINST]
    assert against and all(change[0] in item.what and change[2] in item.sets for item in against)


@pytest.mark.parametrize(
    ("name", "change", "wide", "verdict"),
    [
        ("C1", ("baseline", "oe", "dots", 0.06), (), REFUTED),  # more, but not twice as much
        ("C2", ("slp", "oe", "two", 0.039), ("slp",), INCONCLUSIVE),
        ("C2", ("slp", "ece", "two", 0.0495), ("slp",), BOUNDED),
        ("C3", ("slp", "ece", "one", 0.0359), (), SUPPORTED),  # half a point from label smoothing's 0.031
        ("C3", ("slp", "ece", "one", 0.0361), (), REFUTED),
        ("C5", ("aslp_mc", "accuracy", "one", 0.8951), (), SUPPORTED),
        ("C5", ("aslp_mc", "accuracy", "one", 0.8949), (), REFUTED),
        ("C7", ("aslp_mei", "entropy", "dots", 0.301), ("aslp_mei",), INCONCLUSIVE),
    ],
)
def test_verdicts_at_the_margins(name, change, wide, verdict):
    *place, value = change
    result = finding(name, view({tuple(place): value}, wide=wide))
    assert result.verdict == verdict, result.why


@pytest.mark.parametrize(
    ("name", "seen", "named"),
    [
        ("C1", without(view(), "baseline"), "a block of baseline"),
        ("C2", without(view(), "slp"), "a block of slp"),
        ("C3", without(view(), "slp"), "an entry of slp"),
        ("C4", without(view(), "mixup", "baseline"), "a block of baseline, mixup"),
        ("C7", without(view(), "als"), "a block of als"),
        ("C6", without(view(), "baseline"), "a block of baseline"),
        ("C9", without(view(), "aslp_mc"), "a block of aslp_mc"),
        *((name, without_parts(view(), role), f"“data: {role}:”") for name, role in (("C1", "ood"), ("C7", "id"))),
        ("C2", without_runs(view(), ("raw", "two", "slp")), "slp on two"),
    ],
)
def test_what_is_missing_is_named_with_the_command(name, seen, named):
    result = finding(name, seen)
    assert result.verdict == NOT_RUN
    assert named in result.why and "snakemake --cores all --config experiment=made" in result.why


# One comparison


def comparison(effect: Estimate, target: Target = BELOW_ZERO, margin: float = 0.005) -> Evidence:
    return Evidence("effect", {"one": 100}, effect, target, METRICS["ece"], margin)


@pytest.mark.parametrize(
    ("ends", "target", "says"),
    [
        ((-0.03, -0.001), BELOW_ZERO, FOR),
        ((-0.004, -0.001), BELOW_ZERO, FOR),
        ((-0.004, 0.001), BELOW_ZERO, BOUNDED),
        ((0.001, 0.004), BELOW_ZERO, AGAINST),
        ((-0.006, 0.001), BELOW_ZERO, INCONCLUSIVE),
        ((0.001, 0.03), ABOVE_ZERO, FOR),
        ((-0.004, 0.004), Target(-0.005, math.inf), FOR),
        ((-0.006, 0.1), Target(-0.005, math.inf), INCONCLUSIVE),
        ((math.nan, math.nan), BELOW_ZERO, INCONCLUSIVE),
    ],
)
def test_a_comparison_follows_from_its_interval(ends, target, says):
    effect = Estimate({0: sum(ends) / 2}, *ends)
    assert comparison(effect, target).says() == says
    if says == BOUNDED:
        assert comparison(effect, target, margin=0.0).says() == INCONCLUSIVE
        assert comparison(effect, target, margin=0.003).says() == INCONCLUSIVE


def test_few_units_decide_nothing():
    for units, says in ((2, INCONCLUSIVE), (9, INCONCLUSIVE), (10, FOR), (0, FOR)):
        assert comparison(Estimate({0: -0.2}, -0.3, -0.1, units=units)).says() == says


def test_with_few_seeds_the_squared_error_has_to_agree():
    square, own = Estimate({0: -9e-4}, -12e-4, -6e-4, reference=25e-4), Estimate({0: -0.01}, -0.02, -0.005)
    effect = replace(own, decided=square)
    for target, says in ((BELOW_ZERO, FOR), (ABOVE_ZERO, AGAINST)):
        assert comparison(effect, target).says() == says
        for other in (replace(effect, image_high=0.001), replace(effect, decided=replace(square, image_high=1e-5))):
            assert comparison(other, target).says() == INCONCLUSIVE


@pytest.mark.parametrize(
    ("ends", "target", "says", "shown"),
    [
        ((-0.04, -0.02), ABOVE_ZERO, AGAINST, "[−4.78, −1.22]"),
        ((-0.04, -0.002), ABOVE_ZERO, INCONCLUSIVE, "[−5.47, +1.27]"),
        ((-0.04, -0.002), BELOW_ZERO, FOR, "[−4.00, −0.20]"),
        ((-0.04, 0.002), ABOVE_ZERO, INCONCLUSIVE, "[−4.00, +0.20]"),
        ((0.001, 0.004), BELOW_ZERO, BOUNDED, "[+0.10, +0.40]"),
    ],
)
def test_a_sentence_shows_the_interval_that_decides(ends, target, says, shown):
    """By hand: at a level of 99.95 % a half width is 3.481 / 1.960 times that of 95 %."""
    item = comparison(Estimate({0: sum(ends) / 2}, *ends), target)
    assert item.says(0.9995) == says
    assert shown in item.text(0.9995)


def test_a_sentence_shows_the_squared_error_that_does_not_agree():
    square, own = Estimate({0: -9e-4}, -12e-4, 1e-4, reference=25e-4), Estimate({0: -0.01}, -0.02, -0.005)
    assert "[-0.0012, +0.0001]" in comparison(replace(own, decided=square)).text()
    agrees = replace(square, image_high=-6e-4)
    assert "0.0012" not in comparison(replace(own, decided=agrees)).text()


def test_what_would_decide_follows_from_the_variance_components():
    """Images: half a width of 0.01; seeds: a standard deviation of 0.03 over three."""
    effect = Estimate({0: -0.05, 1: -0.02, 2: 0.01}, -0.03, -0.01)
    widths = {s: math.hypot(0.01, stats.t.ppf(0.975, s - 1) * 0.03 / math.sqrt(s)) for s in range(2, 40)}
    assert f"by {min(s for s in widths if widths[s] < 0.02)} seeds." in comparison(effect).needed(0.95)
    (images,) = re.findall(r"by (\d+) images", comparison(Estimate({0: -0.02}, -0.06, 0.02)).needed(0.95))
    assert int(images) == pytest.approx(100 * (0.04 / 0.02) ** 2, abs=10)
    assert comparison(Estimate({0: 0.0}, -0.06, 0.06)).needed(0.95) == UNDECIDABLE


def test_what_would_decide_is_what_the_squared_error_needs_too():
    """Half a width of 26 around -4 must shrink by 6.5; a squared error on the other side never agrees."""
    own, square = Estimate({0: -0.02}, -0.06, 0.02), Estimate({0: -4e-4}, -30e-4, 22e-4, reference=25e-4)
    (images,) = re.findall(r"by ([\d,]+) images", comparison(replace(own, decided=square)).needed(0.95))
    assert int(images.replace(",", "")) == pytest.approx(100 * 6.5**2, abs=10)
    opposed = replace(square, by_seed={0: 1e-4})
    assert comparison(replace(own, decided=opposed)).needed(0.95) == UNDECIDABLE


def test_what_would_decide_is_the_distance_to_the_nearer_bound():
    """Half a width of 0.01 around 0.003 must shrink to the distance to 0.005, and to that from 0.003 to 0.001."""
    effect = Estimate({0: 0.003}, -0.007, 0.013)
    for target, distance in ((Target(-0.005, 0.005), 0.002), (Target(0.001, math.inf), 0.002), (ABOVE_ZERO, 0.003)):
        (images,) = re.findall(r"by ([\d,]+) images", comparison(effect, target).needed(0.95))
        assert int(images.replace(",", "")) == pytest.approx(100 * (0.01 / distance) ** 2, abs=10)


def test_wanted_ranges_and_the_order_of_comparisons():
    points = Quantity(title="", factor=100, digits=2)
    texts = [
        target.text(points) for target in (Target(-0.005, 0.005), BELOW_ZERO, ABOVE_ZERO, Target(-0.005, math.inf))
    ]
    assert texts == ["within ±0.50", "below 0", "above 0", "above −0.50"]
    # In half widths of 0.01: to 0, to 0 from outside, to the nearer of two.
    effect = Estimate({0: -0.03}, -0.04, -0.02)
    for target, slack in ((BELOW_ZERO, 2), (ABOVE_ZERO, -4), (Target(-0.05, 0.01), 1)):
        assert comparison(effect, target).slack == pytest.approx(slack)


# Sets and method entries that decide


def test_sets_that_decide_nothing():
    """Validation images, sets under shift, and textures that are not the paper's where some are."""
    items = [item for claim in CLAIMS.values() for item in claim.evidence(view())]
    assert {part for item in items if isinstance(item, Evidence) for part in item.sets} == PARTS.keys() - {"val"}
    shifted = changed(view({("slp", "oe", "one"): 0.05}), splits=PARTS | {"one": "shifted"})
    assert finding("C2", shifted).verdict == SUPPORTED
    worse = {("aslp_mc", "ece", "lines"): 0.3, ("baseline", "oe", "lines"): 0.01, ("baseline", "entropy", "lines"): 0.9}
    papers = changed(view(worse), in_paper=("one", "dots"))
    for name in ("C1", "C6", "C7"):
        assert finding(name, papers).verdict == SUPPORTED
        assert finding(name, view(worse)).verdict == REFUTED  # none is the paper's: all count


def test_claims_follow_the_code_and_not_the_name():
    names = {"ce": "baseline", "soft": "slp", "ls": "label_smoothing", "entropic": "aslp_mei", "calibrated": "aslp_mc"}
    named = {code: name for name, code in names.items()}
    renamed = view(methods={named.get(code, code): method for code, method in METHODS.items()})
    for name in OPPOSED:
        assert finding(name, renamed).verdict == SUPPORTED, name
    assert "ECE of soft − ce" in {item.what for item in finding("C2", renamed).evidence}
    tree = judged(renamed)
    assert tree["carried_over"]["raw"]["evidence"][0]["what"] == "ECE of calibrated − ce"


def test_entries_that_decide_nothing():
    """Another SLP, ASLP_CL against the lowest ECE, focal loss against the highest entropy."""
    seen = view({("slp_si", "ece", "one"): 0.2}, {"slp_si": SLP, **METHODS})
    assert finding("C2", seen).verdict == SUPPORTED and secondary_verdicts("C2", seen) == {"slp_si instead": REFUTED}
    assert finding("C3", seen).verdict == REFUTED  # speaks of every SLP of the same s
    seen = view({("aslp_cl", "ece", "one"): 0.001}, METHODS | {"aslp_cl": MethodFacts("aslp_cl")})
    assert finding("C4", seen).verdict == SUPPORTED
    focal = {("focal", "entropy", part): 0.9 for part in PARTS}
    assert finding("C7", view(focal, METHODS | {"focal": MethodFacts("focal")})).verdict == SUPPORTED


# Texts


def test_synthetic_images_are_named_in_every_verdict():
    text = claims_markdown(judged(changed(view(), synthetic=True)))
    assert "networks, on synthetic images**" in text and "networks**" not in text
    assert "synthetic" not in claims_markdown(judged(view()))


def test_claims_are_chosen_by_the_experiment_and_written(tmp_path):
    for chosen, expected in ((None, list(CLAIMS)), (("C5", "C1"), ["C1", "C5"]), ((), [])):
        seen = changed(view(), claims=chosen)
        write_claims(seen.results, {}, tmp_path)
        assert sorted(file.name for file in tmp_path.iterdir()) == sorted(CLAIM_FILES)
        tree = json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))
        assert [claim["claim"] for claim in tree["claims"]] == expected
        text = (tmp_path / "claims.md").read_text(encoding="utf-8")
        findings = [finding for claim in tree["claims"] for finding in claim["protocols"].values()]
        assert all(item["printed"].split(" ")[0] in text for finding in findings for item in finding["evidence"])
