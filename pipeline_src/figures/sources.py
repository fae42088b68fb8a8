"""Files that figures are made from, besides the analyses of the data sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Sources:
    """Files by what they belong to.

    Args:
        alphas: (method, seed) -> alpha.csv of the methods that learn alphas.
        histories: (method, seed) -> history.csv of the methods that train.
        examples: (method, data set) -> example maps (`prediction.examples`).
        stores: data set, or "train" -> folder of its store.
    """

    alphas: Mapping[tuple[str, int], Path] = field(default_factory=dict)
    histories: Mapping[tuple[str, int], Path] = field(default_factory=dict)
    examples: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    stores: Mapping[str, Path] = field(default_factory=dict)

    def alpha_tables(self, method: str) -> list[pd.DataFrame]:
        """alpha.csv of each seed."""
        return _tables(self.alphas, method)

    def history_tables(self, method: str) -> list[pd.DataFrame]:
        """history.csv of each seed."""
        return _tables(self.histories, method)


def _tables(files: Mapping[tuple[str, int], Path], method: str) -> list[pd.DataFrame]:
    import pandas as pd

    return [pd.read_csv(path, dtype={"id": str}) for (name, _), path in files.items() if name == method]
