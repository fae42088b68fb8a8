"""All figures of an experiment: their types, the names of their files, and how they are drawn and saved.

Drawing reads analyses, alphas, histories, example maps and preprocessed images, and no model.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

from pipeline_src.analysis.facts import Facts
from pipeline_src.errors import UserError
from pipeline_src.figures import classes, comparison, examples, reliability, style, training
from pipeline_src.figures.types import Picture, Results, Sources
from pipeline_src.files import write_text

log = logging.getLogger(__name__)

# In the order of the report. A new figure is a file here and an item of this list (docs/contributing/extending.md).
FIGURE_TYPES = (comparison.FIGURE, classes.FIGURE, reliability.FIGURE, examples.FIGURE, training.FIGURE)
SHARES = 20  # of the figures, which several processes share evenly


def pictures(facts: Facts) -> list[Picture]:
    """Return all figures of an experiment, in the order of the report."""
    return [picture for figure_type in FIGURE_TYPES for picture in figure_type.pictures(facts)]


def figure_files(facts: Facts) -> list[str]:
    """Return the names of all files that `draw` writes."""
    return sorted(file for picture in pictures(facts) for file in picture.files)


def draw(
    results: Results,
    sources: Sources,
    out: Path,
    pool: Executor | None = None,
    suffixes: Sequence[str] = tuple(style.METADATA),
) -> None:
    """Draw all figures, in the processes of `pool` if there is one, with a line in the log for each share of them.

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
        raise UserError("figures need every method on every dataset", found=f"no result of {', '.join(missing)}")
    number = len(pictures(facts))
    shares = [slice(k * number // SHARES, (k + 1) * number // SHARES) for k in range(SHARES)]
    draw_share = partial(_draw_share, results, sources, out, suffixes)
    for done, _ in enumerate(pool.map(draw_share, shares) if pool else map(draw_share, shares), 1):
        log.info("%s: %d of %d shares of the figures drawn", facts.experiment, done, SHARES)


def _draw_share(results: Results, sources: Sources, out: Path, suffixes: Sequence[str], share: slice) -> None:
    with style.house():
        for picture in pictures(results.facts)[share]:
            painted = picture.type.paint(picture, results, sources)
            numbers = painted.table.to_csv(index=False, float_format="%.5g", lineterminator="\n")
            write_text(out / f"{picture.name}.csv", numbers)
            style.save(painted.figure, out / picture.name, suffixes)
