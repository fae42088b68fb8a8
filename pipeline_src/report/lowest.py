"""Whose ECE is the lowest, in words: on one data set, with its OE, and as the mean over several, with its interval."""

from __future__ import annotations

from pipeline_src.analysis.results import Results
from pipeline_src.metrics.registry import METRICS
from pipeline_src.report.comparison import ProtocolComparison
from pipeline_src.report.sentences import listing

FITTED = "Methods were fitted to these images or steered by them, so on others they do worse."


def on_set(results: Results, protocol: str, part: str) -> str:
    """Which method has the lowest ECE on a data set, and how the baseline does there; or which are below the noise
    floor, since nothing is ranked there."""
    here = ProtocolComparison(results, protocol, [part])
    if not here.methods:
        return "No method has an ECE here."
    text = _below_floor(here) or _lowest(here)
    return f"{text} {FITTED}" if here.facts.parts[part] == "val" else text


def _below_floor(here: ProtocolComparison) -> str:
    """Which methods no calibrated network would be told from; empty if there are none."""
    if not (below := [method for method in here.facts.methods if method in here.below]):
        return ""
    named = listing([f"{method} with {_errors(here, method)}" for method in below])
    is_below = f"{'is' if len(below) == 1 else 'are'} below the noise floor ({_printed(here, 'ece_floor', below[0])})"
    return f"{named} {is_below}, where a network without calibration error would be; methods there are not ranked."


def _lowest(here: ProtocolComparison) -> str:
    """Which method has the lowest ECE, and which do not differ from it."""
    winners, base = [method for method in here.facts.methods if method in here.lowest], here.baseline
    first, others = winners[0], here.methods[len(winners) :]
    if len(winners) > 1:
        named = listing([f"{method} (OE {_printed(here, 'oe', method)})" for method in winners])
        text = f"{named} share the lowest ECE, {_printed(here, 'ece', first)}"
    else:
        text = f"{first} has the lowest ECE, {_errors(here, first)}"
    tied = [method for method in here.tied(here.methods) if method in others]
    if tied:
        text += f", not significantly below {'any other' if tied == others else listing(tied)}"
    if base and base not in winners:
        accuracies = [_printed(here, "accuracy", method) for method in winners]
        with_them = accuracies[0] if len(set(accuracies)) == 1 else f"{listing(accuracies)} in this order"
        with_base = _printed(here, "accuracy", base)
        return f"{text}; {base} has {_errors(here, base)}. Accuracy {with_them}, with {base} {with_base}."
    return f"{text}; next is {others[0]}, {_errors(here, others[0])}." if others else f"{text}."


def _errors(here: ProtocolComparison, method: str) -> str:
    return f"{_printed(here, 'ece', method)} (OE {_printed(here, 'oe', method)})"


def _printed(here: ProtocolComparison, metric: str, method: str) -> str:
    return f"{METRICS[metric].number(here.mean(metric, method).value)}\u00a0%"


def means_below_floor(sets: ProtocolComparison) -> str:
    """Which methods no calibrated network would be told from; empty if there are none."""
    if not sets.below:
        return ""
    floor = METRICS["ece"].number(sets.mean("ece_floor", sets.below[0]).value)
    return (
        f"{listing([with_mean(sets, m) for m in sets.below])}: below the noise floor ({floor}\u00a0%), where a network "
        f"without calibration error would be on {listing(sets.parts)}; methods there are not ranked."
    )


def of_means(sets: ProtocolComparison) -> str:
    """Whose mean ECE is the lowest; what several share has no interval, since each has its own."""
    has, ece = "has", mean_in_words(sets, sets.lowest[0])
    if len(sets.lowest) > 1:
        has, ece = "share", ece.split(" [")[0]
    return f"{listing(sets.lowest)} {has} the lowest mean ECE on {listing(sets.parts)}, {ece}"


def mean_in_words(sets: ProtocolComparison, method: str, metric: str = "ece") -> str:
    """A method's mean over some sets with its interval, as the tables print it."""
    of, quantity = sets.mean(metric, method), METRICS[metric]
    value, *interval = quantity.text(of.value, low=of.low, high=of.high).split(" ", 1)
    return " ".join([value + "\u00a0%" * (quantity.factor == 100), *interval])


def with_mean(sets: ProtocolComparison, method: str) -> str:
    return f"{method} ({mean_in_words(sets, method)})"
