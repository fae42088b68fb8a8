"""The registry of figure types, the figures of an experiment, and how they are drawn.

A new figure is a file in this folder and an entry here (docs/contributing/extending.md). Drawing
reads analyses, alphas and histories, no images and no model.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType

from pipeline_src.analysis.facts import Facts
from pipeline_src.errors import UserError
from pipeline_src.figures import joint, reliability, strength, style, training
from pipeline_src.figures.types import Folders, Picture, Results

FIGURE_TYPES = MappingProxyType(  # in the order of the report
    {
        "reliability": reliability.FIGURE,
        "joint": joint.FIGURE,
        "strength": strength.FIGURE,
        "training": training.FIGURE,
    }
)


def pictures(facts: Facts) -> list[Picture]:
    """Return all figures of an experiment, in the order of the report."""
    found: list[Picture] = []
    for figure_type in FIGURE_TYPES.values():
        found += figure_type.pictures(facts)
    return found


def figure_files(figures: Iterable[Picture]) -> list[str]:
    """Return the names of all files of figures, sorted."""
    return sorted(file for figure in figures for file in figure.files)


def draw(
    results: Results, folders: Folders, out: Path, suffixes: Iterable[str] = style.METADATA
) -> None:
    """Draw all figures of an experiment, and write the numbers behind each.

    Args:
        folders: (method, seed) -> the folder of a run with its history and alphas.
        out: folder of the figures and of their numbers as csv.
        suffixes: the file formats of a figure.

    Raises:
        UserError: a method was not evaluated on a dataset.
    """
    facts = results.facts
    missing = []
    for split in facts.splits:
        measured = results.measured(facts.protocols[0], split)
        missing += [f"{name} on {split}" for name in sorted(facts.methods) if name not in measured]
    if missing:
        found = f"no result of {', '.join(missing)}"
        raise UserError("figures need every method on every dataset", found=found)
    with style.house():
        for picture in pictures(facts):
            figure, table = picture.type.paint(picture, results, folders)
            style.save_picture(out / picture.name, figure, table, suffixes)
