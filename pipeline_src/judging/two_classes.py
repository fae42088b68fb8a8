"""The pass over maps of one object, (H, W), and binary masks."""

from __future__ import annotations

import numpy as np

from pipeline_src.counting.counts import Counts, image_rows
from pipeline_src.counting.loading import by_protocol
from pipeline_src.counting.map_range import check_range, low_range
from pipeline_src.counting.regions import RegionStatistics
from pipeline_src.counting.statistic import TwoClassStatistic
from pipeline_src.judging.arrays import mask_values, matched, read_map
from pipeline_src.judging.files import Pair, Pairs, UnusableFileError, check_problems, naming, readable
from pipeline_src.judging.folder_counts import FolderCounts
from pipeline_src.judging.masks import USUAL, Meaning, Survey, first_meaning, truth_of
from pipeline_src.labels import IGNORED

NOTE = (
    "Fractions, not percent. Pixels of all images are pooled; bins are right-closed on confidence max(f, 1 - f). "
    "NLL and entropy clamp probabilities to [1e-7, 1 - 1e-7]. Metrics that sort pixels are exact for 8-bit and 16-bit "
    "maps; for float maps pixels within 1.5e-5 or less count as tied, which `bounds` limits. "
    "Intervals: 95 % bootstrap over images, or over their groups; they leave out the variance of training."
)


def read(
    pair: Pair, meaning: Meaning = USUAL, survey: Survey | None = None
) -> tuple[np.ndarray, np.ndarray, bool, int]:
    """Map and mask of a pair in one size: probability, truth, whether the map was resized, grey mask pixels. `survey`
    notes what is in the mask.

    Raises:
        UnusableFileError: with the name of the file.
    """
    truth, grey = None, 0
    if pair.mask is not None:
        with naming(pair, pair.mask):
            content = mask_values(pair.mask, meaning.ignore, pair.values)
        truth, grey = truth_of(*content, meaning)
        if survey is not None:
            survey.add(pair.name(pair.mask), *content, grey)
    with naming(pair, pair.map):
        probability = read_map(pair.map, None if truth is None else truth.shape, pair.values)
        if probability.ndim != 2:
            raise UnusableFileError(f"an array of shape {probability.shape}; expected (height, width), as most maps")
        if pair.calibrator is not None:
            from pipeline_src.calibrators.calibrator import calibrated  # 0.3 s, in each process of `whole_images`

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
    if pairs.masks is None:
        counted = _pass(pairs, USUAL, border, None)
    else:
        assumed = first_meaning(pairs, ignore)
        survey = Survey(pairs, assumed)
        counted = _pass(pairs, assumed, border, survey)
        meaning = survey.meaning()  # after files that cannot be used: if no map can be, all may be of several classes
        if meaning.foreground != assumed.foreground:
            counted = _pass(pairs, meaning, border, None)
        counted.meaning = meaning
    by = by_protocol(counted.statistic)
    raw = by["raw"]
    counted.notes = list(counted.meaning.notes)
    counted.notes += _objects(raw) if pairs.masks is not None else []
    if pairs.calibrator is None:
        check_range(counted.highest, f"maps in {pairs.maps}")
        counted.notes += low_range(counted.highest) if raw.count[:, :, 1].any() else []
    counted.note_decisions(raw, "; are --pred and --mask swapped?" if counted.grey_pixels else "")
    if constant := image_rows(by["stretched"]).total("constant"):
        counted.notes.append(f"{constant} map(s) hold one value only; stretched, they become 0")
    return counted


def _pass(pairs: Pairs, meaning: Meaning, border: float | None, survey: Survey | None) -> FolderCounts:
    """The counts of all pairs, whose masks `survey` notes.

    Raises:
        UserError: names all files that have no partner or cannot be used.
    """
    statistic = TwoClassStatistic.empty()
    counted = FolderCounts(statistic)
    problems: list[str] = []
    if border is not None:
        counted.regions = RegionStatistics(border)
    for pair, (probability, truth, resized, grey) in readable(pairs, lambda p: read(p, meaning, survey), problems):
        statistic.add(probability, truth, pair.stem, ignore=IGNORED)
        if counted.regions is not None:
            counted.regions.add(probability, truth, pair.stem, IGNORED)
        counted.note_map(pair, probability, resized)
        counted.grey_pixels += grey
    if counted.regions is not None:
        statistic.regions = counted.regions.by_name
    check_problems(pairs, problems)
    return counted


def _objects(raw: Counts) -> list[str]:
    """A warning where all pixels of all masks are of one kind."""
    objects = int(raw.count[:, :, 1].sum())
    if raw.pixels and not objects:
        return ["no mask has an object: if the masks are right, --ood judges the maps without them"]
    return ["every mask pixel is of the object, none of the background"] if 0 < objects == raw.pixels else []
