"""What to use, in words: a few sentences that follow from the numbers and their intervals by fixed rules.

The rules: a method is better calibrated than another if the interval of the paired difference of their mean ECE over
the in-distribution sets excludes 0. Among the methods that keep the baseline's accuracy (by the rule of claim C5), and
whose Brier score and ranking of pixels are not significantly worse than its, the one of the lowest mean ECE is
recommended, if it is better calibrated than the baseline; methods that do not differ from it significantly are named
with it. An ECE alone could be had by one confidence for all pixels. Sets under shift and out of distribution are spoken
of apart and decide nothing; out of distribution, the method of the lowest mean Brier score is named among those that
are not shown to lose accuracy, Brier score or ranking in distribution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.metrics.registry import METRICS
from pipeline_src.report import lowest
from pipeline_src.report.comparison import KEPT, LOST, NOT_DECIDED, REFINEMENT, ProtocolComparison
from pipeline_src.report.lowest import mean_in_words, with_mean
from pipeline_src.report.sentences import few_units, listing

ECE = METRICS["ece"]
ONCE = "Each method was trained once: another training may change the order of methods that lie close."


def recommendation(
    inside: ProtocolComparison,
    outside: ProtocolComparison,
    shifted: ProtocolComparison,
    *,
    titles: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Heading -> sentences; empty where no test set is in distribution.

    Args:
        inside, outside, shifted: the methods on the sets in and out of distribution, and under shift.
        titles: method -> its name in the literature.
    """
    if not inside.methods:
        return {}
    texts = {
        "What to use": " ".join(
            [*_use(inside, titles or {}), *[ONCE] * (len(inside.facts.seeds) == 1), *_hint(inside)]
        ),
        "Best calibrated": _best(inside),
    }
    if inside.baseline and inside.others:
        texts["Accuracy kept"] = _kept(inside)
        texts["Refinement kept"] = _refined(inside)
    if shifted.methods:
        texts["Under shift"] = _under_shift(shifted, inside.recommended)
    if inside.baseline in outside.methods and len(outside.methods) > 1:
        texts["Out of distribution"] = " ".join(_out_of_distribution(inside, outside, inside.baseline))
    return texts


def use_in_short(inside: ProtocolComparison, titles: Mapping[str, str]) -> str:
    """The first sentence of what to use, with its reservation; empty where no test set is in distribution."""
    return " ".join([*_use(inside, titles)[:1], *_hint(inside)]) if inside.methods else ""


def glance(
    inside: ProtocolComparison, outside: ProtocolComparison, shifted: ProtocolComparison
) -> list[dict[str, Any]]:
    """The methods at a glance, the best calibrated first: estimates for the page's table and its intervals."""
    return [
        {
            "method": method,
            "ece": inside.mean("ece", method),
            "oe": inside.mean("oe", method),
            "accuracy": inside.mean("accuracy", method),
            "kept": inside.accuracy(method) if inside.baseline and method != inside.baseline else "",
            "mcb": inside.mean("mcb", method),
            "dsc": inside.mean("dsc", method),
            "shifted": shifted.mean("ece", method) if method in shifted.methods else None,
            "ood": outside.mean("ece", method) if method in outside.methods else None,
        }
        for method in inside.methods
    ]


def _best(inside: ProtocolComparison) -> str:
    """Whose mean ECE is the lowest, and which do not differ from it."""
    if len(inside.methods) == 1:
        return f"{inside.methods[0]}, the only method here: mean ECE {mean_in_words(inside, inside.methods[0])}."
    if below := lowest.means_below_floor(inside):
        return below
    text, others = lowest.of_means(inside), inside.methods[len(inside.lowest) :]
    if tied := [m for m in inside.tied(inside.methods) if m in others]:
        return f"{text}; not significantly higher: {listing([with_mean(inside, m) for m in tied])}."
    return f"{text}, significantly below every other; next is {with_mean(inside, others[0])}." if others else f"{text}."


