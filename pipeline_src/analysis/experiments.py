"""What an experiment shows to tables and claims that span experiments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAIN_TASK = "sod"  # in the catalog's word


@dataclass(frozen=True)
class ExperimentSummary:
    """An experiment of params.yaml, whether it was run or not.

    Attributes:
        name: of the experiment.
        task: what its training set shows, in the catalog's word.
        network: name of the network's config.
        data: equal for two experiments on the same data.
        tables: the folder of its tables.
        claims: its claims.json.
        captions: test set -> what readers of its numbers have to know.
    """

    name: str
    task: str
    network: str
    data: Any
    tables: Path
    claims: Path
    captions: Mapping[str, str] = field(default_factory=dict)


def run_command(experiment: str) -> str:
    """The command that makes the results of an experiment."""
    return f"snakemake --cores all --config experiment={experiment}"
