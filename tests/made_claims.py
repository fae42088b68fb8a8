"""An experiment in which every claim holds, made by hand; a test changes what it needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
from made_results import HandMade, by_hand

from pipeline_src.analysis.facts import COMPARED, Facts, MethodFacts
from pipeline_src.claims.checks import View

PARTS = {"val": "val", "one": "id", "two": "id", "dots": "ood", "lines": "ood"}
SLP = MethodFacts("slp", {"alpha": 0.05, "beta": 1.0})
METHODS = {
    "baseline": MethodFacts("baseline"),
    "slp": SLP,
    "label_smoothing": MethodFacts("label_smoothing", {"eps": 0.1}),
    "aslp_mei": MethodFacts("aslp_mei", learns=True),
    "aslp_mc": MethodFacts("aslp_mc", learns=True),
}
METHODS |= {code: MethodFacts(code) for code in COMPARED if code not in METHODS}
# By code, what each claim wants: values on ID sets, and on OOD sets.
USUAL = {
    "baseline": {"ece": (0.05, 0.12), "oe": (0.04, 0.11), "gap": (0.05, 0.12), "entropy": (0.1, 0.1)},
    "slp": {"ece": (0.03, 0.05), "oe": (0.01, 0.05), "gap": (0.0, 0.0), "entropy": (0.2, 0.2)},
    "label_smoothing": {"ece": (0.031, 0.05), "oe": (0.01, 0.05), "gap": (0.0, 0.0), "entropy": (0.2, 0.2)},
    "aslp_mei": {"ece": (0.02, 0.05), "oe": (0.01, 0.05), "gap": (0.0, 0.0), "entropy": (0.4, 0.4)},
    "aslp_mc": {"ece": (0.01, 0.05), "oe": (0.01, 0.05), "gap": (0.0, 0.0), "entropy": (0.3, 0.3)},
}
WIDTH = 0.002  # resampled values lie this far to either side
STEPS = WIDTH * np.linspace(-1, 1, 101)


def view(
    changes: Mapping[tuple[str, str, str], float] | None = None,
    methods: Mapping[str, MethodFacts] = METHODS,
    wide: Collection[str] = (),
    **more,
) -> View:
    """The experiment in both protocols.

    Args:
        changes: (method, metric, part) -> value in place of the usual one.
        methods: in place of `METHODS`.
        wide: methods whose values fall where the others' rise, so that a difference is uncertain by 2 WIDTH.
        more: of the view.
    """
    facts, made = Facts("made", methods, PARTS, epochs=60), {}
    for method, about in methods.items():
        for part, role in PARTS.items():
            usual = USUAL.get(about.code, USUAL["slp"])
            points = {name: values[role == "ood"] for name, values in usual.items()} | {"accuracy": 0.9}
            points |= {k: value for (m, k, p), value in (changes or {}).items() if (m, p) == (method, part)}
            steps = -STEPS if method in wide else STEPS
            for protocol in facts.protocols:
                made[protocol, part, method] = by_hand({name: [value] for name, value in points.items()}, steps)
    return View(HandMade(facts, {}, made), **more)


def changed(seen: View, **facts) -> View:
    """The same measurements with other facts."""
    return replace(seen, results=replace(seen.results, facts=replace(seen.facts, **facts)))


def without(seen: View, *methods: str) -> View:
    return changed(seen, methods={name: of for name, of in seen.facts.methods.items() if name not in methods})


def without_parts(seen: View, role: str) -> View:
    return changed(seen, splits={part: its_role for part, its_role in PARTS.items() if its_role != role})


def without_runs(seen: View, *keys: tuple[str, str, str]) -> View:
    """Without measurements by (protocol, part, method)."""
    kept = {key: one for key, one in seen.results.measurements.items() if key not in keys}
    return replace(seen, results=replace(seen.results, measurements=kept))
