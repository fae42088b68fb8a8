"""Draw all figures of an experiment and save them with their numbers.

Drawing reads analyses, alphas, histories, example maps and stores, and no model, so a new style costs seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

from pipeline_src.analysis.results import Results
from pipeline_src.errors import UserError
from pipeline_src.figures import style
from pipeline_src.figures.catalogue import pictures
from pipeline_src.figures.types import Figure, Sources
from pipeline_src.files import write_text

log = logging.getLogger(__name__)
Save = Callable[[Figure, Path], None]  # writes a drawing, given its file without suffix

PARTS = 20  # of the figures, which several processes share evenly


def draw(results: Results, sources: Sources, out: Path, pool: Executor | None = None, save: Save = style.save) -> None:
    """Draw all figures in parts, in the processes of `pool` if there is one, with a line in the log for each part."""
    number = len(pictures(results.facts))
    shares = [slice(part * number // PARTS, (part + 1) * number // PARTS) for part in range(PARTS)]
    write = partial(write_figures, results, sources, out, save=save)
    for done, _ in enumerate(pool.map(write, shares) if pool else map(write, shares), 1):
        log.info("%s: %d of %d parts of the figures drawn", results.facts.experiment, done, PARTS)


def write_figures(
    results: Results, sources: Sources, out: Path, share: slice = slice(None), save: Save = style.save
) -> None:
    """Write the figures of an experiment into `out`, the files of `catalogue.figure_files`.

    Args:
        share: of the figures, where several processes draw them.

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
        raise UserError("figures need every method on every data set", found=f"no result of {', '.join(missing)}")
    with style.house():
        for picture in pictures(facts)[share]:
            painted = picture.type.paint(picture, results, sources)
            for ending, table in painted.tables.items():
                name = "-".join(filter(None, [picture.name, ending]))
                write_text(out / f"{name}.csv", table.to_csv(index=False, float_format="%.5g", lineterminator="\n"))
            save(painted.figure, out / picture.name)
