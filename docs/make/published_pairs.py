"""Differences between methods of published experiments, of one or of two, as pages show them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from pipeline_src.analysis.differences import seed_pairs
from pipeline_src.analysis.estimate import Estimate, estimate
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.resampling import key_of, resample_counts
from pipeline_src.errors import UserError
from pipeline_src.files import hash_of, write_text
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.registry import METRICS
from pipeline_src.publishing import published
from pipeline_src.tables.differences import QUANTITIES
from pipeline_src.tables.paper_table import SIGNS

Texts = dict[
    str, dict[str, dict[str, str]]
]  # protocol -> data set -> metric -> a difference as it is printed
FILE = published.FOLDER / published.OVERVIEW / "differences.json"


def write(pairs: Iterable[str]) -> None:
    """Write the differences of pairs `EXPERIMENT:METHOD/EXPERIMENT:METHOD`, the first less the
    second. Those of the same counts as before stay as they are, if nobody edited them; another
    takes seconds. Remove the file after a change of what is computed from counts.

    Raises:
        UserError: there is no such experiment or method, or a statistic is not what was published.
    """
    try:
        before = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
        before = {
            pair: of
            for pair, of in before.items()
            if of == _entry(of["made_of"], of["differences"])
        }
    except (ValueError, AttributeError, TypeError, KeyError):
        before = {}  # damaged: all of it is made again
    made: dict[str, Any] = {}
    for pair in sorted(set(pairs)):
        made[pair] = _made(pair, before.get(pair, {}))
        write_text(
            FILE, json.dumps(before | made, indent=1, ensure_ascii=False) + "\n"
        )  # what is made is kept
    write_text(FILE, json.dumps(made, indent=1, ensure_ascii=False) + "\n")


def made_of(pair: str) -> dict[str, str]:
    """SHA-256 of the counts that a pair's differences are computed from, by experiment."""
    names = (side.partition(":")[0] for side in pair.split("/"))
    return {
        name: published.Publication.read(published.FOLDER / name).files[published.COUNTS]
        for name in names
    }


def _made(pair: str, before: dict[str, Any]) -> dict[str, Any]:
    digests = made_of(pair)
    if before.get("made_of") == digests:
        return before
    return _entry(digests, _computed(pair))


def _entry(made_of: dict[str, str], texts: Texts) -> dict[str, Any]:
    """What is kept of a pair; by the digest of its texts an edit is found."""
    return {"made_of": made_of, "differences": texts, "digest": hash_of(**texts)}


def _computed(pair: str) -> Texts:
    (name, _, method), (other, _, reference) = (side.partition(":") for side in pair.split("/"))
    publications = [published.Publication.read(published.FOLDER / each) for each in (other, name)]
    entries = [publication.facts.methods for publication in publications]
    for title, methods, of_side in zip((other, name), entries, (reference, method), strict=True):
        if of_side not in methods:
            raise UserError(
                f"{title} has no method {of_side!r}", expected=f"one of: {', '.join(methods)}"
            )
    texts: Texts = {}
    for part in (
        part for part in publications[0].facts.tests if part in publications[1].facts.tests
    ):
        sides = [
            _counts(title, of_side, part) for title, of_side in ((other, reference), (name, method))
        ]
        groups = next((p.groups[part] for p in publications if part in p.groups), None)
        numbers = None if groups is None else np.array(groups, np.int64)
        for protocol in publications[0].facts.protocols:
            a, b = ({seed: counts[protocol] for seed, counts in side.items()} for side in sides)
            effects = _differences(part, publications[0].facts.bins, a, b, numbers)
            by_metric = {
                QUANTITIES[metric].column: _text(metric, effect)
                for metric, effect in effects.items()
            }
            texts.setdefault(protocol, {})[part] = by_metric
    return texts


def _differences(
    part: str,
    bins: int,
    a: dict[int, ProtocolCounts],
    b: dict[int, ProtocolCounts],
    groups: np.ndarray | None,
) -> dict[str, Estimate]:
    """Differences B - A of the metrics of table T14 on the same images, by metric; counts are by seed."""
    pairs = seed_pairs([*a], [*b])
    names = [
        *dict.fromkeys(
            [*QUANTITIES, *filter(None, (METRICS[name].decided_by for name in QUANTITIES))]
        )
    ]
    sides = []
    for runs in ([a[seed] for seed, _ in pairs], [b[seed] for _, seed in pairs]):
        resampled = [
            resample_counts(replace(run, units=groups), bins, key_of(part), names=names)
            for run in runs
        ]
        sides.append(Measurement.of_runs(range(len(runs)), resampled))
    effects = {name: estimate(name, (sides[1], 1.0), (sides[0], -1.0)) for name in QUANTITIES}
    return {name: effect for name, effect in effects.items() if effect is not None}


@lru_cache(maxsize=32)  # several pairs share a method
def _counts(experiment: str, method: str, part: str) -> dict[int, dict[str, ProtocolCounts]]:
    """Seed -> protocol -> counts, of the seeds that are published: a method may lack one."""
    folder = published.FOLDER / experiment
    counts = published.PublishedCounts(published.Publication.read(folder), folder, part)
    seeds = [seed for name, seed in counts if name == method]
    return {seed: ProtocolCounts.by_protocol(counts[method, seed]) for seed in seeds}


def _text(metric: str, effect: Estimate) -> str:
    """A difference as table T14 prints it."""
    mark = SIGNS.get(effect.direction, "")
    return QUANTITIES[metric].text(effect.value, low=effect.low, high=effect.high, mark=mark)
