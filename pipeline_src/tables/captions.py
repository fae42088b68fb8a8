"""Captions, headings, notes and the shared legend of the tables of an experiment."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pipeline_src.analysis.facts import ROLES, Facts, run_command
from pipeline_src.analysis.resampling import RESAMPLES
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.inputs import FEW
from pipeline_src.metrics.registry import METRICS
from pipeline_src.text_tables import UNDEFINED

# The note on experiments whose images are all synthetic.
SYNTHETIC = (
    "All images are synthetic: the numbers test the pipeline and decide nothing about real images."
)
# Explanations below every table and in the report, a paragraph each.
LEGEND = (
    "ECE, the expected calibration error, is the gap between confidence and accuracy, averaged "
    "over pixels in equal-width bins of confidence. OE, the overconfidence error, counts only "
    "overconfident bins, weighted by confidence. Lower is better for both.",
    "Values are means over training seeds; ± is their sample standard deviation.",
    f"Brackets and error bars are 95 % confidence intervals (CI): {RESAMPLES:,} paired bootstrap "
    f"resamples of the images ({FEW} for slow metrics), widened by the spread over seeds; with "
    "one seed, without it.",
    "★ significantly better than every other method of its column. † not significantly different "
    "from the best. ↓ ↑ significantly lower, higher.",
    "° ECE below the noise floor, which a network without calibration error reaches on these "
    "images; not ranked.",
    "Unnormalized (`raw` in files): probabilities of the model. Min-max normalized (`stretched`): "
    "each map is first scaled to [0, 1], as the released test program does.",
    "Out of distribution no image has an object. With one object class, accuracy is the share of "
    "background pixels.",
    "The validation images steer the learned perturbation and fit post-hoc methods, so they are "
    "not unseen.",
)


def heading(results: Results, split: str) -> str:
    """Return a heading with the name, role and size of a dataset."""
    # All runs have the same images.
    run = next(iter(results.measured("raw", split).values()))
    return f"{split}: {ROLES[results.facts.splits[split]]}, {run.size}, {run.pixels:,} pixels"


def about(facts: Facts) -> str:
    """Return a sentence with the experiment's name, epochs, seeds and number of bins."""
    word = "seeds" if len(facts.seeds) > 1 else "seed"
    seeds = ", ".join(map(str, sorted(facts.seeds)))
    return (
        f"Experiment {facts.experiment}, {facts.epochs} epochs, {word} {seeds}, {facts.bins} bins."
    )


def notes(results: Results, metrics: Collection[str], splits: Collection[str]) -> list[str]:
    """Return the notes below a table, a text each: why cells are empty, which runs are missing, and
    what readers must know of datasets.

    Args:
        metrics, splits: the table's metrics and datasets.
    """
    facts = results.facts
    undefined: dict[tuple[str, str], list[str]] = {}  # (metric, reason) -> datasets
    for (split, name), reason in results.reasons.items():
        if name in metrics and split in splits:
            undefined.setdefault((name, reason), []).append(split)
    texts = []
    for (name, reason), undefined_on in undefined.items():
        short = METRICS[name].column.removesuffix(" %")
        texts.append(f"{UNDEFINED} {short} is undefined on {', '.join(undefined_on)}: {reason}.")
    missing = list(_missing(results, splits))
    if missing:
        texts.append(not_run(facts.experiment, "; ".join(missing)))
    pooled = [name for name, method in facts.methods.items() if method.of_all_seeds]
    if pooled:
        text = "One network set of all seeds, paired with each seed in a difference"
        texts.append(f"{text}: {', '.join(pooled)}.")
    for split in splits:
        note = results.note(split)
        if note:
            texts.append(f"{split}: {note}")
    if facts.synthetic:
        texts.append(SYNTHETIC)
    return texts


def _missing(results: Results, splits: Collection[str]) -> Iterator[str]:
    """Yield each run that was not evaluated on a dataset, as text: "slp seed 0 on DUTS"."""
    facts = results.facts
    for method in facts.methods:
        for split in splits:
            run = results.measurement("raw", method, split)  # the protocol that all runs have
            for seed in sorted(facts.seeds_of(method)):
                if run is None or seed not in run.seeds:
                    yield f"{method} seed {seed} on {split}"


def not_run(experiment: str, missing: str, change: str = "") -> str:
    """Return a note on results that a table lacks, with the command that computes them.

    Args:
        missing: the results, as text.
        change: what to change in params.yaml before the command, if anything, as an imperative
            without the name of the file: "add one to “data: id:”".
    """
    if change:
        change += " in params.yaml and "
    return f"Not run: {missing}. To get it, {change}run: {run_command(experiment)}"
