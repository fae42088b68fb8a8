"""How many images a part has, as far as that is known before its set is prepared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_src.data import manifest, sources
from pipeline_src.data.pairing import pair_files
from pipeline_src.data.splits import assign_splits
from pipeline_src.errors import UserError
from pipeline_src.params.parts import ALL
from pipeline_src.pipeline import job_names
from pipeline_src.pipeline.data_jobs import UNPACKED

if TYPE_CHECKING:
    from pipeline_src.data.entry import Source
    from pipeline_src.pipeline.experiment import ExperimentGraph


def size(experiment: ExperimentGraph, part: str) -> int | None:
    """Number of images of a part, from its manifest or else from the catalog; None if neither knows."""
    chosen, _ = experiment.stored_parts[part]
    prepared = experiment.job(job_names.preparation(chosen.set))
    if prepared.is_made:
        return len(manifest.select(chosen, prepared.folder))
    if chosen.first or chosen.last:
        return chosen.first or chosen.last
    numbers = (declared(source, chosen.split) for source in experiment.entry(part).sources.values())
    return next(filter(None, numbers), None)


def declared(source: Source, split: str) -> int | None:
    """Return the number of images of a split, if a source states it."""
    if source.generator:
        return sum(source.generator.counts.values()) if split == ALL else source.generator.counts.get(split)
    return source.count if split == ALL else None


def estimated(experiment: ExperimentGraph, part: str) -> int | None:
    """`size`, or else what the names of the set's files give, none of which is read; None where they are not here.
    Which files are faulty or identical is not known then."""
    if (number := size(experiment, part)) is not None:
        return number
    entry, split = experiment.entry(part), experiment.stored_parts[part][0].split
    try:
        located = sources.locate(entry, experiment.data_root, UNPACKED)
        root = sources.root_folder(located, UNPACKED)
        if not root.is_dir():
            return None
        rows, _ = pair_files(entry, located.layout, root)
        assign_splits(entry, entry.splits_of(located.source), experiment.data_root, root, rows)
    except UserError:  # which `prepare` says
        return None
    return sum(split in (ALL, *row.splits) for row in rows) or None
