"""All figures of an experiment: their types, the names of their files, and how they are drawn and
saved.

Drawing reads analyses, alphas and histories, no images and no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline_src.analysis.facts import Facts
from pipeline_src.errors import UserError
from pipeline_src.figures import joint, reliability, strength, style, training
from pipeline_src.figures.types import DataFrame, Figure, Folders, Picture, Results
from pipeline_src.files import write_text

# In the order of the report. A new figure is a file here and an item of this list
# (docs/contributing/extending.md).
FIGURE_TYPES = (reliability.FIGURE, joint.FIGURE, strength.FIGURE, training.FIGURE)


def pictures(facts: Facts) -> list[Picture]:
    """Return all figures of an experiment, in the order of the report."""
    return [picture for figure_type in FIGURE_TYPES for picture in figure_type.pictures(facts)]


def figure_files(facts: Facts) -> list[str]:
    """Return the names of all files that `draw` writes."""
    return sorted(file for picture in pictures(facts) for file in picture.files)


def draw(
    results: Results, folders: Folders, out: Path, suffixes: Sequence[str] = tuple(style.METADATA)
) -> None:
    """Draw all figures.

    Args:
        out: folder of the figures and of their numbers as csv.
        suffixes: the file formats of a figure.

    Raises:
        UserError: a method was not evaluated on a dataset.
    """
    facts = results.facts
    missing = [
        f"{method} on {part}"
        for part in facts.parts
        for method in sorted(set(facts.methods) - set(results.measured(facts.protocols[0], part)))
    ]
    if missing:
        raise UserError(
            "figures need every method on every dataset", found=f"no result of {', '.join(missing)}"
        )
    with style.house():
        for picture in pictures(facts):
            figure, table = picture.type.paint(picture, results, folders)
            save_picture(out / picture.name, figure, table, suffixes)


def save_picture(
    stem: Path, figure: Figure, table: DataFrame, suffixes: Sequence[str] = tuple(style.METADATA)
) -> None:
    """Write a figure as <stem> with each of the suffixes, and its numbers as <stem>.csv."""
    numbers = table.to_csv(index=False, float_format="%.5g", lineterminator="\n")
    write_text(stem.with_name(f"{stem.name}.csv"), numbers)
    style.save(figure, stem, suffixes)
