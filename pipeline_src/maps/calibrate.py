"""Calibrate saved maps: fit on a folder of maps with masks, apply to another folder, and score before and after."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline_src import outputs
from pipeline_src.analysis.estimate import Estimate, estimate
from pipeline_src.analysis.intervals import groups_note, images_note
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.resampling import RESAMPLES, SEED, resample_counts
from pipeline_src.calibrators.calibrator import Calibrator, Record, calibrated, fitted
from pipeline_src.calibrators.pixels import Pixels, image_pixels, joined, log_odds
from pipeline_src.calibrators.registry import calibrator_class
from pipeline_src.counting.counts import image_rows
from pipeline_src.counting.score_histogram import check_bins
from pipeline_src.errors import UserError, few
from pipeline_src.files import atomic, write_text
from pipeline_src.maps.counts import FolderCounts, count, read_sample
from pipeline_src.maps.files import (
    Pair,
    UnusableFileError,
    check_classes,
    check_files,
    classes_of,
    pair_files,
    read_map,
)
from pipeline_src.maps.judge import groups_of
from pipeline_src.maps.risk import folds_of
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.registry import METRICS
from pipeline_src.rng import generator

CALIBRATOR, FOLDER, SCORES = "calibrator.json", "maps", "scores.json"
SCORED = ("ece", "brier", "augrc", "nll", "accuracy")
CROSS_VALIDATION = "cross-validation"
MOST_NUMBERS = 2**23  # of pixels of K classes that are in memory at once


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
) -> dict[str, Any]:
    """Fit a calibrator to the maps in `pred` and their masks, and write it and the calibrated maps
    of `apply`.

    Writes calibrator.json, scores.json and maps/ into `out`. Where the applied maps have no masks,
    the fitted maps are scored, each image by the calibrator that was fitted to the other folds.

    Args:
        test_mask: masks of the applied maps.
        resamples: bootstrap resamples; 0 for no intervals.
        groups: as of `judge`, of `pred` and, with `test_mask`, of `apply`; a group is in one fold.
        method, ignore, bins: the options of the command `calibrate`.

    Returns:
        The content of scores.json.

    Raises:
        UserError: names all unusable files, or the option that does not fit; nothing is written
            then.
    """
    check_bins(bins)
    kind = calibrator_class(method, "--method")
    foreign = [out / FOLDER] if (out / FOLDER).exists() and not (out / CALIBRATOR).exists() else []
    outputs.check_output(
        out,
        "calibrate",
        below=[out / FOLDER],
        inputs=(pred, mask, apply, test_mask),
        foreign=foreign,
    )
    pairs, applied = pair_files(pred, mask), pair_files(apply, test_mask)
    units, units_of_scored = (
        groups_of(pairs, groups),
        groups_of(applied if test_mask else pairs, groups),
    )
    classes = classes_of(pairs)
    counted = count(pairs, classes, ignore)
    pixels = pixels_of(pairs, classes, ignore)
    _check_labels(pixels, mask)
    calibrator = fitted(kind, pixels)
    warnings, names = [*counted.warnings], [*SCORED]
    if test_mask is None:
        scored, scored_on, uncalibrated = pairs, CROSS_VALIDATION, counted
        calibrators, remarks = cross_fitted(kind, pixels, units)
        warnings += remarks
        names.remove(
            "augrc"
        )  # it compares the pixels of all images, but folds have different calibrators
    else:
        scored, scored_on, calibrators = applied, str(apply), [calibrator] * len(applied)
        uncalibrated = count(applied, classes, ignore)
        warnings += [f"{apply}: {line}" for line in uncalibrated.warnings] + overlap_warnings(
            counted, uncalibrated
        )
    sides = uncalibrated, count(scored, classes, ignore, calibrators=calibrators)
    record = Record.of(calibrator, pixels)
    result = {
        "method": calibrator.name,
        "keeps_class": calibrator.keeps_class,
        "fitted_on": record.fitted_on.model_dump(),
        "scored_on": scored_on,
        "scored_images": len(scored),
        "applied_images": len(applied),
        "bins": bins,
        "clamp": uncalibrated.clamps,
        **({"groups": groups_note(units_of_scored)} if groups else {}),
        "warnings": warnings + (images_note(len(scored)) if resamples and not groups else []),
        "scores": _compare(names, sides, units_of_scored, bins, resamples),
    }
    with outputs.staged(out, SCORES, [FOLDER]) as new:
        write_text(new / CALIBRATOR, record.file_text())
        write_calibrated(applied, calibrator, new / FOLDER, classes)
        write_text(new / SCORES, json.dumps(result, indent=2, allow_nan=False) + "\n")
    return result


# The fit


def pixels_of(pairs: Sequence[Pair], classes: int | None, ignore: int | None) -> Pixels:
    """Return the pixels of all pairs to fit a calibrator to.

    For two classes all pixels are used, grouped. For K classes as many of each image as fit into
    memory are drawn, and each stands for an equal share of its image.
    """
    parts = []
    for pair in pairs:
        sample = read_sample(pair, classes, ignore)
        z, chosen = log_odds(sample.probability), None
        if len(z) > 1:
            valid, most = (
                int((sample.truth < len(z)).sum()),
                max(1, MOST_NUMBERS // (len(z) * len(pairs))),
            )
            random = generator(pair.stem, "calibrate")
            chosen = random.choice(valid, most, replace=False) if valid > most else None
        parts.append(image_pixels(z, sample.truth, chosen).grouped())
    return joined(parts)


def _check_labels(pixels: Pixels, mask: Path) -> None:
    """Raise a UserError where the pixels of the masks in `mask` all have one class."""
    if len(present := _classes(pixels)) < 2:
        raise UserError(
            f"no calibrator can be fitted to the masks in {mask}",
            found=f"only class {present[0]} (0 is background)" if len(present) else "no pixel",
            expected="pixels of two classes or more",
            fix="give --mask the masks of validation images with and without objects",
        )


def _classes(pixels: Pixels) -> np.ndarray:
    return np.unique(pixels.labels[pixels.weights > 0])


def cross_fitted(
    calibrator: type[Calibrator], pixels: Pixels, groups: np.ndarray | None
) -> tuple[list[Calibrator], list[str]]:
    """Return for each image the calibrator that is fitted to the other folds, and warnings.

    Args:
        groups: (I,) the group of each image; None where images are independent.

    Raises:
        UserError: there is a single image or group.
    """
    folds = folds_of(np.arange(pixels.number) if groups is None else groups)
    if folds.max(initial=0) < 1:
        raise UserError(
            "one image, or one group of images, cannot be cross-validated",
            found=f"{pixels.number} image(s) to fit to",
            expected="two or more, of two groups",
            fix="give more images, or --test-mask",
        )
    by_fold, single = [], False
    for fold in range(folds.max() + 1):  # one at a time in memory
        others = pixels.take(folds != fold)
        by_fold.append(fitted(calibrator, others))
        single |= len(_classes(others)) < 2
    text = "without one of the folds all pixels have one class, so the scores are too bad: give more images with objects"
    return [by_fold[fold] for fold in folds], [text] * single


# The scores


def overlap_warnings(fitted_counts: FolderCounts, scored_counts: FolderCounts) -> list[str]:
    """Return a warning that names scored images whose content was also fitted, under any name."""
    known = set(_contents(fitted_counts).values())
    shared = [name for name, content in _contents(scored_counts).items() if content in known]
    lines = f"{len(shared)} of the scored images were also fitted ({few(shared, 3)}): their scores are too good"
    return [lines] if shared else []


def _contents(counted: FolderCounts) -> dict[str, bytes]:
    """Return by image id the sums over the pixels of map and mask, which identify the content.

    Images without a pixel that counts and maps of one value are left out, because several images
    share such sums.
    """
    rows = image_rows(counted.statistic.raw)
    varied = (rows.column("pixels") > 0) & (rows.column("constant") == 0)
    return {rows.ids[i]: rows.table[i].tobytes() for i in np.flatnonzero(varied)}


def _compare(
    names: Sequence[str],
    counted: Sequence[FolderCounts],
    units: np.ndarray | None,
    bins: int,
    resamples: int,
) -> dict[str, Any]:
    """Compare the counts before and after calibration on the same resamples.

    Returns:
        By metric the values `before` and `after`, their `intervals`, and whether the value
        `changed`. Where another metric also decides, the interval of its difference is under its
        name.
    """
    runs = [ProtocolCounts.by_protocol(side.statistic, units)["raw"] for side in counted]
    sides = [resample_counts(run, bins, SEED, resamples) for run in runs]
    ends = [side.intervals() if resamples else {} for side in sides]
    terms = [
        (Measurement.of_runs([0], [side]), weight)
        for side, weight in zip(sides, (-1.0, 1.0), strict=True)
    ]
    scores: dict[str, Any] = {}
    for name in (name for name in names if name in sides[0].points):
        intervals = {"before": ends[0].get(name), "after": ends[1].get(name), "difference": None}
        changed = ""
        change = estimate(name, *terms) if resamples else None
        if change and change.decided:
            intervals[METRICS[name].decided_by] = _limits(change.decided)
            # Resampling raises an error near 0. In simulations percentiles held the true difference
            # in 65 to 98 % of cases; symmetric about the value, by the longer side, they held it in
            # 92 to 100 %.
            half = max(change.value - change.image_low, change.image_high - change.value)
            change = replace(change, image_low=change.value - half, image_high=change.value + half)
        if change:
            intervals["difference"] = _limits(change)
            changed = change.direction
        values = {"before": sides[0].points[name], "after": sides[1].points[name]}
        scores[name] = values | {"intervals": intervals, "changed": changed}
    return scores


def _limits(effect: Estimate) -> tuple[float, float] | None:
    return None if math.isnan(effect.image_low) else effect.interval()


# The calibrated maps


def write_calibrated(
    pairs: Sequence[Pair], calibrator: Calibrator, folder: Path, classes: int | None = None
) -> None:
    """Write the calibrated map of each pair under its own name, in the format, type and shape of
    the file.

    Args:
        classes: K of maps of K classes; None for binary maps.

    Raises:
        UserError: names all maps that cannot be used.
    """
    problems: list[str] = []
    for pair in pairs:
        try:
            probability = read_map(pair.map)
            check_classes(probability, classes)
        except UnusableFileError as reason:
            problems.append(f"{pair.map}: {reason}")
            continue
        _write_map(
            folder / (pair.stem + pair.map.suffix), pair.map, calibrated(calibrator, probability)
        )
    check_files(problems)


def _write_map(path: Path, original: Path, probability: np.ndarray) -> None:
    """Write a map like the `original`: arrays keep an axis for the channel; decisions and float16 become float32."""
    suffix = path.suffix.lower()
    with (
        atomic(path) as temporary,
        open(temporary, "wb") as file,
    ):  # numpy appends .npy to the names of other files
        if suffix == ".npy":
            np.save(file, probability.reshape(np.load(original).shape))
        elif suffix == ".npz":
            arrays: dict[str, Any] = {
                name: probability.reshape(array.shape) for name, array in np.load(original).items()
            }
            np.savez_compressed(file, **arrays)
        else:
            Image.fromarray(probability).save(file, Image.registered_extensions()[suffix])
