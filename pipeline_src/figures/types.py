"""Figure types: their headings, the pictures that an experiment has of each, and how one is drawn.

Snakemake asks for the names of all figures whenever it starts. So modules of figures import slow
libraries (pandas, matplotlib) inside the functions that draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from pipeline_src.analysis.facts import PROTOCOL_NAMES, Facts, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure
    from pandas import DataFrame as DataFrame

    from pipeline_src.analysis.results import Results as Results
    from pipeline_src.counting.counts import Histogram as Histogram
else:  # slow to import, and named only in annotations
    Axes = Figure = DataFrame = Results = Histogram = Any

SUFFIXES = (".csv", ".pdf", ".png", ".svg")  # of the files of a picture; .csv holds its numbers
Drawn = tuple[Figure, DataFrame]  # a figure, and the numbers behind it
Folders = Mapping[Run, Path]  # (method, seed) -> the folder of the files of a run


@dataclass(frozen=True)
class Picture:
    """A figure of an experiment.

    Attributes:
        type: its figure type.
        key: the words of its files' names that distinguish it from other pictures of its type.
        title: a short text that distinguishes it from other pictures of its type.
        caption: content and data in at most 25 words.
        protocol, split: protocol and dataset that it shows; empty if it shows several or none.
        wide: two columns wide (7 in), not one (3.5 in).
    """

    type: FigureType
    key: Sequence[str]
    title: str
    caption: str
    protocol: str = ""
    split: str = ""
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
class FigureType:
    """A figure type.

    Attributes:
        name: the start of its files' names.
        heading: the heading of its section in the report.
        reading: sentences that explain how to read its pictures.
        pictures: a function that returns the pictures that an experiment has, in order.
        paint: a function that draws a picture from results and from `Folders` of the runs (for a
            gallery: from predictions), and returns it with the numbers behind it.
    """

    name: str
    heading: str
    reading: str
    pictures: Callable[[Facts], Iterable[Picture]]
    paint: Callable[[Picture, Results, Any], Drawn]

    def by_dataset(
        self, facts: Facts, splits: Iterable[str], title: str, caption: str, panels: int
    ) -> Iterator[Picture]:
        """Yield a picture of this type per dataset and protocol.

        Args:
            splits: names of the datasets.
            title: text with the field {split}.
            caption: text with the fields {title}, {protocol} and {networks}.
            panels: number of panels of each picture.
        """
        for split, protocol in product(splits, facts.protocols):
            named = title.format(split=split)
            text = caption.format(
                title=named,
                protocol=PROTOCOL_NAMES[protocol],
                networks=facts.networks_text(),
            )
            yield Picture(
                type=self,
                key=(protocol, split),
                title=named,
                caption=text,
                protocol=protocol,
                split=split,
                wide=is_wide(panels),
            )


def is_wide(panels: int) -> bool:
    """Return whether so many small multiples need the width of two columns of a page."""
    return panels > 2


def stacked(tables: Mapping[str, DataFrame | np.recarray]) -> DataFrame:
    """Return one table of the tables of several methods, with the method in its first column."""
    import pandas as pd

    frames = {method: pd.DataFrame(table) for method, table in tables.items()}
    return pd.concat(frames, names=["method", None]).reset_index("method").reset_index(drop=True)
