"""Names of the jobs of a run, which is a method and a seed."""

from __future__ import annotations


def training(method: str, seed: int) -> str:
    """The job that trains or fits a run."""
    return f"train/{method}/seed{seed}"


def evaluation(method: str, seed: int, part: str) -> str:
    """The job that evaluates a run on a data set."""
    return f"evaluate/{method}/seed{seed}/{part}"
