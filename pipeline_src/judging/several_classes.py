"""The pass over maps of K classes, (K, H, W), and masks of class ids."""

from __future__ import annotations

from collections import Counter

import numpy as np

from pipeline_src.calibrators.calibrator import calibrated
from pipeline_src.counting.levels import SUM_SLACK
from pipeline_src.counting.multiclass import MultiClassStatistic
from pipeline_src.errors import UserError
from pipeline_src.judging.arrays import matched, read_labels, read_map
from pipeline_src.judging.files import Pair, Pairs, UnusableFileError, check_problems, naming, readable
from pipeline_src.judging.folder_counts import FolderCounts
from pipeline_src.judging.masks import check_ignore, unused_ignore
from pipeline_src.labels import IGNORED

NOTE = (
    "Fractions, not percent. Confidence is the largest of the K probabilities; bins are right-closed on it. brier is "
    "the sum over classes, in [0, 2]. NLL and entropy clamp probabilities to [1e-7, 1 - 1e-7]. Metrics that sort "
    "pixels count those within 1.5e-5 or less as tied, which `bounds` limits. Intervals: 95 % bootstrap over "
    "images, or over their groups; they leave out the variance of training."
)


def classes_of(pairs: Pairs) -> int | None:
    """The number of classes K of most of some ten maps that can be read, (K, H, W); None for maps (H, W)."""
    shapes = []
    for k in range(0, len(pairs), max(1, len(pairs) // 10)):
        try:
            shape = None if (mask := pairs[k].mask) is None else read_labels(mask, pairs.values).shape
        except UnusableFileError:
            shape = None
        try:
            shapes.append(read_map(pairs[k].map, shape, pairs.values).shape)
        except UnusableFileError:
            continue
    counted = Counter(shape[0] if len(shape) == 3 else None for shape in shapes)
    return counted.most_common(1)[0][0] if counted else None


def read(pair: Pair, classes: int, ignore: int = IGNORED) -> tuple[np.ndarray, np.ndarray, bool]:
    """Map (K, H, W) and class ids (H, W) of a pair in one size, and whether the map was resized.

    Raises:
        UnusableFileError: with the name of the file.
    """
    if (mask := pair.mask) is None:
        raise ValueError("maps of several classes need masks")
    with naming(pair, mask):
        truth = read_labels(mask, pair.values)
    with naming(pair, pair.map):
        probability = read_map(pair.map, limit=pair.values, several=True)
        if probability.ndim != 3:
            raise UnusableFileError(f"an array of shape {probability.shape}; expected {classes} classes, as most maps")
        check_classes_first(probability, truth.shape)
        if len(probability) != classes:
            raise UnusableFileError(f"{len(probability)} classes; expected {classes}, as most maps")
        if pair.calibrator is not None:
            probability = calibrated(pair.calibrator, probability)
        probability, resized = matched(probability, truth.shape)
        check_sums(probability.sum(axis=0)[truth != ignore])
    with naming(pair, mask):
        ids = truth[truth != ignore]
        if ids.size and not (ids.min() >= 0 and ids.max() < classes):
            one_value = f"to ignore both, write {IGNORED} for {ignore} in the masks, and leave out --ignore"
            another = ignore != IGNORED and IGNORED in ids
            beyond = np.unique(ids[(ids < 0) | (ids >= classes)])
            void = f"{_skipped(ids, classes)}; if {beyond[0]} marks pixels that do not count: --ignore {beyond[0]}"
            raise UnusableFileError(
                f"class ids from {ids.min()} to {ids.max()}; expected 0 to {classes - 1}, {ignore} ignored"
                + f" ({IGNORED} counts, as --ignore names another value); {one_value}" * another
                + void * (ignore == IGNORED and len(beyond) == 1)
            )
    return probability, truth, resized


def _skipped(ids: np.ndarray, classes: int) -> str:
    """A hint where ids seem to go on beyond a number that they leave out."""
    missing = np.setdiff1d(np.arange(classes), ids)
    if len(missing) != 1 or ids.max() != classes or ids.min() < 0:
        return ""
    return f"; if ids leave out {missing[0]}, which this mask lacks, renumber them from 0 to {classes - 1}"


def check_classes_first(probability: np.ndarray, size: tuple[int, ...] | None = None) -> None:
    """UnusableFileError where a map of three axes has its classes last, by the `size` of its mask or by its sums."""
    if size is not None and probability.shape[1:] == size:
        return
    sums_to_one = np.allclose(probability.sum(axis=-1), 1, atol=SUM_SLACK)
    if probability.shape[:2] == size or (sums_to_one and not np.allclose(probability.sum(axis=0), 1, atol=SUM_SLACK)):
        raise UnusableFileError(
            f"an array of shape {probability.shape}, channels last; expected (classes, height, width): use "
            ".transpose(2, 0, 1)"
        )


def check_sums(sums: np.ndarray) -> None:
    """UnusableFileError where sums over the classes are not 1."""
    if not np.allclose(sums, 1, rtol=0, atol=SUM_SLACK):
        raise UnusableFileError(
            f"sums over the classes from {sums.min():.6g} to {sums.max():.6g}; expected 1 at every pixel, within "
            f"{SUM_SLACK:g}: save the softmax as float32, or divide a rounded one by its sum"
        )


def count(pairs: Pairs, classes: int, ignore: int | None = None) -> FolderCounts:
    """Count all pairs.

    Args:
        classes: K.
        ignore: the class id that never counts; default 255.

    Raises:
        UserError: names all files that have no partner or cannot be used.
    """
    check_ignore(pairs, ignore)
    statistic, any_ignored = MultiClassStatistic.empty(classes), False
    problems: list[str] = []
    counted, void = FolderCounts(statistic), IGNORED if ignore is None else ignore
    for pair, (probability, truth, resized) in readable(pairs, lambda p: read(p, classes, void), problems):
        statistic.add(probability, truth, pair.stem, ignore=void)
        counted.note_map(pair, probability, resized)
        any_ignored = any_ignored or bool((truth == void).any())
    check_problems(pairs, problems)
    if void == IGNORED and any_ignored and not statistic.confusion[1:].any() and statistic.raw.pixels:
        raise UserError(
            f"the masks in {pairs.masks} hold class 0 and 255 only, and 255 is ignored",
            expected=f"class ids 0 to {classes - 1}",
            do="save objects by their class id, or mark ignored pixels with another value and name it by --ignore",
        )
    counted.note_decisions(statistic.raw)
    if ignore is not None and not any_ignored:
        counted.notes.append(unused_ignore(ignore))
    return counted
