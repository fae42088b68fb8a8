"""The pass over all pairs of maps and masks: counts of binary maps, (H, W), or of maps of K classes, (K, H, W)."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from pipeline_src.counting.counts import Counts, image_rows
from pipeline_src.counting.image_pixels import MEANINGS, REGIONS, check_range, low_range
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.score_histogram import UndefinedMetricError
from pipeline_src.errors import UserError
from pipeline_src.labels import IGNORED
from pipeline_src.maps.masks import USUAL, Meaning, Survey, check_ignore, first_meaning, ground_truth, unused_ignore
from pipeline_src.maps.pairs import Pair, Pairs, UnusableFileError, check_problems, naming, readable
from pipeline_src.maps.reader import check_classes_first, check_sums, mask_values, matched, read_labels, read_map
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.summary import value

INTEGERS = {np.dtype(kind): kind for kind in MEANINGS}  # computing the name of a type takes longer than a maximum


@dataclass
class FolderCounts:
    """Counts of a folder of maps, and what was corrected in its files.

    Attributes:
        statistic: of all pixels that count.
        meaning: how binary masks are read.
        resized: stems of the maps that had another size than their mask.
        gray_pixels: mask pixels that were neither background nor object.
        highest: largest value by type of the maps: "uint8", "uint16" or "float".
        notes: further warnings, a line each.
    """

    statistic: MapCounts
    meaning: Meaning = USUAL
    resized: list[str] = field(default_factory=list)
    gray_pixels: int = 0
    highest: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, Counts]:
        """The counts of each protocol; for K classes those of the top label."""
        return self.statistic.protocols

    def runs(self, units: np.ndarray | None = None) -> dict[str, ProtocolCounts]:
        """The inputs of metrics by protocol; `units` (N,) are the groups of the images."""
        return ProtocolCounts.by_protocol(self.statistic, units)

    def note_map(self, pair: Pair, probability: np.ndarray, resized: bool) -> None:
        """Note the type and size of a map."""
        kind = INTEGERS.get(probability.dtype, "float")
        self.highest[kind] = max(self.highest.get(kind, 0), probability.max())
        self.resized += [pair.stem] * resized

    def warnings(self) -> list[str]:
        """Return one line per kind of warning that occurred."""
        lines = []
        if self.resized:
            some = ", ".join(self.resized[:3]) + (", ..." if len(self.resized) > 3 else "")
            lines.append(f"{len(self.resized)} map(s) had another size than their mask and were resized ({some})")
        if self.gray_pixels:
            lines.append(f"{self.gray_pixels} mask pixel(s) were neither 0 nor 255 and were cut at > 127")
        if max(self.highest.values(), default=math.nan) == 0:
            lines.append("every map is 0 everywhere")
        return lines + self.notes

    def inverted(self) -> list[str]:
        """A line where the maps are worse than chance at telling classes apart."""
        run = self.counts["raw"]
        if not run.pixels:
            return []
        accuracy = value("accuracy", run)
        right = f"the maps are right on {100 * accuracy:.1f} % of the pixels"
        if self.statistic.classes:
            worse = accuracy < 1 / len(self.statistic.classes)
            return [f"{right}; are class ids in another order?"] * worse
        try:
            auc = value("auc", run)
        except UndefinedMetricError:  # all pixels of one label
            return []
        if accuracy >= 0.5 and auc >= 0.5:
            return []
        look = "are maps or masks inverted, or labels swapped?" if auc < 0.5 else "do maps and masks belong together?"
        return [f"{right}, and rank {100 * auc:.1f} % of the pairs of object and background correctly; {look}"]


def count(
    pairs: Pairs, classes: int | None = None, ignore: int | None = None, border: float | None = None
) -> FolderCounts:
    """Count all pairs.

    Args:
        classes: K of maps of K classes; None for binary maps.
        ignore: value of mask pixels that never count; for K classes 255 by default.
        border: width in pixels of the band around object borders, for binary maps; None for no regions.

    Raises:
        UserError: names all files that have no partner or cannot be used.
    """
    check_ignore(pairs, ignore)
    return _count_classes(pairs, classes, ignore) if classes else _count_binary(pairs, ignore, border)


def classes_of(pairs: Pairs) -> int | None:
    """The number of classes K of most of some ten readable maps, (K, H, W); None for maps (H, W)."""
    shapes = []
    for k in range(0, len(pairs), max(1, len(pairs) // 10)):
        try:
            shape = None if (mask := pairs[k].mask) is None else read_labels(mask).shape
        except UnusableFileError:
            shape = None
        try:
            shapes.append(read_map(pairs[k].map, shape).shape)
        except UnusableFileError:
            continue
    counted = Counter(shape[0] if len(shape) == 3 else None for shape in shapes)
    return counted.most_common(1)[0][0] if counted else None


def read_binary(
    pair: Pair, meaning: Meaning = USUAL, survey: Survey | None = None
) -> tuple[np.ndarray, np.ndarray, bool, int]:
    """Map and mask of a pair in one size.

    Args:
        survey: notes the values of the mask.

    Returns:
        Probability (H, W), ground truth (H, W), whether the map was resized, number of gray mask pixels.

    Raises:
        UnusableFileError: with the name of the file.
    """
    truth, gray = None, 0
    if pair.mask is not None:
        with naming(pair, pair.mask):
            content = mask_values(pair.mask, meaning.ignore)
        truth, gray = ground_truth(*content, meaning)
        if survey is not None:
            survey.add(pair.name(pair.mask), *content, gray)
    with naming(pair, pair.map):
        probability = read_map(pair.map, None if truth is None else truth.shape)
        if probability.ndim != 2:
            raise UnusableFileError(f"an array of shape {probability.shape}; expected (height, width), as most maps")
        probability = _calibrated(pair, probability)
        if truth is None:
            return probability, np.zeros(probability.shape, np.uint8), False, 0
        probability, resized = matched(probability, truth.shape)
    return probability, truth, resized, gray


def _calibrated(pair: Pair, probability: np.ndarray) -> np.ndarray:
    if pair.calibrator is None:
        return probability
    from pipeline_src.calibrators.calibrator import calibrated  # 0.3 s, in each process of `whole_images`

    return calibrated(pair.calibrator, probability)


def _count_binary(pairs: Pairs, ignore: int | None, border: float | None) -> FolderCounts:
    if pairs.masks is None:
        counted = _binary_pass(pairs, USUAL, border, None)
    else:
        assumed = first_meaning(pairs, ignore)
        survey = Survey(pairs, assumed)
        counted = _binary_pass(pairs, assumed, border, survey)
        meaning = survey.meaning()  # after unusable files: if no map is usable, all may have several classes
        if meaning.foreground != assumed.foreground:
            counted = _binary_pass(pairs, meaning, border, None)
        counted.meaning = meaning
    raw = counted.counts["raw"]
    counted.notes = list(counted.meaning.notes)
    counted.notes += _only_one_label(raw) if pairs.masks is not None else []
    if pairs.calibrator is None:
        check_range(counted.highest, f"maps in {pairs.maps}")
        counted.notes += low_range(counted.highest) if raw.count[:, :, 1].any() else []
    counted.notes += _decisions(counted, raw, "; are --pred and --mask swapped?" if counted.gray_pixels else "")
    if constant := image_rows(counted.counts["stretched"]).total("constant"):
        counted.notes.append(f"{constant} map(s) hold one value only; min-max normalized, they become 0")
    return counted


def _binary_pass(pairs: Pairs, meaning: Meaning, border: float | None, survey: Survey | None) -> FolderCounts:
    """The counts of all pairs, whose masks `survey` notes. UserError names all unusable files."""
    statistic = MapCounts.empty() if border is None else MapCounts.empty(regions=REGIONS, border=border)
    counted = FolderCounts(statistic)
    problems: list[str] = []
    for pair, content in readable(pairs, lambda pair: read_binary(pair, meaning, survey), problems):
        probability, truth, resized, gray = content
        statistic.add(probability, truth, pair.stem, ignore=IGNORED)
        counted.note_map(pair, probability, resized)
        counted.gray_pixels += gray
    check_problems(pairs, problems)
    return counted


def _only_one_label(raw: Counts) -> list[str]:
    """A warning where all pixels of all masks have one label."""
    objects = int(raw.count[:, :, 1].sum())
    if raw.pixels and not objects:
        return ["no mask has an object: if the masks are right, --ood evaluates the maps without them"]
    return ["every mask pixel is of the object, none of the background"] if 0 < objects == raw.pixels else []


def _decisions(counted: FolderCounts, counts: Counts, more: str = "") -> list[str]:
    """A warning where every confidence is 1, for maps that are not 0 everywhere; `more` ends the line."""
    all_certain = counts.pixels == counts.count[0].sum() and not counts.position.any()
    if not (all_certain and counts.pixels and max(counted.highest.values(), default=0) > 0):
        return []
    return [f"the maps hold only 0 and 1, which are decisions and no probabilities: ECE is their share of errors{more}"]


def read_classes(pair: Pair, classes: int, ignore: int = IGNORED) -> tuple[np.ndarray, np.ndarray, bool]:
    """Map (K, H, W) and class ids (H, W) of a pair in one size, and whether the map was resized.

    Raises:
        UnusableFileError: with the name of the file.
    """
    if (mask := pair.mask) is None:
        raise ValueError("maps of several classes need masks")
    with naming(pair, mask):
        truth = read_labels(mask)
    with naming(pair, pair.map):
        probability = read_map(pair.map, several=True)
        if probability.ndim != 3:
            raise UnusableFileError(f"an array of shape {probability.shape}; expected {classes} classes, as most maps")
        check_classes_first(probability, truth.shape)
        if len(probability) != classes:
            raise UnusableFileError(f"{len(probability)} classes; expected {classes}, as most maps")
        probability, resized = matched(_calibrated(pair, probability), truth.shape)
        check_sums(probability.sum(axis=0)[truth != ignore])
    with naming(pair, mask):
        _check_ids(truth[truth != ignore], classes, ignore)
    return probability, truth, resized


def _check_ids(ids: np.ndarray, classes: int, ignore: int) -> None:
    """UnusableFileError where ids are none of 0 to K - 1."""
    if not ids.size or (ids.min() >= 0 and ids.max() < classes):
        return
    beyond = np.unique(ids[(ids < 0) | (ids >= classes)])
    hint = ""
    if ignore != IGNORED and IGNORED in ids:
        hint = (
            f" ({IGNORED} counts, because --ignore names another value); to ignore both, write {IGNORED} for {ignore} "
            "in the masks, and leave out --ignore"
        )
    elif ignore == IGNORED and len(beyond) == 1:
        missing = np.setdiff1d(np.arange(classes), ids)
        if len(missing) == 1 and ids.max() == classes and ids.min() >= 0:
            hint = f"; if ids leave out {missing[0]}, which this mask lacks, renumber them from 0 to {classes - 1}"
        hint += f"; if {beyond[0]} marks pixels that do not count: --ignore {beyond[0]}"
    raise UnusableFileError(
        f"class ids from {ids.min()} to {ids.max()}; expected 0 to {classes - 1}, {ignore} ignored{hint}"
    )


def _count_classes(pairs: Pairs, classes: int, ignore: int | None) -> FolderCounts:
    statistic, any_ignored = MapCounts.of_classes(classes), False
    problems: list[str] = []
    counted, void = FolderCounts(statistic), IGNORED if ignore is None else ignore
    for pair, content in readable(pairs, lambda pair: read_classes(pair, classes, void), problems):
        probability, truth, resized = content
        statistic.add(probability, truth, pair.stem, ignore=void)
        counted.note_map(pair, probability, resized)
        any_ignored = any_ignored or bool((truth == void).any())
    check_problems(pairs, problems)
    only_first = statistic.confusion is not None and not statistic.confusion[1:].any()
    if void == IGNORED and any_ignored and only_first and statistic.raw.pixels:
        raise UserError(
            f"the masks in {pairs.masks} hold class 0 and 255 only, and 255 is ignored",
            expected=f"class ids 0 to {classes - 1}",
            fix="save objects by their class id, or mark ignored pixels with another value and name it by --ignore",
        )
    counted.notes += _decisions(counted, statistic.raw)
    if ignore is not None and not any_ignored:
        counted.notes.append(unused_ignore(ignore))
    return counted
