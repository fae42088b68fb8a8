"""Calibrated maps: a calibrator is fitted to a folder of maps, applied to another one, and scored.

Where the other folder has no masks, or a calibrator is to be chosen, scores are cross-validated:
the fitted maps are calibrated, each by a calibrator that was fitted without it.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline_src import outputs
from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.analysis.intervals import FEW_GROUPS, Groups, groups_note, images_note
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.recommendation import ProtocolComparison, recommend
from pipeline_src.analysis.resampling import RESAMPLES, SEED, measure
from pipeline_src.calibrators.calibrator import Calibrator, Record, calibrated, fitted
from pipeline_src.calibrators.pixels import MOST_LOGITS, Pixels, joined, map_pixels
from pipeline_src.calibrators.registry import CALIBRATORS, calibrator_class
from pipeline_src.calibrators.temperature import BOUNDS, TemperatureCalibrator
from pipeline_src.counting.bins import check_bins
from pipeline_src.counting.counts import grouped
from pipeline_src.errors import UserError, few
from pipeline_src.files import Content, atomic, write_text
from pipeline_src.maps.checks import FolderCounts
from pipeline_src.maps.compare import paired_scores
from pipeline_src.maps.files import (
    VOLUME_SUFFIXES,
    Form,
    Pair,
    form_of,
    nifti,
    pairs_and_warnings,
    read_pairs,
    suffix_of,
)
from pipeline_src.maps.judge import groups_of
from pipeline_src.maps.risk import folds_of
from pipeline_src.rng import generator

# What is written into the folder of `--out`.
CALIBRATOR_FILE = "calibrator.json"
MAPS_FOLDER = "maps"
SCORES_FILE = "scores.json"
REPLACED = (CALIBRATOR_FILE, MAPS_FOLDER, SCORES_FILE)  # names of results
# The metrics of scores.json: of applied maps with masks, and of cross-validated maps. The latter
# are without AUGRC, which compares the pixels of all images, but folds have different calibrators.
SCORED = ("ece", "brier", "augrc", "nll", "accuracy")
CROSS_SCORED = ("ece", "brier", "nll", "accuracy")
CROSS_VALIDATION = "cross-validation"  # in scores.json, in the place of the scored folder
ALL = "all"  # the `--method` that chooses a calibrator
BASELINE = "baseline"  # the maps as they are, as the rule of `recommend` calls them


def calibrate_folder(
    pred: Path,
    mask: Path,
    apply: Path,
    out: Path,
    *,
    method: str = "temperature",
    test_mask: Path | None = None,
    ignore: int | None = None,
    bins: int = 10,
    resamples: int = RESAMPLES,
    groups: str = "",
    logits: bool = False,
    skip_unpaired: bool = False,
) -> Content:
    """Fit a calibrator to the maps in `pred`, and write it and the calibrated maps of `apply`.

    Writes calibrator.json, scores.json and maps/ into `out`. Where the applied maps have no masks,
    the fitted maps are scored, each image by the calibrator that was fitted to the other folds. The
    maps of `pred` are read twice then, and with the method "all", all other files once. Memory
    holds a pair of maps and about 2 KB per image; with "all" also the counts of every calibrator:
    3 MB, with K classes 3 MB for each, and 2 KB per image and class.

    Args:
        test_mask: masks of the applied maps.
        resamples: bootstrap resamples; 0 for no intervals.
        groups: a pattern or csv file (`data.groups`) that names the group of each image of `pred`
            and, with `test_mask`, of `apply`. All images of a group are in one fold.
        method, ignore, bins, logits, skip_unpaired: the options of the command `calibrate`.

    Returns:
        The content of scores.json.

    Raises:
        UserError: names all unusable files, or the option that does not fit; nothing is written
            then.
    """
    check_bins(bins)
    if method != ALL:
        calibrator_class(method, "--method")  # an unknown name is an error
    elif not resamples:
        raise UserError("--method all needs intervals", found="--resamples 0", fix="leave it out")
    inputs = (pred, mask, apply, test_mask)
    below = [out / MAPS_FOLDER]
    outputs.check_output(out, "calibrate", replaced=REPLACED, below=below, inputs=inputs)
    pairs, skipped = pairs_and_warnings(pred, mask, skip_unpaired)
    applied, skipped_applied = pairs_and_warnings(apply, test_mask, skip_unpaired)
    scored = applied if test_mask else pairs
    units = groups_of(pairs, groups)
    units_of_scored = groups_of(scored, groups)
    # The maps to fit to.
    form = form_of(pairs, ignore, logits=logits)
    fit_counts, pixels = counts_and_pixels(pairs, form)
    _check_labels(pixels, mask)
    warnings = fit_counts.warnings() + skipped + skipped_applied
    # Cross-validation: the metrics of the same maps as they are (`BASELINE`), and by calibrator.
    measured: dict[str, Measurement] = {}
    if method == ALL or not test_mask:
        measured[BASELINE] = _measured(fit_counts, units, bins, resamples)
        names = [method]
        if method == ALL:
            _check_choice(measured[BASELINE].units)
            names = suitable(pixels.classes)
        counted, fold_warnings = cross_validated(names, pixels, units, pairs, form)
        warnings += fold_warnings
        for name, counts in counted.items():
            measured[name] = _measured(counts, units, bins, resamples)
    table: Content = {}
    if method == ALL:
        method, table = choose(measured)
        if not test_mask:
            warnings.append(
                "these scores chose the calibrator, so they are slightly too good; --test-mask "
                "gives others"
            )
        if method == BASELINE:
            warnings.append("no calibrator improves on the maps; they are written as they are")
    # The calibrator, and the maps to calibrate.
    calibrator: Calibrator = TemperatureCalibrator(temperature=1)  # which changes nothing
    if method != BASELINE:
        calibrator = fitted(calibrator_class(method), pixels)
    with outputs.staged(out, SCORES_FILE, REPLACED) as new:
        before, after = write_calibrated(applied, calibrator, new / MAPS_FOLDER, form)
        if before.clamps != fit_counts.clamps:
            warnings.append(
                f"the calibrator was fitted to maps of type {' and '.join(fit_counts.clamps)}, and "
                f"--apply has {' and '.join(before.clamps)}: their extreme values differ, so the "
                "calibrator may not fit; save all maps alike"
            )
        if test_mask:
            before.check()
            warnings += [f"{apply}: {line}" for line in before.warnings()]
            warnings += overlap_warnings(fit_counts, before)
            run_before = _measured(before, units_of_scored, bins, resamples)
            run_after = _measured(after, units_of_scored, bins, resamples)
        else:
            before = fit_counts
            run_before = measured[BASELINE]
            run_after = measured[method]
        if fit_counts.resized or before.resized:
            warnings.append(
                "the calibrator was fitted and scored at the size of the masks; maps of another "
                "size are calibrated at their own size, so their scores by judge differ"
            )
        record = Record.of(calibrator, pixels)
        if not 1.01 * BOUNDS[0] < record.parameters.get("temperature", 1) < 0.99 * BOUNDS[1]:
            warnings.append(
                "the temperature is at a limit of the search: 0.01 where the maps are right on "
                "every pixel, 100 where they hold no information, are inverted, or logits too large"
            )
        result: Content = {
            "method": method,
            "keeps_class": calibrator.keeps_class,
            "fitted_on": record.fitted_on.model_dump(),
            "scored_on": str(apply) if test_mask else CROSS_VALIDATION,
            "scored_images": len(scored),
            "applied_images": len(applied),
            "bins": bins,
            "clamp": before.clamps,
        }
        if groups:
            result["groups"] = groups_note(run_before.units)
        elif resamples:
            warnings += images_note(run_before.units)
        result["warnings"] = warnings
        scored_metrics = SCORED if test_mask else CROSS_SCORED
        result["scores"] = paired_scores(scored_metrics, run_before, run_after)
        if table:
            result["calibrators"] = table
        write_text(new / CALIBRATOR_FILE, record.file_text())
        outputs.write_result(new / SCORES_FILE, result)
    return result


# The checks of the options


def _check_choice(units: int) -> None:
    """Raise a UserError if there are too few to choose a calibrator.

    Args:
        units: number of images with a pixel that counts, or of groups of images.
    """
    if units < FEW_GROUPS:
        raise UserError(
            "--method all needs more images, or groups of them, to tell calibrators apart",
            found=units,
            expected=f"{FEW_GROUPS} or more",
            fix="--method temperature",
        )


# The fit


def counts_and_pixels(pairs: Sequence[Pair], form: Form) -> tuple[FolderCounts, Pixels]:
    """Return the counts of all pairs, and the pixels to which a calibrator is fitted.

    Of maps of two classes these are all pixels, merged by logit (`map_pixels`, which then draws
    none). Of maps of K classes pixels are drawn, from each image as many as fit into memory, and
    each stands for an equal share of its image.

    Raises:
        UserError: names all files that cannot be used, or what the values of all files leave open,
            such as which value of a mask is the object.
    """
    counts = FolderCounts(form)
    pixels = []
    most = max(1, MOST_LOGITS // ((form.classes or 2) * len(pairs)))  # pixels of an image
    for saved in read_pairs(pairs, form):
        counts.add(saved)
        random = generator(saved.pair.stem, "calibrate")
        # Logits of the file itself, if it holds some, are finer than those of its probabilities.
        pixels.append(map_pixels(saved.sample, most, random, saved.fitted_logits()))
        del saved  # before the next one is read
    counts.check()
    return counts, joined(pixels)


def _check_labels(pixels: Pixels, mask: Path) -> None:
    """Raise a UserError where the pixels of the masks in `mask` all have one class."""
    present = _classes(pixels)
    if len(present) < 2:
        raise UserError(
            f"no calibrator can be fitted to the masks in {mask}",
            found=f"pixels of the classes {present.tolist()} (0 is background)",
            expected="pixels of two classes or more",
            fix="give --mask the masks of validation images with and without objects",
        )


def _classes(pixels: Pixels) -> np.ndarray:
    """Return the labels that occur, ascending; a pixel of weight 0 does not count."""
    return np.unique(pixels.labels[pixels.weights > 0])


def cross_fitted(
    calibrator: type[Calibrator], pixels: Pixels, groups: Groups
) -> tuple[list[Calibrator], list[str]]:
    """Return for each image the calibrator that is fitted without the image's fold, and warnings.

    Args:
        calibrator: the type of the calibrators.
        pixels: of all images.
        groups: (I,) the group of each image; None where images are independent.

    Raises:
        UserError: there is a single image or group.
    """
    if groups is None:
        groups = np.arange(pixels.number)
    folds = folds_of(groups)
    if folds.max(initial=0) < 1:
        raise UserError(
            "one image, or one group of images, cannot be cross-validated",
            found=f"{pixels.number} image(s) to fit to",
            expected="two or more, of two groups",
            fix="give more images, or --test-mask",
        )
    by_fold = []
    warnings: list[str] = []
    for fold in range(folds.max() + 1):
        others = pixels.take(folds != fold)  # a copy; one at a time is in memory
        by_fold.append(fitted(calibrator, others))
        if len(_classes(others)) < 2:
            warnings = [
                "without one of the folds all pixels have one class, so the scores are too bad: "
                "give more images with objects"
            ]
    return [by_fold[fold] for fold in folds], warnings


def suitable(classes: int) -> list[str]:
    """Return the names of the calibrators that are defined for maps of so many classes.

    `vector` is left out, because on saved maps `platt` is the same calibrator.
    """
    kinds = [calibrator_class(name) for name in CALIBRATORS if name != "vector"]
    return [kind.name for kind in kinds if classes == 2 or not kind.two_classes]


def cross_validated(
    names: Sequence[str],
    pixels: Pixels,
    groups: Groups,
    pairs: Sequence[Pair],
    form: Form,
) -> tuple[dict[str, FolderCounts], list[str]]:
    """Return the counts of all maps after cross-validated calibration, by calibrator, and warnings.

    Each map is calibrated by a calibrator that was fitted without the map's fold. Each file is read
    once.

    Args:
        names: of the calibrators.
        pixels: of the images of `pairs`, to be fitted to.
        groups: (I,) the group of each image; None where images are independent.
        form: of all maps.
    """
    calibrators = {}
    for name in names:  # the warnings are about the folds, the same for all calibrators
        calibrators[name], warnings = cross_fitted(calibrator_class(name), pixels, groups)
    counted = {name: FolderCounts(form) for name in names}
    for image, saved in enumerate(read_pairs(pairs, form)):
        logits = saved.fitted_logits()
        for name, by_image in calibrators.items():
            probability = calibrated(by_image[image], saved.sample.probability, logits)
            counted[name].add(replace(saved, probability=probability, logits=None))
        del saved, probability, logits  # before the next one is read
    return counted, warnings


# The scores


def _measured(counted: FolderCounts, units: Groups, bins: int, resamples: int) -> Measurement:
    """Return the metrics of unnormalized maps, exactly and on resamples of the images.

    The resamples are the same for all counts of the same images, so differences are paired.

    Args:
        units: (N,) the group of each image; None where images are independent.
        bins: number of equal-width bins.
        resamples: their number.
    """
    return measure(grouped(counted.counts(), units)["raw"], bins, SEED, resamples)


def choose(measured: Mapping[str, Measurement]) -> tuple[str, Content]:
    """Return the calibrator that the rule of reports (`recommend`) chooses, and a table of all.

    Of calibrators that the rule finds equally simple, the one with the lowest Brier score is
    chosen, because a coarse calibrator can have the lower ECE and tell fewer pixels apart.

    Args:
        measured: calibrator, or `BASELINE`, -> the measurement of its cross-validated maps.

    Returns:
        The calibrator's name, `BASELINE` if none improves on the maps. The table has by name the
        `outcome` of the rule and the `scores`, each paired with that of temperature scaling.
    """
    methods = {name: MethodFacts(code=name) for name in measured}
    facts = Facts(CROSS_VALIDATION, methods, {CROSS_VALIDATION: "id"})
    comparison = ProtocolComparison(facts, {CROSS_VALIDATION: measured}, "id")
    choice = recommend(comparison, tie_break="brier")
    table = {}
    for name, run in measured.items():
        scores = paired_scores(
            CROSS_SCORED, measured["temperature"], run, sides=("temperature", "value")
        )
        table[name] = {"outcome": choice.outcomes[name], "scores": scores}
    return choice.method or BASELINE, table


def overlap_warnings(fitted_counts: FolderCounts, scored_counts: FolderCounts) -> list[str]:
    """Return a warning that names scored images which were also fitted, under any name; an empty
    list if there are none.
    """
    known = set(_contents(fitted_counts).values())
    shared = [name for name, content in _contents(scored_counts).items() if content in known]
    if not shared:
        return []
    return [
        f"{len(shared)} of the scored images were also fitted ({few(shared, 3)}): their scores are "
        "too good"
    ]


def _contents(counted: FolderCounts) -> dict[str, bytes]:
    """Return for each image id the image's row of the counts, as bytes that identify its content.

    The row holds size, numbers of pixels and sums of scores. Different images hardly ever have
    equal rows; a mirrored copy has.

    Images without a pixel that counts and maps of one value are left out, because several images
    share such sums.
    """
    images = counted.counts()["raw"].images
    varied = (images.column("pixels") > 0) & (images.column("constant") == 0)
    contents = {}
    for image, identifier in enumerate(images.ids):
        if varied[image]:
            contents[identifier] = images.table[image].tobytes()
    return contents


# The calibrated maps


def write_calibrated(
    pairs: Sequence[Pair],
    calibrator: Calibrator,
    folder: Path,
    form: Form,
) -> tuple[FolderCounts, FolderCounts]:
    """Write the calibrated map of each pair, and return the counts before and after calibration.

    A map is written under its own name, in the format, type and shape of the file; of logits, as
    float32 probabilities. Maps without masks are not counted. A map of another size than its mask
    is counted as it would be fitted: it is resized, then calibrated.

    Args:
        form: of all maps.

    Raises:
        UserError: names all files that cannot be used.
    """
    before = FolderCounts(form)
    after = FolderCounts(form)
    for saved in read_pairs(pairs, form):
        pair = saved.pair
        probability = calibrated(calibrator, saved.probability, saved.logits)
        stored = probability
        # The file of a volume can hold two classes, of which only the object's was read.
        if len(saved.stored_shape) == 4 and saved.stored_shape[0] == 2:
            stored = np.stack([1 - probability, probability])
        path = folder / (pair.stem + suffix_of(pair.map))
        _write_map(path, pair.map, stored.reshape(saved.stored_shape))
        before.add_type(saved.probability.dtype)
        if pair.mask:
            before.add(saved)
            if saved.sample.probability is not saved.probability:
                probability = calibrated(
                    calibrator, saved.sample.probability, saved.fitted_logits()
                )
            after.add(replace(saved, probability=probability, logits=None))
        del saved, probability, stored  # before the next one is read
    return before, after


def _write_map(path: Path, original: Path, stored: np.ndarray) -> None:
    """Write an array to `path`, in the format of the file `original`.

    An .npz file keeps the name of its array, a NIfTI file its header.
    """
    suffix = suffix_of(path)
    # A file object, because numpy appends .npy to other names, also to x.NPY.
    with atomic(path) as temporary, open(temporary, "wb") as file:
        if suffix == ".npy":
            np.save(file, stored)
        elif suffix == ".npz":
            with np.load(original) as arrays:
                named: dict[str, Any] = {arrays.files[0]: stored}
            np.savez_compressed(file, **named)
        elif suffix in VOLUME_SUFFIXES:
            file.write(_nifti_bytes(original, stored, suffix == ".nii.gz"))
        else:
            Image.fromarray(stored).save(file, Image.registered_extensions()[suffix])


def _nifti_bytes(original: Path, stored: np.ndarray, compressed: bool) -> bytes:
    """Return the content of a NIfTI file with the values `stored`, (z, y, x) or (K, z, y, x),
    and with the affine and the header of the file `original`.
    """
    image = nifti(original)
    header = image.header.copy()
    header.set_data_dtype(stored.dtype)
    header.set_slope_inter(1, 0)  # values are stored as they are, not scaled
    content: bytes = type(image)(stored.T, image.affine, header).to_bytes()
    return gzip.compress(content, mtime=0) if compressed else content