def _kept(inside: ProtocolComparison) -> str:
    """Which methods keep the baseline's accuracy, and which lose it."""
    others = [m for m in inside.facts.methods if m in inside.others]
    by_verdict = {
        verdict: [m for m in others if inside.accuracy(m) == verdict] for verdict in (KEPT, NOT_DECIDED, LOST)
    }
    sentences = []
    if kept := by_verdict[KEPT]:
        who = "all others keep it" if len(kept) == len(others) > 1 else listing(kept)
        sentences.append(f"Within half a point of {inside.baseline}'s on {listing(inside.parts)}: {who}.")
    if by_verdict[NOT_DECIDED]:
        sentences.append(f"Not decided by these images: {listing(by_verdict[NOT_DECIDED])}.")
    if by_verdict[LOST]:
        sentences.append(f"Lost, in percentage points: {'; '.join(_losses(inside, m) for m in by_verdict[LOST])}.")
    return " ".join(sentences)


def _losses(inside: ProtocolComparison, method: str) -> str:
    losses = [f"{ECE.number(-change.value)} on {part}" for part, change in inside.losses(method).items()]
    return f"{method} {listing(losses)}"


def _refined(inside: ProtocolComparison) -> str:
    """Whose Brier score or ranking is worse than the baseline's."""
    titles = listing([METRICS[metric].title for metric in REFINEMENT])
    worse = {m: of for m in inside.facts.methods if m in inside.others and (of := inside.worse(m))}
    sentences = [f"How well confidence tells right pixels from wrong ones, by {titles}."]
    if worse:
        higher = {
            method: [f"{METRICS[m].title} by {_small(change.value)}" for m, change in changes.items()]
            for method, changes in worse.items()
        }
        by_method = "; ".join(f"{method} {listing(of)}" for method, of in higher.items())
        sentences.append(f"Significantly higher than {inside.baseline}'s: {by_method}.")
    if len(worse) < len(inside.others):
        sentences.append(f"{'No other is' if worse else 'None is'} significantly higher than {inside.baseline}'s.")
    return " ".join(sentences)


def _use(inside: ProtocolComparison, titles: Mapping[str, str]) -> list[str]:
    """The recommended method and what is as good; or why there is none."""
    baseline, first = inside.baseline, inside.recommended
    if not baseline:
        return ["Without the method baseline nothing can be recommended: there is no accuracy to keep."]
    if not inside.others:
        return ["There is nothing to compare with."]
    if not (first and (gain := inside.difference("ece", first, baseline))):
        return [
            f"No method that keeps accuracy and refinement has a significantly lower mean ECE than {baseline}: these "
            "numbers give no reason to change."
        ]
    lower = f"{_points(gain)} below {baseline}'s"
    called = f"{first} ({titles[first]})" if first in titles else first
    sentences = [
        f"{called}: its mean ECE is {lower}, at kept accuracy, Brier and AUGRC not shown to be worse.",
        "It was chosen by the images that it is judged on: on others, expect to gain a little less.",
    ]
    if tied := [m for m in inside.tied(inside.candidates) if m != baseline]:
        sentences.append(f"As good, as far as these images can tell: {listing(tied)}.")
    return sentences


def _hint(inside: ProtocolComparison) -> list[str]:
    """A reservation where sets in distribution have few images, or groups of them."""
    few = listing([f"{part} ({units})" for part, units in few_units(inside.results, inside.parts).items()] or [""])
    return [f"That is a hint and no more on so few images or groups of them: {few}."] if few else []


def _out_of_distribution(inside: ProtocolComparison, outside: ProtocolComparison, baseline: str) -> list[str]:
    """How the recommended method fares on images out of distribution, and whose Brier score is the lowest there."""
    use = inside.recommended if inside.recommended in outside.methods else baseline
    sentences, there = [], f"on {listing(outside.parts)}"
    if use != baseline:
        sentences.append(f"Of {use}, the recommended one, {there} {_against_baseline(outside, use, baseline)}")
        sentences += _by_set(outside, use, baseline)
        there = "there"
    able = [m for m in outside.methods if m == baseline or (m in inside.others and not inside.lost(m))]
    return [*sentences, *_lowest_brier(inside, outside, able, use, there)]


