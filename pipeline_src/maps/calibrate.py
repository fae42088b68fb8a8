"""Calibrate saved maps: fit on a folder of maps with masks, apply to another folder, and score before and after."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import cv2
import numpy as np
from numpy.lib.format import write_array

from pipeline_src import outputs
from pipeline_src.analysis.intervals import groups_in_words, images_in_words
from pipeline_src.analysis.resampling import RESAMPLES, SEED
from pipeline_src.calibrators import files, options_of
from pipeline_src.calibrators.calibrator import Calibrator, calibrated
from pipeline_src.calibrators.pixels import FEATURES, Pixels, image_pixels, joined, log_odds
from pipeline_src.calibrators.selection import AUTO, select
from pipeline_src.counting.score_histogram import check_bins
from pipeline_src.errors import UserError
from pipeline_src.files import atomic, overlong, write_text
from pipeline_src.labels import IGNORED
from pipeline_src.maps.counts import FolderCounts, classes_of, count, read_binary, read_classes
from pipeline_src.maps.judge import check_resamples, groups_of
from pipeline_src.maps.pairs import ARRAYS, Pairs, UnusableFileError, check_problems, naming, pair_files
from pipeline_src.maps.reader import check_classes_first, check_sums, read_map
from pipeline_src.maps.risk import bound_of, controlled, exceeded
from pipeline_src.maps.scores import compared, warnings_of
from pipeline_src.rng import generator
from pipeline_src.validation import validate

CALIBRATOR, FOLDER, SCORES = "calibrator.json", "maps", "scores.json"
MOST_NUMBERS = 2**23  # of pixels of K classes that are in memory at once


@outputs.exclusive
def calibrate_folder(
    pred: Path,
    mask: Path,
    apply: Path,
    out: Path,
    *,
    method: str = AUTO,
    test_mask: Path | None = None,
    ignore: int | None = None,
    bins: int = 10,
    resamples: int = RESAMPLES,
    groups: str = "",
    risk: str = "",
    features: str = "",
    shape: bool = False,
) -> dict[str, Any]:
    """Fit a calibrator to the maps in `pred` and their masks, and write it and the calibrated maps of `apply`.

    Writes calibrator.json, scores.json and maps/ into `out`. Where the applied maps have no masks, the fitted maps are
    scored, each image by the calibrator that was fitted to the other folds.

    Args:
        method: a calibrator's name, or `auto`: the calibrator of least cross-validated NLL.
        test_mask: masks of the applied maps.
        ignore: value of mask pixels that never count.
        bins: of the ECE.
        resamples: bootstrap resamples; 0 for no intervals.
        groups: which images are not independent (`data.groups`), of `pred` and, with `test_mask`, of `apply`; a group
            is in one fold, and is resampled together.
        risk: a bound such as "fnr=0.1", for which a threshold of the calibrated maps is given (`maps.risk`).
        features: of `image_temperature`: features of an image, by comma, on which its temperature depends.
        shape: of `image_temperature`: whether a power of the logits is fitted too.

    Returns:
        The content of scores.json.

    Raises:
        UserError: names all unusable files, or the option that does not fit; nothing is written then.
    """
    check_bins(bins)
    check_resamples(resamples)
    _check_folders(pred, mask, apply, test_mask, out)
    options = _fit_options(method, features, shape)
    pairs, applied = pair_files(pred, mask), pair_files(apply, test_mask)
    units, units_of_scored = groups_of(pairs, groups), groups_of(applied if test_mask else pairs, groups)
    classes = classes_of(pairs)
    bound = bound_of(risk, pairs, classes)
    counted = count(pairs, classes, ignore)
    check_applied(applied, classes)
    pixels, tops = pixels_of(pairs, classes, counted, ignore)
    _check_labels(pixels, mask)
    selected = select(method, pixels, tops, units, options, test_mask is None)
    calibrator, record = selected.calibrator, files.Record.of(selected.calibrator, pixels)
    if test_mask is None:
        by_stem = dict(zip(pairs.stems, selected.of_images, strict=True))
        before, scored = counted, replace(pairs, calibrator=by_stem.__getitem__)
        warnings = counted.warnings()
    else:
        before, scored = count(applied, classes, ignore), applied.calibrated(calibrator)
        warnings = warnings_of({pred: counted, apply: before})
    runs = [counts.runs()["raw"] for counts in (before, count(scored, classes, ignore))]
    warnings += counted.inverted() + selected.warnings(method, pixels)
    result = {
        "method": calibrator.name,
        "keeps_class": calibrator.keeps_class,
        "chosen": method == AUTO,
        "cross_validated_nll": selected.cross_validated_nll,
        "nll_as_they_are": selected.nll_as_they_are,
        **record.fitted_on.model_dump(),
        "scored_on": "cross-validation" if test_mask is None else str(apply),
        "scored_images": len(scored),
        "applied_images": len(applied),
        "bins": bins,
        **({"groups": groups_in_words(units_of_scored)} if groups else {}),
        "warnings": warnings + (images_in_words(len(scored)) if resamples and not groups else []),
        **compared(runs, bins, resamples, units_of_scored),
    }
    if bound:
        fitted_run = count(pairs.calibrated(calibrator), classes, ignore).runs(units)["raw"]
        tried = {"held_out" if test_mask is None else "unseen": replace(runs[1], units=units_of_scored)}
        result["risk"] = controlled(fitted_run, bound, SEED, resamples, **tried)
        result["warnings"] += exceeded(result["risk"], result["scored_on"])
    with outputs.staged(out, SCORES, [FOLDER]) as new:
        files.write(new / CALIBRATOR, record)
        write_calibrated(applied, calibrator, new / FOLDER, several=classes is not None)
        write_text(new / SCORES, json.dumps(result, indent=2, allow_nan=False) + "\n")
    return result


def _check_folders(pred: Path, mask: Path, apply: Path, test_mask: Path | None, out: Path) -> None:
    others = [out / FOLDER] if os.path.lexists(out / FOLDER) and not (out / CALIBRATOR).exists() else []
    outputs.check(out, "calibrate", below=[out / FOLDER], inputs=(pred, mask, apply, test_mask), foreign=others)
    if test_mask is not None and apply.resolve() == pred.resolve():
        raise UserError(
            "--test-mask would score the calibrator on the images that it was fitted to",
            found=f"--apply and --pred are both {pred}",
            expected="scores of images that it has not seen",
            fix="leave out --test-mask: the scores are cross-validated then",
        )


def _fit_options(method: str, features: str, shape: bool) -> dict[str, Any]:
    """The options of a method's fit. UserError for an unknown method, an option of another method, or a feature that
    does not exist."""
    given = ({"features": features.split(",")} if features else {}) | ({"shape": True} if shape else {})
    known = options_of(method).model_fields
    if method != AUTO:
        files.named(method, "--method")
    if misplaced := [name for name in given if name not in known]:
        raise UserError(
            f"--{misplaced[0]} is an option of image_temperature",
            found=f"--method {method}",
            fix="--method image_temperature",
        )
    expected, fix = f"features among {', '.join(FEATURES)}", "--features entropy,margin"
    return dict(validate(options_of(method), given, f"--method {method}", expected, fix))


def check_applied(pairs: Pairs, classes: int | None) -> None:
    """Read all maps that are to be calibrated.

    Raises:
        UserError: names all that cannot be used, have another number of classes than the fitted maps (None: binary
            maps), classes that do not sum to 1, or names that are too long to be written.
    """
    problems = []
    for pair in pairs:
        try:
            with naming(pair, pair.map):
                if reason := overlong(pair.map.name):
                    raise UnusableFileError(reason)
                probability = read_map(pair.map, several=classes is not None)
                present = len(probability) if probability.ndim == 3 else None
                if classes and present and present != classes:
                    check_classes_first(probability)
                if present != classes:
                    raise UnusableFileError(f"{_kind(present)}; expected {_kind(classes)}, as the fitted maps")
                if classes and pair.mask is None:  # with a mask, ignored pixels are left out when it is scored
                    check_sums(probability.sum(axis=0))
        except UnusableFileError as error:
            problems.append(str(error))
    check_problems(pairs, problems)


def _kind(classes: int | None) -> str:
    return f"a map of {classes} classes" if classes else "a map of one object, (height, width)"


def pixels_of(
    pairs: Pairs, classes: int | None, counted: FolderCounts, ignore: int | None
) -> tuple[Pixels, np.ndarray]:
    """The pixels of all pairs to fit a calibrator to, and the highest level of each map's type, 0 for floats.

    For two classes all pixels are used, grouped. For K classes as many of each image as fit into memory are drawn, and
    each stands for an equal share of its image.
    """
    parts, tops, void = [], [], IGNORED if ignore is None else ignore
    for pair in pairs:
        if classes:
            probability, truth, _ = read_classes(pair, classes, void)
            truth = np.where(truth == void, classes, truth)
        else:
            probability, truth, *_ = read_binary(pair, counted.meaning)
        z, chosen = log_odds(probability), None
        if len(z) > 1:
            valid, most = int((truth < len(z)).sum()), max(1, MOST_NUMBERS // (len(z) * len(pairs)))
            random = generator(pair.stem, "calibrate")
            chosen = random.choice(valid, most, replace=False) if valid > most else None
        parts.append(image_pixels(z, truth, chosen).grouped())
        tops.append(np.iinfo(probability.dtype).max if probability.dtype.kind == "u" else 0)
    return joined(parts), np.array(tops)


def _check_labels(pixels: Pixels, mask: Path) -> None:
    """UserError where the pixels of the masks in `mask` all have one class."""
    present = np.unique(pixels.labels[pixels.weights > 0])
    if len(present) < 2:
        found = {0: "only background"}.get(int(present[0]), f"only class {present[0]}") if len(present) else "no pixel"
        raise UserError(
            f"no calibrator can be fitted to the masks in {mask}",
            found=found,
            expected="pixels of two classes or more",
            fix="give --mask the masks of validation images with and without objects",
        )


def write_calibrated(pairs: Pairs, calibrator: Calibrator, folder: Path, several: bool = False) -> None:
    """Write the calibrated map of each pair under its own name, in the format, type and shape of the file."""
    folder.mkdir(parents=True, exist_ok=True)
    for pair in pairs:
        probability = read_map(pair.map, several=several)
        _write_map(folder / pair.name(pair.map), pair.map, calibrated(calibrator, probability))


def _write_map(path: Path, original: Path, probability: np.ndarray) -> None:
    with atomic(path) as temporary:
        if path.suffix.lower() not in ARRAYS:
            encoded, data = cv2.imencode(path.suffix.lower(), probability)
            if not encoded:
                raise UserError(f"{path} cannot be written as {path.suffix}", fix="save the maps as .png or .npy")
            temporary.write_bytes(data.tobytes())
            return
        loaded = np.load(original, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            with open(temporary, "wb") as file:  # an open file, because numpy appends .npy to other suffixes
                np.save(file, _stored_like(loaded, probability))
            return
        with loaded, ZipFile(temporary, "w", ZIP_DEFLATED) as archive:  # savez takes no array that is called `file`
            (name,) = loaded.files
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                write_array(member, _stored_like(loaded[name], probability), allow_pickle=False)


def _stored_like(original: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """In the type and shape of the stored array, which may have an axis for the channel. Decisions and float16, whose
    rounding would move pixels to the other class, become float32."""
    dtype = probability.dtype if original.dtype in (bool, np.float16) else original.dtype
    return probability.reshape(original.shape).astype(dtype)
