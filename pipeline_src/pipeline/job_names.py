"""Names of jobs: of a data set, of a part of one, and of a run, which is a method and a seed."""

from __future__ import annotations


def preparation(data_set: str) -> str:
    """The job that prepares a data set."""
    return f"prepare/{data_set}"


def store(part: str) -> str:
    """The job that decodes and resizes a part."""
    return f"store/{part}"


def training(method: str, seed: int) -> str:
    """The job that trains or fits a run."""
    return f"train/{method}/seed{seed}"


def evaluations(method: str, seed: int) -> str:
    """Return the name of the job that evaluates a run on all splits."""
    return f"evaluate/{method}/seed{seed}"


def evaluation(method: str, seed: int, part: str) -> str:
    """The job that evaluates a run on a part."""
    return f"{evaluations(method, seed)}/{part}"


def analysis(part: str) -> str:
    """The job that analyses all runs on a part."""
    return f"analyse/{part}"
