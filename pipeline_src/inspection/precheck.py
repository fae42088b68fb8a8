"""What a later step would refuse, or what a reader of its results has to know, reported before the first one runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from pipeline_src.data import groups, manifest, sources
from pipeline_src.data.manifest import Row
from pipeline_src.data.part_checks import check_disjoint
from pipeline_src.engine.job import Job
from pipeline_src.errors import UserError
from pipeline_src.inspection.sizes import declared, estimated, size
from pipeline_src.params.parts import Part
from pipeline_src.steps import job_names, networks
from pipeline_src.steps.prepare import UNPACKED

if TYPE_CHECKING:
    from pipeline_src.steps.experiment import ExperimentGraph

FEW = 10  # validation images


def check(experiment: ExperimentGraph) -> list[str]:
    """UserError for what a step that is to be run would refuse: too few images, parts that share images, a device, a
    batch that the network can't be trained on, a tracker that there is not. Data sets that are not prepared yet are
    judged by what is known.

    Returns:
        Photographs that parts share under different names, groups of images that are in several of them, which parts
        that is not known of, that methods are fitted to few images, pretrained weights that are not here, and what
        users' files read past the contract.
    """
    _check_ranges(experiment)
    for name in experiment.stored_parts:
        _check_size(experiment, name)
    rows = {}
    for name, (part, _) in experiment.stored_parts.items():
        job = experiment.job(job_names.preparation(part.set))
        if job.current:
            rows[name] = manifest.select(part, job.folder)
    lines = networks.shared_images(check_disjoint(rows)) + _shared_groups(experiment, rows)
    if any(not job.current for job in experiment.of_kinds("train")):
        lines += _check_training(experiment)
    if unknown := [name for name in experiment.stored_parts if name not in rows]:
        lines.append(f"Whether {', '.join(unknown)} share images with other parts is known when they are prepared.")
    lines += _few_validation(experiment)
    return list(dict.fromkeys(lines))


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


def check_again(experiment: ExperimentGraph, jobs: Iterable[Job]) -> None:
    """UserError where `jobs`, or what of their inputs is not current, could not be made here: what `check` refuses, and
    data that are not here or not as they were unpacked."""
    check(experiment)
    to_run: dict[str, Job] = {}
    queue = list(jobs)
    while queue:
        if (job := queue.pop()).name not in to_run:
            to_run[job.name] = job
            queue += [needed for needed in job.inputs.values() if not needed.current]
    if any(job.kind == "train" for job in to_run.values()):
        _check_training(experiment)
    readers = [job for job in to_run.values() if job.kind in ("prepare", "store")]
    for name, job in {job.options["entry"].name: job for job in readers}.items():
        try:
            located = sources.locate(experiment.entries[name], experiment.data_root, UNPACKED)
            sources.root_folder(located, UNPACKED)
        except UserError as error:
            raise UserError(f"{job.name} can't be made again here, and nothing was forgotten: {error}") from None


def _check_ranges(experiment: ExperimentGraph) -> None:
    """Refuse parts that share images by what params.yaml says of them."""
    parts = {name: part for name, (part, _) in experiment.stored_parts.items()}
    for one, two in combinations(parts, 2):
        if {one, two} & {"train", "val"} and _meet(parts[one], parts[two]):
            raise UserError(
                f"data.{one} and data.{two} are the same images",
                found=f"{parts[one]} and {parts[two]}",
                expected="training, validation and test parts without a common sample",
                do="choose other splits, or `first` of the one and `last` of the other",
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
            do="lower `first` or `last`, or leave it out for the whole split",
        )


def _most(experiment: ExperimentGraph, part: Part) -> int | None:
    """How many images a split can have at most, if anything is known of it."""
    job = experiment.job(job_names.preparation(part.set))
    if job.current:
        return len(manifest.select(Part(set=part.set, split=part.split), job.folder))
    try:
        located = sources.locate(experiment.entries[part.set], experiment.data_root, UNPACKED)
    except sources.MissingSourceError:
        return None
    if located.source.generator:
        return declared(located.source, part.split)
    if located.source.count is not None:
        return located.source.count
    root = located.root or sources.unpacked_folder(located.name, located.content, UNPACKED)
    return sum(1 for _ in root.rglob("*")) if root.is_dir() else None


def _check_training(experiment: ExperimentGraph) -> list[str]:
    from pipeline_src.training import run_checks
    from pipeline_src.training.device import prepare_device
    from pipeline_src.training.models import pretrained
    from pipeline_src.training.models.build import build_segmentor
    from pipeline_src.training.trackers import check_type

    settings = experiment.settings
    for tracker in experiment.trackers:
        check_type(tracker["type"])
    run_checks.check_gpus(settings.training)
    prepare_device(settings.training)
    images = size(experiment, "train")
    if images is not None:
        run_checks.check_batch(settings.training, images)
    if settings.training.batch_size == max(1, settings.training.gpus):
        network = build_segmentor(settings.model.network, False, settings.image_size, experiment.facts.classes)
        run_checks.check_single_image(network, settings.image_size)
    return pretrained.check(settings.model)
