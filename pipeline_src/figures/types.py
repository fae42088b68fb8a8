"""Figure types: the heading, the pictures that an experiment has of a type, and the function that draws one.

Snakemake asks for the names of all figures whenever it starts, so a module of a figure imports what is slow (pandas,
matplotlib) in the functions that need it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import numpy as np

from pipeline_src.analysis.facts import Facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure
    from pandas import DataFrame as DataFrame

    from pipeline_src.analysis.results import Results as Results
    from pipeline_src.counting.counts import Counts as Counts
else:  # slow to import, and named only in annotations
    Axes = Figure = DataFrame = Results = Counts = Any

SUFFIXES = (".csv", ".pdf", ".png", ".svg")


@dataclass(frozen=True)
class Picture:
    """A figure of an experiment.

    Attributes:
        type: its figure type.
        key: part of its files' names, which distinguishes pictures of a type.
        title: short, distinguishes it from other pictures of its type.
        caption: content and data in at most 25 words.
        protocol, part: what it is about; empty where it is about several.
        wide: two columns wide (7 in), not one (3.5 in).
    """

    type: FigureType
    key: Sequence[str]
    title: str
    caption: str
    protocol: str = ""
    part: str = ""
    wide: bool = False

    @property
    def name(self) -> str:
        """The name of its files, without suffix; safe in paths and addresses."""
        return "-".join([self.type.name, *(quote(word, safe="") for word in self.key)])

    @property
    def files(self) -> list[str]:
        """The names of its files."""
        return [self.name + suffix for suffix in SUFFIXES]


@dataclass(frozen=True)
class Sources:
    """Files that figures are made from, besides the analyses of the datasets, by what they belong to.

    Args:
        alphas: (method, seed) -> alpha.csv of the methods that learn alphas.
        histories: (method, seed) -> history.csv of the methods that train.
    """

    alphas: Mapping[tuple[str, int], Path] = field(default_factory=dict)
    histories: Mapping[tuple[str, int], Path] = field(default_factory=dict)


class Painted(NamedTuple):
    """A figure and the numbers that it is drawn from."""

    figure: Figure
    table: DataFrame


@dataclass(frozen=True)
class FigureType:
    """A figure type.

    Attributes:
        name: the start of its files' names.
        heading: of its section in the report.
        reading: how it is read, in sentences.
        pictures: those that an experiment has, in order.
        paint: the function that draws a picture.
    """

    name: str
    heading: str
    reading: str
    pictures: Callable[[Facts], Iterable[Picture]]
    paint: Callable[[Picture, Results, Sources], Painted]


def tables_of(files: Mapping[tuple[str, int], Path], method: str) -> list[DataFrame]:
    """Return the csv file of each seed of a method."""
    import pandas as pd

    return [pd.read_csv(path, dtype={"id": str}) for (name, _), path in files.items() if name == method]


def stacked(tables: Mapping[str, DataFrame | np.recarray]) -> DataFrame:
    """Return one table of the tables of several methods, with the method in its first column."""
    import pandas as pd

    frames = {method: pd.DataFrame(table) for method, table in tables.items()}
    return pd.concat(frames, names=["method", None]).reset_index("method").reset_index(drop=True)
