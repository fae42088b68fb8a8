"""Checks before the first job runs: what a later job would refuse, and what readers of the results have to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline_src.data import groups, manifest, sources
from pipeline_src.data.manifest import Row
from pipeline_src.data.pairing import pair_files
from pipeline_src.data.splits import assign_splits
from pipeline_src.errors import UserError
from pipeline_src.params.parts import ALL, Part
from pipeline_src.pipeline import job_names, networks
from pipeline_src.pipeline.job import UNPACKED

if TYPE_CHECKING:
    from pipeline_src.pipeline.experiment import ExperimentGraph

FEW = 10  # validation images


def check(experiment: ExperimentGraph) -> list[str]:
    """Return warnings on the data and methods of an experiment, as far as they are known before it runs.

    Warnings concern images that splits share under different names, groups of images in several splits, methods that
    are fitted to few images, and methods that never perturb a label.

    Raises:
        UserError: splits share images or have too few, or a batch is too large.
    """
    sizes = {name: size(experiment, name) for name in experiment.stored_parts}
    rows = {}
    for name, (part, _) in experiment.stored_parts.items():
        job = experiment.job(job_names.preparation(part.set))
        if job.is_made:
            rows[name] = manifest.select(part, job.folder)
    lines = networks.shared_images(manifest.check_disjoint(rows)) + _shared_groups(experiment, rows)
    _check_batch(experiment, sizes["train"])
    if unknown := [name for name in experiment.stored_parts if name not in rows]:
        lines.append(f"Whether {', '.join(unknown)} share images with other parts is known when they are prepared.")
    return list(dict.fromkeys([*lines, *_few_validation(experiment, sizes["val"]), *_late_starts(experiment)]))


def size(experiment: ExperimentGraph, name: str) -> int | None:
    """Return the number of images of a part; None if it is unknown before its dataset is prepared.

    Raises:
        UserError: the part has fewer images than params.yaml asks for.
    """
    part, _ = experiment.stored_parts[name]
    available, images = _split_size(experiment, part), part.first or part.last
    if images and available is not None and available < part.skip + images:
        raise UserError(
            f"data.{name}: {part} has too few samples",
            found=f"{available:,} or fewer in {part.set}/{part.split}",
            expected=f"{part.skip + images:,} or more",
            fix="lower `first` or `last`, or leave it out for the whole split",
        )
    return images or (None if available is None else available - part.skip)


def _split_size(experiment: ExperimentGraph, part: Part) -> int | None:
    """Return the number of images of a whole split, from the prepared dataset, its entry or the names of its files."""
    entry, prepared = experiment.entries[part.set], experiment.job(job_names.preparation(part.set))
    if prepared.is_made:
        return len(manifest.select(Part(set=part.set, split=part.split), prepared.folder))
    try:
        located = sources.locate(entry, experiment.data_root, UNPACKED)
        counts = located.source.generator.counts if located.source.generator else {}
        number = (sum(counts.values()) or located.source.count) if part.split == ALL else counts.get(part.split)
        if number:
            return number
        root = sources.root_folder(located, UNPACKED)
        if not root.is_dir():
            return None
        rows, _ = pair_files(entry, located.layout, root)
        assign_splits(entry, entry.splits_of(located.source), experiment.data_root, root, rows)
    except UserError:  # `prepare` reports it
        return None
    return sum(part.split in (ALL, *row.splits) for row in rows) or None


def _few_validation(experiment: ExperimentGraph, images: int | None) -> list[str]:
    fitted = [name for name in experiment.methods if (posthoc := experiment.posthoc(name)) and posthoc.fits]
    if not fitted or images is None or images >= FEW:
        return []
    return [
        f"data.val has {images} images, to which {', '.join(fitted)} are fitted: fits to fewer than {FEW} vary widely. "
        "Give more validation images, such as by a larger `fraction` of the split."
    ]


def _shared_groups(experiment: ExperimentGraph, rows: Mapping[str, Sequence[Row]]) -> list[str]:
    """Return a line for each two parts with images of one group, such as a patient or a video."""
    lines = []
    for name, entry in {entry.name: entry for part in rows if (entry := experiment.entry(part)).groups}.items():
        file = groups.find(entry.groups, experiment.data_root)
        by_part = {part: [row.id for row in rows[part]] for part in rows if experiment.entry(part).name == name}
        lines += groups.crossings({part: groups.names(ids, entry.groups, file) for part, ids in by_part.items()})
    return lines


def _check_batch(experiment: ExperimentGraph, images: int | None) -> None:
    batch_size = experiment.settings.training.batch_size
    if images is not None and batch_size > images:
        raise UserError(
            "training.batch_size: a step has more images than there are",
            found=f"batch_size: {batch_size:,} and {images:,} training images",
            expected=f"{images:,} or fewer",
            fix=f"set `batch_size: {min(images, 16)}`",
        )


def _late_starts(experiment: ExperimentGraph) -> list[str]:
    """Return a line for each method that starts to perturb labels after the last epoch."""
    epochs, lines = experiment.settings.training.epochs, []
    for name, chosen in experiment.methods.items():
        start = getattr(chosen.method, "start_epoch", None)
        if isinstance(start, int) and start + 1 >= epochs and not experiment.posthoc(name):
            lines.append(
                f"methods.{name}: no label is perturbed: start_epoch is {start}, and training.epochs is {epochs}."
            )
    return lines
