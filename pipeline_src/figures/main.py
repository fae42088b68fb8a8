"""All figures of an experiment: each of the catalogue is painted and saved with its numbers.

Drawing reads statistics, alphas, histories, example maps and stores, and no model, so a new style costs seconds.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pipeline_src.analysis.results import Results
from pipeline_src.errors import UserError
from pipeline_src.figures import of_experiment, of_part, style
from pipeline_src.figures.catalogue import Facts, Picture, pictures
from pipeline_src.figures.numbers import measure
from pipeline_src.figures.sources import Painted, Sources
from pipeline_src.files import write_text


def write_figures(results: Results, facts: Facts, sources: Sources, out: Path) -> list[Path]:
    """Write the figures of an experiment into `out`; returns the files, those of `catalogue.figure_files`.

    Raises:
        UserError: a method was not evaluated on a part.
    """
    missing = [
        f"{method} on {part}" for method in facts.methods for part in facts.parts if not results.seeds(method, part)
    ]
    if missing:
        raise UserError("figures need every method on every data set", found=f"no statistic of {', '.join(missing)}")
    wanted, summaries = pictures(facts), {}
    with style.house():
        for part in facts.parts:  # one after the other: the statistics of all together may not fit into memory
            data_set = of_part.DataSet(facts, sources, part, measure(results, part))
            for picture in wanted:
                if picture.part == part:
                    _save(picture, of_part.PAINTERS[picture.kind](picture, data_set), out)
            summaries |= data_set.summaries()
        whole = of_experiment.Whole(facts, sources, summaries)
        for picture in wanted:
            if not picture.part:
                _save(picture, of_experiment.PAINTERS[picture.kind](picture, whole), out)
    return [out / file for picture in wanted for file in picture.files]


def _save(picture: Picture, painted: Painted, out: Path) -> None:
    for ending, table in painted.tables.items():
        _write_csv(table, out / f"{picture.name}{f'-{ending}' if ending else ''}.csv")
    style.save(painted.figure, out / picture.name)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    write_text(path, table.to_csv(index=False, lineterminator="\n"))
