"""The figures of one data set: their numbers, headings and notes, handed to the modules that draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from pipeline_src.data.store import Store
from pipeline_src.figures import classes, comparison, curves, examples, joint, reliability, risk, style, tradeoff
from pipeline_src.figures.catalogue import Facts, Picture
from pipeline_src.figures.numbers import Measured
from pipeline_src.figures.sources import Painted, Sources
from pipeline_src.prediction.examples import read


@dataclass(frozen=True)
class Summary:
    """What is kept of a method on a data set in one protocol."""

    metrics: Mapping[str, tuple[float, float, float]]
    reliability: pd.DataFrame
    entropies: np.ndarray


@dataclass(frozen=True)
class DataSet:
    """A data set and what was measured on it, by (protocol, method)."""

    facts: Facts
    sources: Sources
    part: str
    measured: Mapping[tuple[str, str], Measured]

    def summaries(self) -> dict[tuple[str, str, str], Summary]:
        """By (protocol, method, part)."""
        return {
            (protocol, method, self.part): Summary(one.metrics, one.reliability, one.of_images("entropy"))
            for (protocol, method), one in self.measured.items()
        }

    @cached_property
    def floor(self) -> float:
        return reliability.floor_of([one.reliability for one in self.measured.values()])

    @cached_property
    def least(self) -> float:
        return reliability.least_of([one.reliability for one in self.measured.values()])

    def of(self, protocol: str) -> dict[str, Measured]:
        """By method."""
        return {method: self.measured[protocol, method] for method in self.facts.methods}

    def size(self, protocol: str) -> str:
        first = next(iter(self.of(protocol).values()))
        return f"{protocol} protocol · {first.images:,} images · {style.count(first.pixels)} pixels"

    def by_label(self, of: Mapping[str, object]) -> dict[str, object]:
        return {self.facts.labels_apart[method]: value for method, value in of.items()}


def stacked(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One table, with the method in its first column."""
    return pd.concat(tables, names=["method", None]).reset_index("method").reset_index(drop=True)


def _reliability(picture: Picture, data: DataSet) -> Painted:
    one, facts = data.measured[picture.protocol, picture.method], data.facts
    ece, oe = (_percent(one, name) for name in ("ece", "oe"))
    lines = [
        data.size(picture.protocol),
        f"ECE {ece} · OE {oe} · {facts.bins} bins · {facts.whose(picture.method)}",
    ]
    figure = reliability.draw(one.reliability, picture.title, lines, data.floor, data.least)
    return Painted(figure, {"": one.reliability})


def _comparison(picture: Picture, data: DataSet) -> Painted:
    tables = {method: one.reliability for method, one in data.of(picture.protocol).items()}
    notes = {m: f"ECE {_percent(one, 'ece')}" for m, one in data.of(picture.protocol).items()}
    first = data.facts.labels_apart[data.facts.methods[0]]
    lines = [data.size(picture.protocol), f"{data.facts.whose()} · {data.facts.bins} bins · grey line: {first}"]
    figure = comparison.draw(data.by_label(tables), data.by_label(notes), picture.title, lines, data.floor)
    return Painted(figure, {"": stacked(tables)})


def _classes(picture: Picture, data: DataSet) -> Painted:
    metric = picture.metric
    tables = {m: one.classes(data.facts.classes) for m, one in data.of(picture.protocol).items()}
    notes = {m: f"mean {style.percent(table[metric].mean(), 2)}" for m, table in tables.items()}
    first = data.facts.labels_apart[data.facts.methods[0]]
    lines = [data.size(picture.protocol), f"{data.facts.whose()} · strokes: 95 % over images · grey: {first}"]
    left_out = len(data.facts.classes) - classes.MOST
    if left_out > 0:
        lines.append(
            f"the {classes.MOST} worst classes by the mean over methods; the csv has the {left_out} others too"
        )
    figure = classes.draw(data.by_label(tables), metric, data.by_label(notes), picture.title, lines)
    return Painted(figure, {"": stacked(tables)})


def _joint(picture: Picture, data: DataSet) -> Painted:
    tables, notes = {}, {}
    for method, one in data.of(picture.protocol).items():
        confidence, accuracy = one.of_images("confidence"), one.of_images("correct")
        tables[method] = joint.prepare(confidence, accuracy)
        over = (confidence > accuracy).mean() if len(confidence) else np.nan
        notes[method] = f"{100 * over:.0f} % below"
    lines = [
        f"{data.size(picture.protocol)} · {data.facts.whose()}",
        "images by mean confidence and accuracy · share of them below the diagonal (over-confident)",
    ]
    figure = joint.draw(data.by_label(tables), data.by_label(notes), picture.title, lines)
    return Painted(figure, {"": stacked(tables)})


def _tradeoff(picture: Picture, data: DataSet) -> Painted:
    metrics = {method: one.metrics for method, one in data.of(picture.protocol).items()}
    table = tradeoff.prepare(metrics, {method: data.facts.family(method) for method in metrics})
    lines = [data.size(picture.protocol), "strokes: 95 % over images"]
    return Painted(tradeoff.draw(table, data.facts.labels_apart, picture.title, lines), {"": table})


def _risk(picture: Picture, data: DataSet) -> Painted:
    tables = {method: risk.prepare(one.counts) for method, one in data.of(picture.protocol).items()}
    found = {m: table.rename(columns={"coverage": "x", "risk": "y"}) * 100 for m, table in tables.items()}
    notes = {m: f"mean {table['y'].mean():.2f} %" if len(table) else "no pixels" for m, table in found.items()}
    top = max((float(table["y"].max()) for table in found.values() if len(table)), default=1.0)
    figure = curves.draw(
        data.by_label(found),
        data.by_label(notes),
        picture.title,
        [f"{data.size(picture.protocol)} · {data.facts.whose()}"],
        ("Pixels kept, %", "Error, %"),
        (0, 100),
        (0, 1.04 * max(top, 0.01)),
    )
    return Painted(figure, {"": stacked(tables)})


def _examples(picture: Picture, data: DataSet) -> Painted:
    store = Store.open(data.sources.stores[data.part])
    maps = {method: read(data.sources.examples[method, data.part]) for method in data.facts.shown}
    table = examples.prepare(maps, store)
    lines = [
        f"raw protocol · seed {data.facts.seeds[0]} · images drawn by a hash of their ids, not by result",
        "numbers: mean confidence and accuracy of an image in %",
    ]
    figure = examples.draw(table, maps, store, data.facts.labels_apart, picture.title, lines)
    return Painted(figure, {"": table})


def _percent(one: Measured, name: str) -> str:
    return style.percent(one.metrics[name][0], 2)


PAINTERS: dict[str, Callable[[Picture, DataSet], Painted]] = {
    "reliability": _reliability,
    "comparison": _comparison,
    "classes": _classes,
    "joint": _joint,
    "tradeoff": _tradeoff,
    "risk": _risk,
    "examples": _examples,
}
