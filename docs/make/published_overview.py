"""results/published/overview: tables T5, T7, T8 and claim C8, which span experiments."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline_src.analysis.facts import ExperimentSummary
from pipeline_src.claims import other_tasks
from pipeline_src.claims.write import write_files
from pipeline_src.data import catalog
from pipeline_src.errors import UserError
from pipeline_src.publishing import published
from pipeline_src.tables.several_experiments import write_overview_tables


def write() -> None:
    """Write them beside the published experiments."""
    folder = published.FOLDER / published.OVERVIEW
    tasks = catalog.tasks()
    with TemporaryDirectory() as unpacked:
        experiments = list(_experiments(Path(unpacked)))
        present = {experiment.task for experiment in experiments}
        shown = {task: text for task, text in tasks.items() if task in present}
        write_overview_tables(experiments, folder / "judged", shown, folder)
        write_files(other_tasks.judged(experiments, tasks), folder)


def _experiments(unpacked: Path) -> Iterator[ExperimentSummary]:
    entries = catalog.load({})
    for name in published.names():
        folder = published.FOLDER / name
        publication = published.Publication.read(folder)
        facts = publication.facts
        params = publication.params
        try:
            task = catalog.find(entries, params["data"]["train"]["set"]).task
        except UserError:  # trained on a set that is not of the catalog
            continue
        captions = {}
        for split in facts.splits_of(("id", "shifted")):
            if split in facts.captions:
                captions[split] = facts.captions[split]
        shutil.unpack_archive(folder / published.TABLES, unpacked / name / "tables")
        shutil.copyfile(folder / "claims.json", unpacked / name / "claims.json")
        yield ExperimentSummary(
            name=name,
            task=task,
            network=params["model"]["config"],
            data=params["data"],
            folder=unpacked / name,
            captions=captions,
        )
