"""What a later job would refuse, or what a reader of its results has to know, reported before the first one runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from pipeline_src.data import groups, manifest, sources
from pipeline_src.data.manifest import Row
from pipeline_src.errors import UserError
from pipeline_src.params.parts import Part
from pipeline_src.pipeline import job_names, networks
from pipeline_src.pipeline.data_jobs import UNPACKED
from pipeline_src.pipeline.sizes import declared, estimated, size

if TYPE_CHECKING:
    from pipeline_src.pipeline.experiment import ExperimentGraph

FEW = 10  # validation images


def check(experiment: ExperimentGraph) -> list[str]:
    """UserError for what a job that is to be run would refuse: too few images, parts that share images, a batch that is
    too large. Data sets that are not prepared yet are judged by what is known.

    Returns:
        Warnings: images that parts share under different names, groups of images that are in several of them, parts
        of which that is not known, methods that are fitted to few images or never perturb a label.
    """
    _check_ranges(experiment)
    for name in experiment.stored_parts:
        _check_size(experiment, name)
    rows = {}
    for name, (part, _) in experiment.stored_parts.items():
        job = experiment.job(job_names.preparation(part.set))
        if job.is_made:
            rows[name] = manifest.select(part, job.folder)
    lines = networks.shared_images(manifest.check_disjoint(rows)) + _shared_groups(experiment, rows)
    _check_batch(experiment)
    if unknown := [name for name in experiment.stored_parts if name not in rows]:
        lines.append(f"Whether {', '.join(unknown)} share images with other parts is known when they are prepared.")
    return list(dict.fromkeys([*lines, *_few_validation(experiment), *_late_starts(experiment)]))


def _few_validation(experiment: ExperimentGraph) -> list[str]:
    """A line where methods are fitted to few validation images."""
    fitted = [name for name in experiment.methods if (posthoc := experiment.posthoc(name)) and posthoc.fits]
    images = estimated(experiment, "val") if fitted else None
    if images is None or images >= FEW:
        return []
    return [
        f"data.val has {images} image{'s' * (images != 1)}: what {', '.join(fitted)} fit to fewer than {FEW} can be "
        "far off on others. Give more validation images, such as by a larger `fraction` of the split."
    ]


def _shared_groups(experiment: ExperimentGraph, rows: Mapping[str, Sequence[Row]]) -> list[str]:
    """A line for each two parts with images of one group, such as a patient or a video."""
    lines = []
    for name, entry in {entry.name: entry for part in rows if (entry := experiment.entry(part)).groups}.items():
        file = groups.find(entry.groups, experiment.data_root)
        by_part = {part: [row.id for row in rows[part]] for part in rows if experiment.entry(part).name == name}
        lines += groups.crossings({part: groups.names(ids, entry.groups, file) for part, ids in by_part.items()})
    return lines


def _check_ranges(experiment: ExperimentGraph) -> None:
    """Refuse parts that share images by what params.yaml says of them."""
    parts = {name: part for name, (part, _) in experiment.stored_parts.items()}
    for one, two in combinations(parts, 2):
        if {one, two} & {"train", "val"} and _meet(parts[one], parts[two]):
            raise UserError(
                f"data.{one} and data.{two} are the same images",
                found=f"{parts[one]} and {parts[two]}",
                expected="training, validation and test parts without a common sample",
                fix="choose other splits, or `first` of the one and `last` of the other",
            )


def _meet(one: Part, two: Part) -> bool:
    """Whether ranges of one split have images in common however many it has."""
    apart = (one.first and two.last) or (one.last and two.first)
    if one.first and two.first:
        apart = one.skip + one.first <= two.skip or two.skip + two.first <= one.skip
    return (one.set, one.split) == (two.set, two.split) and not apart


def _check_size(experiment: ExperimentGraph, name: str) -> None:
    """Refuse a part that asks for more images than there can be."""
    part, _ = experiment.stored_parts[name]
    wanted = part.skip + (part.first or part.last or 0)
    if wanted and (most := _most(experiment, part)) is not None and most < wanted:
        raise UserError(
            f"data.{name}: {part} has too few samples",
            found=f"{most:,} or fewer in {part.set}/{part.split}",
            expected=f"{wanted:,} or more",
            fix="lower `first` or `last`, or leave it out for the whole split",
        )


def _most(experiment: ExperimentGraph, part: Part) -> int | None:
    """Return the largest number of images that a split can have, if that is known."""
    job = experiment.job(job_names.preparation(part.set))
    if job.is_made:
        return len(manifest.select(Part(set=part.set, split=part.split), job.folder))
    try:
        located = sources.locate(experiment.entries[part.set], experiment.data_root, UNPACKED)
    except sources.MissingSourceError:
        return None
    if located.source.generator:
        return declared(located.source, part.split)
    if located.source.count is not None:
        return located.source.count
    root = sources.root_folder(located, UNPACKED)
    return sum(1 for _ in root.rglob("*")) if root.is_dir() else None


def _check_batch(experiment: ExperimentGraph) -> None:
    """Refuse a step with more images than there are."""
    training, images = experiment.settings.training, size(experiment, "train")
    if images is not None and training.batch_size > images:
        raise UserError(
            "training.batch_size: a step has more images than there are",
            found=f"batch_size: {training.batch_size:,} and {images:,} training images",
            expected=f"{images:,} or fewer",
            fix=f"set `batch_size: {min(images, 16)}`",
        )


def _late_starts(experiment: ExperimentGraph) -> list[str]:
    """A line for each method that begins to perturb labels after the last epoch."""
    epochs, lines = experiment.settings.training.epochs, []
    for name, chosen in experiment.methods.items():
        start = getattr(chosen.method, "start_epoch", None)
        if isinstance(start, int) and start + 1 >= epochs and not experiment.posthoc(name):
            lines.append(
                f"methods.{name}: no label is perturbed: start_epoch is {start}, and training.epochs is {epochs}."
            )
    return lines
