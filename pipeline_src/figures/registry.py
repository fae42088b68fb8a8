"""All figures of an experiment: their types, the names of their files, and how they are drawn and saved.

Drawing reads analyses, alphas, histories, example maps and preprocessed images, and no model.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

from pipeline_src.analysis.facts import Facts
from pipeline_src.errors import UserError
from pipeline_src.figures import (
    alpha,
    classes,
    comparison,
    estimates,
    examples,
    reliability,
    severity,
    style,
    training,
)
from pipeline_src.figures.types import Figure, Picture, Results, Sources
from pipeline_src.files import write_text

log = logging.getLogger(__name__)
Save = Callable[[Figure, Path], None]  # writes a figure, given its file without suffix

# In the order of the report. A new figure is a file here and a line in this list (docs/contributing/extending.md).
FIGURE_TYPES = (
    estimates.FIGURE,
    comparison.FIGURE,
    classes.FIGURE,
    reliability.FIGURE,
    examples.FIGURE,
    severity.FIGURE,
    alpha.FIGURE,
    training.FIGURE,
)
SHARES = 20  # of the figures, which several processes share evenly


def pictures(facts: Facts) -> list[Picture]:
    """All figures of an experiment, in the order of the report."""
    return [picture for figure_type in FIGURE_TYPES for picture in figure_type.pictures(facts)]


def figure_files(facts: Facts) -> list[str]:
    """Names of all files that `write_figures` writes."""
    return sorted(file for picture in pictures(facts) for file in picture.files)


def draw(results: Results, sources: Sources, out: Path, pool: Executor | None = None, save: Save = style.save) -> None:
    """Draw all figures, in the processes of `pool` if there is one, with a line in the log for each share of them."""
    number = len(pictures(results.facts))
    shares = [slice(k * number // SHARES, (k + 1) * number // SHARES) for k in range(SHARES)]
    write = partial(write_figures, results, sources, out, save=save)
    for done, _ in enumerate(pool.map(write, shares) if pool else map(write, shares), 1):
        log.info("%s: %d of %d shares of the figures drawn", results.facts.experiment, done, SHARES)


def write_figures(
    results: Results, sources: Sources, out: Path, share: slice = slice(None), save: Save = style.save
) -> None:
    """Write a share of the figures of an experiment, with their numbers as csv, into `out`.

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
        raise UserError("figures need every method on every dataset", found=f"no result of {', '.join(missing)}")
    with style.house():
        for picture in pictures(facts)[share]:
            painted = picture.type.paint(picture, results, sources)
            numbers = painted.table.to_csv(index=False, float_format="%.5g", lineterminator="\n")
            write_text(out / f"{picture.name}.csv", numbers)
            save(painted.figure, out / picture.name)