def _lowest_brier(
    inside: ProtocolComparison, outside: ProtocolComparison, able: Sequence[str], use: str, there: str
) -> list[str]:
    """Which of the `able` methods has the lowest mean Brier score, and whether it is a better choice than `use`."""
    printed = {method: METRICS["brier"].number(outside.mean("brier", method).value) for method in able}
    best = min(able, key=lambda method: outside.mean("brier", method).value)
    alike = [method for method in outside.facts.methods if printed.get(method) == printed[best]]
    if len(alike) > 1 and use in alike:
        return [f"{listing(alike)} share the lowest mean Brier score {there}, {printed[best]}."]
    text = f"{best} has the lowest mean Brier score {there}, {mean_in_words(outside, best, 'brier')}"
    if best == use:
        return [f"{text}."]
    change, of_use = outside.difference("brier", best, use), f"{use}'s, {mean_in_words(outside, use, 'brier')}"
    if not (change and change.high < 0):
        return [f"{text}, not significantly below {of_use}."]
    return [f"{text}, significantly below {of_use}.", *_better_choice(inside, best)]


def _better_choice(inside: ProtocolComparison, method: str) -> list[str]:
    """What speaks for the method of the lowest Brier score out of distribution, as far as its accuracy is decided."""
    unsure = inside.accuracy(method) == NOT_DECIDED
    if inside.facts.classes == 2:  # of several no class need be right there
        if_kept = ", if it keeps the accuracy in distribution, which is not decided" * unsure
        return [f"Where many images hold none of the objects, it is the better choice{if_kept}."]
    return ["Whether it keeps the accuracy in distribution is not decided."] if unsure else []


def _under_shift(shifted: ProtocolComparison, recommended: str | None) -> str:
    """Who is best calibrated on sets from another source, and how the recommended method fares there."""
    baseline, text = shifted.baseline, lowest.means_below_floor(shifted) or f"{lowest.of_means(shifted)}."
    if recommended and baseline and recommended in shifted.methods:
        text += f" Of {recommended}, the recommended one, {_against_baseline(shifted, recommended, baseline)}"
    return f"{text} Sets from another source have no say in what to use."


def _against_baseline(sets: ProtocolComparison, method: str, baseline: str) -> str:
    """How a method fares on other sets, compared with the baseline."""
    if sets.below_floor(method) and sets.below_floor(baseline):
        own, other = mean_in_words(sets, method), mean_in_words(sets, baseline)
        return f"its mean ECE, {own}, and {baseline}'s, {other}, are both below the noise floor."
    change = sets.difference("ece", method, baseline)
    relation = "not significantly different from"
    if change and change.excludes_zero:
        relation = "lower than" if change.value < 0 else "higher than"
    return f"its mean ECE, {mean_in_words(sets, method)}, is {relation} {baseline}'s, {mean_in_words(sets, baseline)}."


def _by_set(sets: ProtocolComparison, method: str, baseline: str) -> list[str]:
    """The errors behind a mean over several sets, which can hide one that is far above the baseline's."""
    if len(sets.parts) == 1:
        return []
    alone = {part: ProtocolComparison(sets.results, sets.protocol, [part]) for part in sets.parts}
    errors = [f"{part} {mean_in_words(of, method)} against {mean_in_words(of, baseline)}" for part, of in alone.items()]
    return [f"Set by set: {'; '.join(errors)}."]


def _small(value: float) -> str:
    return f"{value:.4f}" if round(value, 4) else "less than 0.0001"


def _points(gain: Estimate) -> str:
    """A significant difference of errors, without its sign, with the interval of its own resamples."""
    own = gain.own or gain
    return f"{ECE.text(-own.value, low=-own.high, high=-own.low).replace(' [', ' percentage points [')}"
