"""The pass over maps of one object, (H, W), and binary masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline_src.calibrators.calibrator import calibrated
from pipeline_src.counting.regions import RegionStatistics
from pipeline_src.counting.statistic import TwoClassStatistic
from pipeline_src.errors import UserError
from pipeline_src.judging.arrays import matched, read_map
from pipeline_src.judging.files import Pair, Pairs, UnusableFileError, check_problems, naming, readable
from pipeline_src.judging.folder_counts import FolderCounts
from pipeline_src.judging.masks import USUAL, Meaning, read_mask, survey
from pipeline_src.labels import IGNORED

NOTE = (
    "Fractions, not percent. Pixels of all images are pooled; bins are right-closed on confidence max(f, 1 - f). "
    "NLL and entropy clamp probabilities to [1e-7, 1 - 1e-7]. Metrics that sort pixels are exact for 8-bit and 16-bit "
    "maps; for float maps pixels within 1.5e-5 count as tied, which `bounds` limits. "
    "Intervals: 95 % bootstrap over images; they leave out the variance of training."
)


def read(pair: Pair, meaning: Meaning = USUAL) -> tuple[np.ndarray, np.ndarray, bool, int]:
    """Map and mask of a pair in one size: probability, truth, whether the map was resized, grey mask pixels.

    Raises:
        UnusableFileError: with the name of the file.
    """
    truth, grey = None, 0
    if pair.mask is not None:
        with naming(pair.mask):
            truth, grey = read_mask(pair.mask, meaning, pair.values)
    with naming(pair.map):
        probability = read_map(pair.map, None if truth is None else truth.shape, pair.values)
        if probability.ndim != 2:
            raise UnusableFileError(f"an array of shape {probability.shape}; expected (height, width), as most maps")
        if pair.calibrator is not None:
            probability = calibrated(pair.calibrator, probability)
        if truth is None:
            return probability, np.zeros(probability.shape, np.uint8), False, 0
        probability, resized = matched(probability, truth.shape)
    return probability, truth, resized, grey


def count(pairs: Pairs, ignore: int | None = None, border: float | None = None) -> FolderCounts:
    """Count all pairs.

    Args:
        ignore: value of mask pixels that never count.
        border: width in pixels of the band around object borders; None for no regions.

    Raises:
        UserError: names all files that have no partner or cannot be used.
    """
    counted, problems, unclear = FolderCounts(TwoClassStatistic.empty()), [], []
    if border is not None:
        counted.regions = RegionStatistics(border)
    if pairs.masks is not None:
        try:
            counted.meaning = survey(pairs, ignore)
        except UnusableFileError as reason:
            unclear = [f"masks in {pairs.masks}: {reason}"]
    for pair, (probability, truth, resized, grey) in readable(pairs, lambda p: read(p, counted.meaning), problems):
        counted.statistic.add(probability, truth, pair.stem, ignore=IGNORED)
        if counted.regions is not None:
            counted.regions.add(probability, truth, pair.stem, IGNORED)
        counted.note_map(pair, probability, resized)
        counted.grey_pixels += grey
    if counted.regions is not None:
        counted.statistic.regions = counted.regions.by_name
    # If no map can be used, maps and masks may be of several classes.
    check_problems(pairs, problems + (unclear if len(problems) < len(pairs) else []))
    if pairs.calibrator is None:
        _check_range(pairs.maps, counted.highest)
    counted.notes = list(counted.meaning.notes)
    if _decided(counted):
        counted.notes.append(
            "the maps hold 0 and 1 alone, which are decisions and no probabilities: ECE is their share of errors"
            + ("; are --pred and --mask swapped?" if counted.grey_pixels else "")
        )
    if constant := counted.statistic.stretched.rows.total("constant"):
        counted.notes.append(f"{constant} map(s) hold one value only; stretched, they become 0")
    return counted


def _decided(counted: FolderCounts) -> bool:
    """Whether every confidence is 1, of maps that are not 0 everywhere."""
    raw = counted.statistic.raw
    return raw.pixels > 0 and raw.pixels == raw.count[0].sum() and not raw.position.any() and counted.highest_at_all > 0


def _check_range(maps: Path, highest: dict[str, float]) -> None:
    """Raise `UserError` where all integer maps of a type hold such small values that they mean something else."""
    for kind, low, meaning in (("uint8", 1, "decisions 0 and 1"), ("uint16", 255, "8-bit values")):
        if 0 < highest.get(kind, 0) <= low:
            raise UserError(
                f"the {kind} maps in {maps} look like {meaning}: read as probabilities, all would be nearly 0",
                found=f"no value above {highest[kind]}",
                expected=f"0 to {np.iinfo(kind).max} for probabilities from 0 to 1",
                do=f"save round({np.iinfo(kind).max} * probability), or floats as .npy if probabilities are that small",
            )
