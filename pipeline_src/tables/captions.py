"""What captions, headings and notes of tables say about an experiment."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pipeline_src.analysis.facts import ROLES, Facts, run_command
from pipeline_src.analysis.resampling import RESAMPLES
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.registry import METRICS
from pipeline_src.text_tables import UNDEFINED

SEVERAL = "There is no stretched protocol for several classes: it stretches the one map of an object."
SYNTHETIC = "All images are generated: these numbers show that the pipeline works and decide no claim on photographs."


def heading(results: Results, part: str) -> str:
    """A data set, its role and its size."""
    one = next(iter(results.measured("raw", part).values()))
    return f"{part}: {ROLES[results.facts.parts[part]]}, {one.size}, {one.pixels:,} pixels"


def titled(title: str, roles: Collection[str]) -> str:
    """A table's title, for data sets of some roles: sets under shift are not called in distribution."""
    return title.replace("in distribution", "in distribution and under shift") if "shifted" in roles else title


def seeds_in_words(facts: Facts) -> str:
    """Which seeds stand behind the numbers."""
    if len(facts.seeds) == 1:
        return f"seed {facts.seeds[0]}"
    return f"mean ± sample standard deviation over seeds {', '.join(map(str, sorted(facts.seeds)))}"


def about(facts: Facts, *, binned: bool = True, resamples: int = RESAMPLES) -> str:
    """What the captions of all tables of methods say.

    Args:
        binned: whether numbers depend on the experiment's bins.
        resamples: behind their intervals.
    """
    bins = f", {facts.bins} bins" * binned
    return (
        f"Experiment {facts.experiment}, {facts.epochs} epochs, {seeds_in_words(facts)}{bins}. In brackets: 95 % "
        f"intervals, from {resamples:,} bootstrap resamples of the images (the same for all methods, so that "
        f"differences are paired) {_training(facts)}."
    )


def _training(facts: Facts) -> str:
    if len(facts.seeds) == 1:
        return "alone: with one seed they leave out the variance of training"
    return f"and the spread over {len(facts.seeds)} seeds (t with {len(facts.seeds) - 1} degrees of freedom)"


def notes(results: Results, metrics: Collection[str], parts: Collection[str]) -> list[str]:
    """Why a cell is empty, which runs are missing, and what the numbers cannot show.

    Args:
        metrics: those of the table.
        parts: its data sets.
    """
    facts = results.facts
    texts = list(_undefined(results, metrics, parts))
    if missing := list(_missing(results, parts)):
        texts.append(not_run(facts.experiment, "; ".join(missing)))
    for method in (name for name in facts.methods if facts.methods[name].of_all_seeds):
        texts.append(f"{method} is one run, made of the networks of all seeds: it has no deviation.")
    texts += [f"{part}: {note}" for part in parts if (note := results.note(part))]
    return texts + [SEVERAL] * (facts.classes > 2) + [SYNTHETIC] * facts.synthetic


def _undefined(results: Results, metrics: Collection[str], parts: Collection[str]) -> Iterator[str]:
    by_reason: dict[tuple[str, str], list[str]] = {}
    for (part, name), reason in results.numbers.reasons.items():
        if name in metrics and part in parts:
            by_reason.setdefault((name, reason), []).append(part)
    for (name, reason), of_parts in by_reason.items():
        short = METRICS[name].column.removesuffix(" %")
        yield f"{UNDEFINED} {short} is undefined on {', '.join(of_parts)}: {reason}."


def _missing(results: Results, parts: Collection[str]) -> Iterator[str]:
    facts = results.facts
    for method in facts.methods:
        for part in parts:
            one = results.measurement("raw", method, part)
            for seed in sorted(facts.seeds_of(method)):
                if one is None or seed not in one.seeds:
                    yield f"{method} seed {seed} on {part}"


def not_run(experiment: str, what: str, change: str = "") -> str:
    """What a table lacks, and the command that makes it, after a `change` of params.yaml if it needs one."""
    change = f"{change} in params.yaml and " if change else ""
    return f"Not run: {what}. To get it, {change}run: {run_command(experiment)}"
