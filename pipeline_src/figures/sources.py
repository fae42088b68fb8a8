"""What figures are made from besides statistics, and what a painter hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Sources:
    """Files that figures are made from.

    Args:
        alphas, histories: (method, seed) -> alpha.csv, history.csv.
        examples: (method, part) -> example maps (`prediction.examples`).
        stores: part, or "train" -> folder of its store.
    """

    alphas: Mapping[tuple[str, int], Path] = field(default_factory=dict)
    histories: Mapping[tuple[str, int], Path] = field(default_factory=dict)
    examples: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    stores: Mapping[str, Path] = field(default_factory=dict)

    def tables(self, files: Mapping[tuple[str, int], Path], method: str) -> list[pd.DataFrame]:
        """The csv files of a method, seed by seed."""
        return [pd.read_csv(path, dtype={"id": str}) for (name, _), path in files.items() if name == method]


@dataclass(frozen=True)
class Painted:
    """A figure and the numbers that it is drawn from: by ending of their file's name, "" the figure's own."""

    figure: Figure
    tables: Mapping[str, pd.DataFrame]
