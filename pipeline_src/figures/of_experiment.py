"""The figures of all data sets together and of the training: numbers, headings and notes for the modules that draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pipeline_src.analysis.results import ROLES
from pipeline_src.data.store import Store
from pipeline_src.figures import alpha, curves, entropy, extremes, overconfidence, overview, sweep, training
from pipeline_src.figures.catalogue import HISTORY, Facts, Picture
from pipeline_src.figures.of_part import Summary, stacked
from pipeline_src.figures.reliability import least_of
from pipeline_src.figures.sources import Painted, Sources


@dataclass(frozen=True)
class Whole:
    """All that was measured, by (protocol, method, part)."""

    facts: Facts
    sources: Sources
    summaries: Mapping[tuple[str, str, str], Summary]

    def of(self, protocol: str, methods: object = None) -> dict[tuple[str, str], Summary]:
        """By (method, part), test sets only."""
        return {
            (method, part): self.summaries[protocol, method, part]
            for method in methods or self.facts.methods
            for part in self.facts.tests
        }

    def sets(self) -> list[str]:
        """Which data sets stand for which role."""
        tests = self.facts.tests
        named = {role: [p for p, its in tests.items() if its == role] for role in dict.fromkeys(tests.values())}
        return [f"{ROLES[role]}: {', '.join(parts)}" for role, parts in named.items()]


def _overview(picture: Picture, whole: Whole) -> Painted:
    found = whole.of(picture.protocol)
    bins = {at: of.reliability for at, of in found.items()}
    ece = {at: of.metrics["ece"][0] for at, of in found.items()}
    table, least = overview.prepare(bins, ece), least_of(list(bins.values()))
    lines = [f"{picture.protocol} protocol · {whole.facts.bins} bins · {whole.facts.whose()}"]
    return Painted(overview.draw(table, whole.facts.labels_apart, picture.title, lines, least), {"": table})


def _overconfidence(picture: Picture, whole: Whole) -> Painted:
    oe = {at: of.metrics["oe"] for at, of in whole.of(picture.protocol).items()}
    table = overconfidence.prepare(oe, whole.facts.tests)
    lines = [f"{picture.protocol} protocol · {whole.facts.bins} bins · strokes: 95 % over images", *whole.sets()]
    return Painted(overconfidence.draw(table, whole.facts.labels_apart, picture.title, lines), {"": table})


def _entropy(picture: Picture, whole: Whole) -> Painted:
    found, tests = whole.of(picture.protocol), whole.facts.tests
    entropies = {
        (method, role): np.concatenate([found[method, part].entropies for part, its in tests.items() if its == role])
        for method in whole.facts.methods
        for role in ("id", "ood")
    }
    table = entropy.prepare(entropies)
    lines = [f"{picture.protocol} protocol · images of all seeds · strokes: medians", *whole.sets()]
    return Painted(entropy.draw(table, whole.facts.labels_apart, picture.title, lines), {"": table})


def _sweep(picture: Picture, whole: Whole) -> Painted:
    found = whole.of(picture.protocol, whole.facts.static)
    table = sweep.prepare({at: of.metrics for at, of in found.items()}, whole.facts.blocks)
    reference = {}
    if (base := whole.facts.baseline) is not None:
        reference = {
            (part, name): of.metrics[name][0]
            for (_, part), of in whole.of(picture.protocol, [base]).items()
            for name in sweep.METRICS
        }
    lines = [f"{picture.protocol} protocol · strokes: 95 % over images" + " · dashed: baseline" * bool(reference)]
    return Painted(sweep.draw(table, reference, picture.title, lines), {"": table})


def _alpha(picture: Picture, whole: Whole) -> Painted:
    tables = whole.sources.tables(whole.sources.alphas, picture.method)
    course, last = alpha.course(tables), alpha.histogram(tables)
    lines = [f"{len(tables[0]):,} training images · {len(course)} epochs · {whole.facts.whose(picture.method)}"]
    figure = alpha.draw(course, last, f"{picture.title}: learned α", lines)
    return Painted(figure, {"": course, "last": last})


def _extremes(picture: Picture, whole: Whole) -> Painted:
    table = extremes.prepare(whole.sources.tables(whole.sources.alphas, picture.method))
    lines = [f"mean over the last fifth of the epochs · {whole.facts.whose(picture.method)} · masks outlined"]
    store = Store.open(whole.sources.stores["train"])
    return Painted(extremes.draw(table, store, f"{picture.title}: lowest and highest α", lines), {"": table})


def _training(picture: Picture, whole: Whole) -> Painted:
    column, label, factor = HISTORY[picture.name.removeprefix("training-")]
    tables = {
        method: training.prepare(whole.sources.tables(whole.sources.histories, method), column)
        for method in whole.facts.trained
    }
    found, notes = {}, {}
    for method, table in tables.items():
        name = whole.facts.labels_apart[method]
        values = table[["mean", "least", "most"]] * factor
        found[name] = values.set_axis(["y", "low", "high"], axis=1).assign(x=table["epoch"])
        notes[name] = f"{found[name]['y'].iloc[0]:.3g} → {found[name]['y'].iloc[-1]:.3g}"
    every = np.concatenate([curve[["low", "high"]].to_numpy().ravel() for curve in found.values()])
    low, high = np.quantile(every[np.isfinite(every)], [0.005, 0.995]) if np.isfinite(every).any() else (0, 1)
    room = 0.06 * max(high - low, 1e-3)
    epochs = max(int(table["epoch"].max()) for table in tables.values())
    figure = curves.draw(
        found,
        notes,
        picture.title,
        [f"after each epoch · {whole.facts.whose().replace('pooled', 'averaged')}"],
        ("Epoch", label),
        (1, max(epochs, 2)),
        (low - room, high + room) if column != "loss" else None,
    )
    return Painted(figure, {"": stacked(tables)})


PAINTERS: dict[str, Callable[[Picture, Whole], Painted]] = {
    "overview": _overview,
    "overconfidence": _overconfidence,
    "entropy": _entropy,
    "sweep": _sweep,
    "alpha": _alpha,
    "extremes": _extremes,
    "training": _training,
}
