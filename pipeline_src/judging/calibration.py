"""Saved maps calibrated: fitted on a folder of maps with masks, applied to another, and scored before and after."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline_src import outputs
from pipeline_src.analysis.intervals import groups_in_words, images_in_words
from pipeline_src.analysis.resampling import RESAMPLES, SEED
from pipeline_src.calibrators import files
from pipeline_src.calibrators.calibrator import Calibrator, Record
from pipeline_src.counting.score_histogram import check_bins
from pipeline_src.data.image_io import PIXELS
from pipeline_src.errors import UserError
from pipeline_src.files import write_text
from pipeline_src.judging import calibrated_files, several_classes, two_classes
from pipeline_src.judging import risk as risks
from pipeline_src.judging.calibration_scores import compared, inverted, warnings_of
from pipeline_src.judging.calibrator_fit import AUTO, check_labels, fit, options_of, pixels_of
from pipeline_src.judging.files import Pairs, pair_files
from pipeline_src.judging.folder import check_resamples, groups_of
from pipeline_src.judging.folder_counts import FolderCounts


@outputs.exclusive()
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
    max_pixels: int = PIXELS,
    risk: str = "",
    features: str = "",
    shape: bool = False,
) -> dict[str, Any]:
    """Fit a calibrator to the maps in `pred` and their masks, and write it and the calibrated maps of `apply`.

    Writes calibrator.json, scores.json and maps/ into `out`; returns the content of scores.json. Where the applied maps
    have no masks, the fitted ones are scored, each image by a calibrator that has not seen it.

    Args:
        method: a calibrator's name, or `auto`: the one of least cross-validated NLL.
        test_mask: masks of the applied maps.
        ignore: value of mask pixels that never count.
        bins: of the ECE.
        resamples: bootstrap resamples; 0 for no intervals.
        groups: which images are not independent (`data.groups`), of `pred` and, with `test_mask`, of `apply`; a fold
            has all of a group, and so has a resample.
        max_pixels: that a map (times its classes) or a mask may have; larger ones are not decoded.
        risk: a bound such as "fnr=0.1", for which a threshold of the calibrated maps is given (`judging.risk`).
        features: of an image, by comma, on which its temperature depends, and `shape`, whether a power of the logits is
            fitted; for `image_temperature`.

    Raises:
        UserError: names all files that cannot be used, or the option that does not fit; nothing is written then.
    """
    check_bins(bins)
    check_resamples(resamples)
    _check_folders(pred, mask, apply, test_mask, out)
    options = options_of(method, features, shape)
    if method != AUTO:
        files.named(method, "--method")
    pairs, applied = pair_files(pred, mask, max_pixels), pair_files(apply, test_mask, max_pixels)
    units, units_of_scored = groups_of(pairs, groups), groups_of(applied if test_mask else pairs, groups)
    classes = several_classes.classes_of(pairs)
    bound = risks.check(risk, pairs, classes)
    counted = _count(pairs, classes, ignore)
    calibrated_files.check_applied(applied, classes)
    pixels, tops = pixels_of(pairs, classes, counted, ignore)
    check_labels(pixels, mask)
    fitted = fit(method, pixels, tops, units, options, test_mask is None)
    calibrator, record = fitted.calibrator, Record.of(fitted.calibrator, pixels)
    if test_mask is None:
        by_stem = dict(zip(pairs.stems, fitted.of_images, strict=True))
        before, scored = counted, replace(pairs, calibrator=by_stem.__getitem__)
        warnings = counted.warnings()
    else:
        before, scored = _count(applied, classes, ignore), applied.calibrated(calibrator)
        warnings = warnings_of({pred: counted, apply: before})
    runs = [counts.runs["raw"] for counts in (before, _count(scored, classes, ignore))]
    warnings += inverted(counted) + fitted.warnings(method, pixels)
    result = {
        "method": calibrator.name,
        "keeps_class": calibrator.keeps_class,
        "chosen": method == AUTO,
        "cross_validated_nll": fitted.cross_validated_nll,
        "nll_as_they_are": fitted.nll_as_they_are,
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
        of_fitted = replace(_count(pairs.calibrated(calibrator), classes, ignore).runs["raw"], units=units)
        test = {"held_out" if test_mask is None else "unseen": replace(runs[1], units=units_of_scored)}
        result["risk"] = risks.controlled(of_fitted, bound, SEED, resamples, **test)
    _write(out, record, calibrator, applied, result, several=classes is not None)
    return result


def _check_folders(pred: Path, mask: Path, apply: Path, test_mask: Path | None, out: Path) -> None:
    calibrated_files.check(out, (pred, mask, apply, test_mask))
    if test_mask is not None and apply.resolve() == pred.resolve():
        raise UserError(
            "--test-mask would score the calibrator on the images that it was fitted to",
            found=f"--apply and --pred are both {pred}",
            expected="scores of images that it has not seen",
            do="leave out --test-mask: the scores are cross-validated then",
        )


def _count(pairs: Pairs, classes: int | None, ignore: int | None) -> FolderCounts:
    return several_classes.count(pairs, classes, ignore) if classes else two_classes.count(pairs, ignore)


def _write(
    out: Path, record: Record, calibrator: Calibrator, applied: Pairs, result: dict[str, Any], several: bool
) -> None:
    """The calibrator, the calibrated maps of `applied`, and `result`, all at once."""
    with outputs.staged(out, calibrated_files.SCORES, [calibrated_files.FOLDER]) as new:
        files.write(new / calibrated_files.CALIBRATOR, record)
        calibrated_files.write(applied, calibrator, new / calibrated_files.FOLDER, several=several)
        write_text(new / calibrated_files.SCORES, json.dumps(result, indent=2, allow_nan=False) + "\n")
