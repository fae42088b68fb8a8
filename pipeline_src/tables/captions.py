"""What captions, headings and notes of tables say about an experiment."""

from __future__ import annotations

from collections.abc import Collection

from pipeline_src.analysis.results import ROLES, Numbers, Results
from pipeline_src.metrics.formats import ALL_METRICS, METRICS
from pipeline_src.text_tables import UNDEFINED

SEVERAL = "There is no stretched protocol for several classes: it stretches the one map of an object."
SYNTHETIC = "All images are generated: these numbers show that the pipeline works and decide no claim on photographs."


def heading(results: Results, numbers: Numbers, part: str) -> str:
    """A data set, its role and its size."""
    return f"{part}: {ROLES[results.parts[part]]}, {size_in_words(numbers, part)}"


def size_in_words(numbers: Numbers, part: str) -> str:
    """Images and pixels of a data set."""
    row = numbers.table[numbers.table["part"] == part].iloc[0]
    return f"{row['images']:,} images, {row['pixels']:,} pixels"


def seeds_in_words(results: Results) -> str:
    """Which seeds stand behind the numbers."""
    seeds = sorted({seed for _, seed, _ in results.statistics})
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    return f"mean ± sample standard deviation over seeds {', '.join(map(str, seeds))}"


def notes(
    results: Results, numbers: Numbers, metrics: Collection[str] = tuple(METRICS), parts: Collection[str] = ()
) -> list[str]:
    """Why a cell is empty, which runs are missing, and what the numbers cannot tell.

    Args:
        metrics: those of the table.
        parts: its data sets; all if empty.
    """
    found, parts = [], parts or list(results.parts)
    by_reason: dict[tuple[str, str], list[str]] = {}
    for (part, name), reason in numbers.reasons.items():
        if name in metrics and part in parts:
            by_reason.setdefault((name, reason), []).append(part)
    for (name, reason), where in by_reason.items():
        short = ALL_METRICS[name].heading.removesuffix(" %")
        found.append(f"{UNDEFINED} {short} is undefined on {', '.join(where)}: {reason}.")
    seeds = sorted({seed for _, seed, _ in results.statistics})
    missing = [
        f"{results.label(method)} seed {seed} on {part}"
        for method in results.methods
        for part in parts
        for seed in seeds
        if (method, seed, part) not in results.statistics
        and (method not in results.of_all_seeds or not results.seeds(method, part))
    ]
    if missing:
        found.append(not_run(results.experiment, "; ".join(missing)))
    for method in results.of_all_seeds:
        found.append(f"{results.label(method)} is one run, made of the networks of all seeds: it has no deviation.")
    found += [f"{part}: {results.remarks[part]}" for part in parts if part in results.remarks]
    if results.classes > 2:
        found.append(SEVERAL)
    if results.synthetic:
        found.append(SYNTHETIC)
    return found


def not_run(experiment: str, what: str, do: str = "") -> str:
    """What a table lacks, and the command that makes it once the change `do` is made in params.yaml, if any."""
    change = f"{do} in params.yaml and " if do else ""
    return f"Not run: {what}. To have that, {change}run: snakemake --cores all --config experiment={experiment}"
