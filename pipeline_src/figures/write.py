"""All figures of an experiment: each of the catalogue is painted and saved with its numbers.

Drawing reads analyses, alphas, histories, example maps and stores, and no model, so a new style costs seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from pipeline_src.analysis.results import Results
from pipeline_src.errors import UserError
from pipeline_src.figures import style
from pipeline_src.figures.catalogue import pictures
from pipeline_src.figures.types import Figure, Sources
from pipeline_src.files import write_text

log = logging.getLogger(__name__)
Save = Callable[[Figure, Path], None]  # writes a drawing, given its file without suffix

TENTHS = 10
FIVE_DIGITS = "%.5g"  # of a drawing; no ink shows more


def draw(results: Results, sources: Sources, out: Path, processes: int = 1, save: Save = style.save) -> None:
    """`write_figures` in several processes, with a line in the log for each tenth."""
    number = max(TENTHS, processes)
    shares = [slice(first, None, number) for first in range(number)]
    write = partial(write_figures, results, sources, out, save=save)
    with ProcessPoolExecutor(processes, get_context("spawn")) if processes > 1 else nullcontext() as pool:
        for done, _ in enumerate(pool.map(write, shares) if pool else map(write, shares), 1):
            log.info("figures: %d of %d parts drawn", done, number)


def write_figures(
    results: Results, sources: Sources, out: Path, share: slice = slice(None), save: Save = style.save
) -> None:
    """Write the figures of an experiment into `out`, the files of `catalogue.figure_files`.

    Args:
        share: of the figures, where several processes draw them.

    Raises:
        UserError: a method was not evaluated on a data set.
    """
    _check_complete(results)
    with style.house():
        for picture in pictures(results.facts)[share]:
            painted = picture.type.paint(picture, results, sources)
            for ending, table in painted.tables.items():
                name = "-".join(filter(None, [picture.name, ending]))
                text = table.to_csv(index=False, float_format=FIVE_DIGITS, lineterminator="\n")
                write_text(out / f"{name}.csv", text)
            save(painted.figure, out / picture.name)


def _check_complete(results: Results) -> None:
    facts = results.facts
    missing = [
        f"{method} on {part}"
        for part in facts.parts
        for method in sorted(set(facts.methods) - set(results.measured(facts.protocols[0], part)))
    ]
    if missing:
        raise UserError("figures need every method on every data set", found=f"no result of {', '.join(missing)}")
