"""Saved maps calibrated: fitted on a folder of maps with masks, applied to another, and scored before and after."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src.analysis.compare import paired
from pipeline_src.analysis.estimate import Estimate, estimate
from pipeline_src.analysis.resampling import RESAMPLES, SEED, groups_in_words, images_in_words, resample_counts
from pipeline_src.calibrators import files, selection
from pipeline_src.calibrators.calibrator import Calibrator, Record, fitted
from pipeline_src.calibrators.image_temperature import ImageTemperatureCalibrator
from pipeline_src.calibrators.pixels import FEATURES, Pixels, image_pixels, joined, log_odds
from pipeline_src.counting.counts import COLUMNS, ImageRows
from pipeline_src.counting.loading import by_protocol
from pipeline_src.counting.rows import parts
from pipeline_src.counting.score_histogram import check_bins
from pipeline_src.data.image_io import PIXELS
from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.files import write_text
from pipeline_src.judging import calibrated_files, output_folder, several_classes, two_classes
from pipeline_src.judging import risk as risks
from pipeline_src.judging.files import Pairs, pair_files
from pipeline_src.judging.folder import check_resamples, groups_of
from pipeline_src.judging.folder_counts import FolderCounts
from pipeline_src.labels import IGNORED
from pipeline_src.logs import quiet
from pipeline_src.metrics.inputs import ProtocolCounts
from pipeline_src.metrics.registry import METRICS
from pipeline_src.rng import generator

MOST_NUMBERS = 2**23  # of pixels of K classes that are held at once
SCORED = ("ece", "brier", "augrc", "nll", "accuracy")
AUTO = "auto"


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
    options = _options(method, features, shape)
    if method != AUTO:
        files.named(method, "--method")
    pairs, applied = pair_files(pred, mask, max_pixels), pair_files(apply, test_mask, max_pixels)
    units, units_of_scored = groups_of(pairs, groups), groups_of(applied if test_mask else pairs, groups)
    classes = several_classes.classes_of(pairs)
    bound = risks.check(risk, pairs, classes)
    counted = _count(pairs, classes, ignore)
    calibrated_files.check_applied(applied, classes)
    pixels, tops = _pixels(pairs, classes, counted, ignore)
    _check_labels(pixels, mask)
    calibrator, of_images, cross_validated_nll = _fitted(method, pixels, tops, units, options, test_mask is None)
    if test_mask is None:
        by_stem = dict(zip((stem for stem, *_ in pairs.names), of_images, strict=True))
        scored, before = pairs, counted
        scored.calibrator = by_stem.__getitem__
    else:
        scored, before = applied, _count(applied, classes, ignore)
        scored.calibrator = lambda stem: calibrator
    after = _count(scored, classes, ignore)
    runs = [ProtocolCounts.by_protocol(of.statistic)["raw"] for of in (before, after)]
    record = Record.of(calibrator, pixels)
    warnings = counted.warnings() if test_mask is None else _warnings({pred: counted, apply: before})
    warnings += calibrator.warnings()
    unchanged = selection.nll_as_they_are(pixels, tops)
    if cross_validated_nll and min(cross_validated_nll.values()) >= unchanged:
        warnings.append("on unseen images no calibrator has a lower NLL than the maps as they are: keep them")
    result = {
        "method": calibrator.name,
        "keeps_class": calibrator.keeps_class,
        "chosen": method == AUTO,
        "cross_validated_nll": cross_validated_nll,
        "nll_as_they_are": unchanged,
        **record.fitted_on.model_dump(),
        "scored_on": "cross-validation" if test_mask is None else str(apply),
        "scored_images": len(scored),
        "applied_images": len(applied),
        "bins": bins,
        **({"groups": groups_in_words(units_of_scored)} if groups else {}),
        "warnings": warnings + (images_in_words(len(scored)) if resamples and not groups else []),
        "scores": _compared(runs, bins, resamples, units_of_scored),
    }
    if bound:
        pairs.calibrator = lambda stem: calibrator
        of_fitted = ProtocolCounts.by_protocol(_count(pairs, classes, ignore).statistic)["raw"]
        test = {"held_out" if test_mask is None else "unseen": replace(runs[1], units=units_of_scored)}
        result["risk"] = risks.controlled(replace(of_fitted, units=units), bound, SEED, resamples, **test)
    files.write(out / "calibrator.json", record)
    calibrated_files.write(applied, calibrator, out / calibrated_files.FOLDER)
    write_text(out / "scores.json", json.dumps(result, indent=2, allow_nan=False) + "\n")
    return result


def _check_folders(pred: Path, mask: Path, apply: Path, test_mask: Path | None, out: Path) -> None:
    inputs = (pred, mask, apply, test_mask)
    output_folder.check(out, "", inputs)
    calibrated_files.check(out, inputs)
    if test_mask is not None and apply.resolve() == pred.resolve():
        raise UserError(
            "--test-mask would score the calibrator on the images that it was fitted to",
            found=f"--apply and --pred are both {pred}",
            expected="scores of images that it has not seen",
            do="leave out --test-mask: the scores are cross-validated then",
        )


def _candidates(method: str, classes: int) -> dict[str, type[Calibrator]]:
    """The calibrator of this name, or all for this number of classes."""
    if method != AUTO:
        return {method: files.CALIBRATORS[method]}
    return {name: kind for name, kind in files.CALIBRATORS.items() if kind.takes(classes)}


def _options(method: str, features: str, shape: bool) -> dict[str, Any]:
    """Of the fit of `image_temperature`; UserError where another method is asked for, or for features that there are
    not, or that are repeated."""
    options = {"features": tuple(features.split(","))} if features else {}
    options |= {"shape": True} if shape else {}
    if options and method != ImageTemperatureCalibrator.name:
        raise UserError(
            f"--{next(iter(options))} is an option of {ImageTemperatureCalibrator.name}",
            found=f"--method {method}",
            do=f"--method {ImageTemperatureCalibrator.name}",
        )
    given = options.get("features", ())
    if unknown := [name for name in given if name not in FEATURES]:
        raise UserError(
            "--features: there is no feature of this name",
            found=unknown[0],
            expected=", ".join(FEATURES),
            do=did_you_mean(unknown[0], FEATURES) or f"--features {','.join(FEATURES)}",
        )
    if repeated := sorted({name for name in given if given.count(name) > 1}):
        raise UserError(
            "--features: a feature is repeated",
            found=", ".join(repeated),
            expected="each once",
            do=f"--features {','.join(dict.fromkeys(given))}",
        )
    return options


def _count(pairs: Pairs, classes: int | None, ignore: int | None) -> FolderCounts:
    return several_classes.count(pairs, classes, ignore) if classes else two_classes.count(pairs, ignore)


def _pixels(pairs: Pairs, classes: int | None, counted: FolderCounts, ignore: int | None) -> tuple[Pixels, np.ndarray]:
    """The pixels of all pairs: of one object all, grouped; of K classes as many of each image as fit, each of which
    stands for an equal share of it. And of each map the highest level of its type, 0 for floats."""
    parts, tops, void = [], [], IGNORED if ignore is None else ignore
    for pair in pairs:
        if classes:
            probability, truth, _ = several_classes.read(pair, classes, void)
            truth = np.where(truth == void, classes, truth)
            valid, most = int((truth < classes).sum()), max(1, MOST_NUMBERS // (classes * len(pairs)))
            draws = generator(pair.stem, "calibrate")
            chosen = draws.choice(valid, most, replace=False) if valid > most else None
            parts.append(image_pixels(log_odds(probability), truth, chosen))
        else:
            probability, truth, *_ = two_classes.read(pair, counted.meaning)
            parts.append(image_pixels(log_odds(probability), truth).grouped())
        tops.append(np.iinfo(probability.dtype).max if probability.dtype.kind == "u" else 0)
    return joined(parts), np.array(tops)


def _check_labels(pixels: Pixels, mask: Path) -> None:
    present = np.unique(pixels.labels[pixels.weights > 0])
    if len(present) < 2:
        one = {0: "background"}.get(int(present[0]), f"class {present[0]}") if len(present) else "no pixel that counts"
        raise UserError(
            f"no calibrator can be fitted to the masks in {mask}",
            found=f"{one} alone",
            expected="pixels of two classes or more",
            do="give --mask the masks of validation images with and without objects",
        )


def _warnings(fitted_and_scored: Mapping[Path, FolderCounts]) -> list[str]:
    """Of two folders, each with its name; and that they share images."""
    lines = [f"{folder}: {line}" for folder, of in fitted_and_scored.items() for line in of.warnings()]
    fitted_images, scored = (by_protocol(of.statistic)["raw"].rows for of in fitted_and_scored.values())
    fitted_to = set(_contents(fitted_images).values())
    if again := [name for name, content in _contents(scored).items() if content in fitted_to]:
        lines.append(
            f"{len(again)} of the {len(scored)} images that are scored are among those fitted to, under whatever names "
            f"({', '.join(again[:3])}{', ...' if len(again) > 3 else ''}): their scores are too good"
        )
    return lines


def _contents(rows: ImageRows) -> dict[str, bytes]:
    """By name, sums over an image's pixels of 30 bits each, by which it is known again. Maps of one value are left out:
    images can have the same."""
    constant = COLUMNS.index("constant")
    sums = (row for part in parts(len(rows)) for row in rows.table[part])
    return {name: row.tobytes() for name, row in zip(rows.ids, sums, strict=True) if not row[constant]}


def _fitted(
    method: str,
    pixels: Pixels,
    tops: np.ndarray,
    units: np.ndarray | None,
    options: Mapping[str, Any],
    cross_validate: bool,
) -> tuple[Calibrator, list[Calibrator], dict[str, float]]:
    """The candidate of least cross-validated NLL, fitted to all pixels; by image the same one fitted without its fold;
    and the NLL of all candidates. The last two are empty where one method is asked for and not cross-validated.

    Args:
        tops: (I,) as in `selection.cross_validated`.
        units: (I,) the group of each image; None where each is its own.
    """
    candidates = _candidates(method, pixels.classes)
    if method != AUTO and not cross_validate:
        return fitted(candidates[method], pixels, **options), [], {}
    folds = selection.folds_of(np.arange(pixels.number) if units is None else units)
    if folds.max(initial=0) < 1:
        raise UserError(
            "one image, or one group of images, cannot be cross-validated",
            found=f"{pixels.number} image(s) in --pred",
            expected="two or more, of two groups",
            do="give more images, or --method and --test-mask",
        )
    with quiet(logging.getLogger("pipeline_src.calibrators")):  # of each fold: the one fitted to all images says it
        results = {
            name: selection.cross_validated(kind, pixels, folds, tops, **options) for name, kind in candidates.items()
        }
    best = min(results, key=lambda name: results[name][1])
    of_images = [results[best][0][fold] for fold in folds.tolist()]
    return fitted(candidates[best], pixels, **options), of_images, {name: of for name, (_, of) in results.items()}


def _compared(
    runs: Sequence[ProtocolCounts], bins: int, resamples: int, units: np.ndarray | None
) -> dict[str, dict[str, Any]]:
    """Scores of the runs before and after and their differences on the same resamples, each with its interval. Where
    another metric decides, the interval of the difference is that one's, and stands under its name."""
    sides = before, after = [resample_counts(run, bins, SEED, resamples, units) for run in runs]
    ends = [of.intervals() if resamples else {} for of in sides]
    terms = [(paired([of]), weight) for of, weight in zip(sides, (-1.0, 1.0), strict=True)]
    scores = {}
    for name in (name for name in SCORED if name in before.points):
        intervals = {"before": ends[0].get(name), "after": ends[1].get(name), "difference": None}
        changed = ""
        if resamples and (change := estimate(name, *terms)):
            intervals["difference"], changed = _ends(change), change.direction
            intervals |= {METRICS[name].decided_by: _ends(change.decided)} if change.decided else {}
        values = {"before": before.points[name], "after": after.points[name]}
        scores[name] = values | {"intervals": intervals, "changed": changed}
    return scores


def _ends(of: Estimate) -> tuple[float, float] | None:
    return None if math.isnan(of.low) else (of.low, of.high)
