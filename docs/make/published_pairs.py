"""Differences between methods of published experiments, of one or of two, as pages show them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from pipeline_src.analysis.differences import seed_pairs
from pipeline_src.analysis.estimate import Estimate, estimate
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.resampling import key_of, measure
from pipeline_src.counting.counts import Counts, grouped
from pipeline_src.errors import UserError
from pipeline_src.files import hash_of, write_text
from pipeline_src.metrics.registry import METRICS
from pipeline_src.publishing import published
from pipeline_src.tables.differences import QUANTITIES
from pipeline_src.tables.paper_table import SIGNS

# Protocol -> dataset -> metric -> a difference as it is printed.
Texts = dict[str, dict[str, dict[str, str]]]
FILE = published.FOLDER / published.OVERVIEW / "differences.json"


def write(pairs: Iterable[str]) -> None:
    """Write the differences of pairs `EXPERIMENT:METHOD/EXPERIMENT:METHOD`, first minus second.

    Those of the same counts as before stay as they are, if nobody edited them; another takes
    seconds. Remove the file after a change of what is computed from counts.

    Raises:
        UserError: there is no such experiment or method, or a statistic is not what was published.
    """
    known = _unedited()
    made: dict[str, Any] = {}
    for pair in sorted(set(pairs)):
        made[pair] = known.get(pair, {})
        digests = made_of(pair)
        if made[pair].get("made_of") != digests:
            made[pair] = _entry(digests, _computed(pair))
        _write(known | made)  # so that an interrupted command keeps what it computed
    _write(made)


def _write(differences: dict[str, Any]) -> None:
    write_text(FILE, json.dumps(differences, indent=1, ensure_ascii=False) + "\n")


def _unedited() -> dict[str, Any]:
    """The entries of the file whose digest is right; none if the file is absent or damaged."""
    if not FILE.is_file():
        return {}
    entries = {}
    try:
        for pair, entry in json.loads(FILE.read_text(encoding="utf-8")).items():
            if entry == _entry(entry["made_of"], entry["differences"]):
                entries[pair] = entry
    except (ValueError, AttributeError, TypeError, KeyError):
        return {}
    return entries


def made_of(pair: str) -> dict[str, str]:
    """SHA-256 of the counts that a pair's differences are computed from, by experiment."""
    digests = {}
    for side in pair.split("/"):
        experiment, _, method = side.partition(":")
        # The counts of some methods are in the file of another published experiment.
        name = _publication(side).counts_in.get(method, experiment)
        publication = published.Publication.read(published.FOLDER / name)
        digests[name] = publication.files[published.COUNTS]
    return digests


def _entry(made_of: dict[str, str], texts: Texts) -> dict[str, Any]:
    """What is kept of a pair; by the digest of its texts an edit is found."""
    return {"made_of": made_of, "differences": texts, "digest": hash_of(**texts)}


def _computed(pair: str) -> Texts:
    """The differences of a pair on all test sets that both experiments have."""
    first, second = pair.split("/")
    minuend = _publication(first)
    subtrahend = _publication(second)
    facts = subtrahend.facts
    pooled = _of_all_seeds(first, minuend) != _of_all_seeds(second, subtrahend)
    texts: Texts = {protocol: {} for protocol in facts.protocols}
    for split in facts.tests:
        if split not in minuend.facts.tests:
            continue
        groups = subtrahend.groups.get(split, minuend.groups.get(split))
        numbers = None if groups is None else np.array(groups, np.int64)
        counts = _counts(second, split)
        other_counts = _counts(first, split)
        for protocol in facts.protocols:
            a = {seed: by_protocol[protocol] for seed, by_protocol in counts.items()}
            b = {seed: by_protocol[protocol] for seed, by_protocol in other_counts.items()}
            by_metric = {}
            seeds = seed_pairs(list(a), list(b), pooled)
            for metric, effect in _differences(split, facts.bins, seeds, a, b, numbers).items():
                by_metric[QUANTITIES[metric].column] = _text(metric, effect)
            texts[protocol][split] = by_metric
    return {protocol: by_split for protocol, by_split in texts.items() if by_split}


def _publication(side: str) -> published.Publication:
    """The published experiment of a side, `EXPERIMENT:METHOD`; UserError without that method."""
    name, _, method = side.partition(":")
    publication = published.Publication.read(published.FOLDER / name)
    if method not in publication.facts.methods:
        raise UserError(
            f"{name} has no method {method!r}",
            expected=f"one of: {', '.join(publication.facts.methods)}",
        )
    return publication


def _of_all_seeds(side: str, publication: published.Publication) -> bool:
    """Whether the single run of a side's method uses the networks of all seeds."""
    return publication.facts.methods[side.partition(":")[2]].of_all_seeds


def _differences(
    split: str,
    bins: int,
    pairs: list[tuple[int, int]],
    a: dict[int, Counts],
    b: dict[int, Counts],
    groups: np.ndarray | None,
) -> dict[str, Estimate]:
    """Differences B - A of the metrics of table T14 on the same images; counts are by seed."""
    names = list(QUANTITIES)
    for name in QUANTITIES:
        decided_by = METRICS[name].decided_by
        if decided_by and decided_by not in names:
            names.append(decided_by)

    def measured(counts: dict[int, Counts], seeds: list[int]) -> Measurement:
        runs = []
        for seed in seeds:
            run = grouped({"raw": counts[seed]}, groups)["raw"]
            runs.append(measure(run, bins, key_of(split), names=names))
        return Measurement.of_runs(range(len(seeds)), runs)

    measured_a = measured(a, [seed for seed, _ in pairs])
    measured_b = measured(b, [seed for _, seed in pairs])
    effects = {}
    for name in QUANTITIES:
        effect = estimate(name, (measured_b, 1.0), (measured_a, -1.0))
        if effect is not None:
            effects[name] = effect
    return effects


@lru_cache(maxsize=32)  # several pairs share a method
def _counts(side: str, split: str) -> dict[int, dict[str, Counts]]:
    """Seed -> protocol -> counts, of the seeds that are published: a method may lack one."""
    experiment, _, method = side.partition(":")
    folder = published.FOLDER / experiment
    publication = published.Publication.read(folder)
    loaders = published.published_counts(publication, folder, split)
    return {seed: dict(load()) for (name, seed), load in loaders.items() if name == method}


def _text(metric: str, effect: Estimate) -> str:
    """A difference as table T14 prints it."""
    mark = SIGNS.get(effect.direction, "")
    return QUANTITIES[metric].text(effect.value, low=effect.low, high=effect.high, mark=mark)
