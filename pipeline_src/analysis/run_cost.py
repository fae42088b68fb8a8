"""What a run cost, as its job measured it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunCost:
    """What a run cost; NaN where it was not measured.

    Attributes:
        training: seconds.
        images_per_second: of training.
        memory: MB.
        evaluation: seconds.
        parameters: of the network.
    """

    training: float = math.nan
    images_per_second: float = math.nan
    memory: float = math.nan
    evaluation: float = math.nan
    parameters: float = math.nan

    @classmethod
    def read(cls, folder: Path, memory: float, evaluation: float) -> RunCost:
        """From a run's folder, and what its jobs have measured."""
        import pandas as pd

        timing, facts = folder / "timing.csv", folder / "run.json"
        content = json.loads(facts.read_text(encoding="utf-8")) if facts.is_file() else {}
        seconds = speed = math.nan
        if timing.is_file():
            table = pd.read_csv(timing)
            seconds = float(table["seconds"].sum())
            speed = len(table) / float((1 / table["images_per_second"]).sum())  # epochs have the same images
        return cls(seconds, speed, memory, evaluation, content.get("parameters", math.nan))
