"""The pass over all pairs of maps and masks: counts of binary maps, (H, W), or of maps of K classes, (K, H, W)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from pipeline_src.calibrators.calibrator import calibrated
from pipeline_src.counting.counts import Counts, image_rows
from pipeline_src.counting.image_pixels import check_range, low_range
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.whole_maps import MEASURES, whole_map_measures
from pipeline_src.errors import UserError
from pipeline_src.labels import IGNORED
from pipeline_src.logs import with_progress
from pipeline_src.maps.masks import Meaning, meaning_of
from pipeline_src.maps.pairs import Pair, Pairs, UnusableFileError, check_problems, naming
from pipeline_src.maps.reader import check_classes, matched, read_labels, read_map, read_mask
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.summary import value


@dataclass
class FolderCounts:
    """Counts of a folder of maps.

    Attributes:
        statistic: of all pixels that count.
        meaning: how masks are read.
        highest: largest value by type of the maps: "uint8", "uint16" or "float".
        measures: by protocol (N, len(MEASURES)), measures of whole maps, NaN where undefined; empty if not measured.
        warnings: about what was corrected in the files, or is likely a mistake, a line each.
    """

    statistic: MapCounts
    meaning: Meaning
    highest: dict[str, float] = field(default_factory=dict)
    measures: dict[str, np.ndarray] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, Counts]:
        """The counts of each protocol; for K classes those of the top label."""
        return self.statistic.protocols

    def runs(self, units: np.ndarray | None = None) -> dict[str, ProtocolCounts]:
        """The inputs of metrics by protocol; `units` (N,) are the groups of the images."""
        return ProtocolCounts.by_protocol(self.statistic, units)


def classes_of(pairs: Pairs) -> int | None:
    """The number of classes K of the first readable map, (K, H, W); None for a map (H, W)."""
    for pair in pairs:
        try:
            shape = read_map(pair.map).shape
        except UnusableFileError:
            continue
        return shape[0] if len(shape) == 3 else None
    return None


def count(
    pairs: Pairs,
    classes: int | None = None,
    ignore: int | None = None,
    whole_maps: bool = False,
) -> FolderCounts:
    """Count all pairs.

    Args:
        classes: K of maps of K classes; None for binary maps.
        ignore: value of mask pixels that never count; for K classes 255 by default.
        whole_maps: whether binary maps are also measured as a whole.

    Raises:
        UserError: names all files that have no partner or cannot be used.
    """
    if classes:
        meaning = Meaning(IGNORED if ignore is None else ignore)
        statistic = MapCounts.of_classes(classes)
    else:
        meaning = Meaning() if pairs.masks is None else meaning_of(pairs, ignore)
        statistic = MapCounts.empty()
    counted = FolderCounts(statistic, meaning, warnings=list(meaning.warnings))
    problems: list[str] = []
    resized: list[str] = []
    measured: list[dict[str, dict[str, float]]] = []
    any_ignored = False
    void = meaning.ignore if classes else IGNORED
    for pair in with_progress(pairs, len(pairs)):
        try:
            probability, truth, was_resized = read_pair(pair, classes, meaning)
        except UnusableFileError as reason:
            problems.append(str(reason))
            continue
        statistic.add(probability, truth, pair.stem, ignore=void)
        kind = str(probability.dtype) if probability.dtype.kind == "u" else "float"
        counted.highest[kind] = max(counted.highest.get(kind, 0), probability.max())
        resized += [pair.stem] * was_resized
        any_ignored = any_ignored or bool((truth == void).any())
        if whole_maps and not classes:
            measured.append(whole_map_measures(probability, truth))
    check_problems(pairs, problems)
    if measured:
        counted.measures = {
            protocol: np.array([[values[protocol][name] for name in MEASURES] for values in measured])
            for protocol in measured[0]
        }
    if resized:
        some = ", ".join(resized[:3]) + (", ..." if len(resized) > 3 else "")
        counted.warnings.append(f"{len(resized)} map(s) had another size than their mask and were resized ({some})")
    if classes:
        _check_void(pairs, statistic, any_ignored and ignore is None)
        if ignore is not None and not any_ignored:
            counted.warnings.append(f"no mask pixel has the value {ignore}, which --ignore names")
    elif all(pair.calibrator is None for pair in pairs):
        check_range(counted.highest, f"maps in {pairs.maps}")
    counted.warnings += _likely_mistakes(counted, pairs)
    return counted


def read_pair(
    pair: Pair, classes: int | None = None, meaning: Meaning | None = None
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Map and mask of a pair in the size of the mask.

    Args:
        classes: K of a map of K classes; None for a binary map.
        meaning: of the values of the mask.

    Returns:
        Probability (H, W) or (K, H, W); ground truth (H, W), 0, 1 and 255, or class ids; whether the map was resized.

    Raises:
        UnusableFileError: with the name of the file.
    """
    meaning = meaning or Meaning()
    truth = None
    if pair.mask is not None:
        with naming(pair, pair.mask):
            truth = read_labels(pair.mask) if classes else meaning.ground_truth(*read_mask(pair.mask, meaning.ignore))
    with naming(pair, pair.map):
        probability = read_map(pair.map)
        if truth is None:
            truth = np.zeros(probability.shape[-2:], np.uint8)
        valid = truth != meaning.ignore if classes and probability.shape[-2:] == truth.shape else None
        check_classes(probability, classes, valid)
        if pair.calibrator is not None:
            probability = calibrated(pair.calibrator, probability)
        probability, resized = matched(probability, truth.shape)
    if classes and pair.mask is not None:
        with naming(pair, pair.mask):
            _check_ids(truth[truth != meaning.ignore], classes, meaning.ignore)
    return probability, truth, resized


def _check_ids(ids: np.ndarray, classes: int, ignore: int | None) -> None:
    """UnusableFileError where ids are none of 0 to K - 1."""
    if not ids.size or (ids.min() >= 0 and ids.max() < classes):
        return
    beyond = ", ".join(map(str, np.unique(ids[(ids < 0) | (ids >= classes)])[:5]))
    raise UnusableFileError(
        f"class ids from {ids.min()} to {ids.max()}; expected 0 to {classes - 1}, {ignore} ignored: renumber {beyond}, "
        "or name the value of pixels that do not count by --ignore"
    )


def _check_void(pairs: Pairs, statistic: MapCounts, default_ignored: bool) -> None:
    """UserError where 255, ignored by default, seems to be the object: masks hold class 0 and 255 only."""
    confusion = statistic.confusion
    if default_ignored and statistic.raw.pixels and confusion is not None and not confusion[1:].any():
        raise UserError(
            f"the masks in {pairs.masks} hold class 0 and 255 only, and 255 is ignored",
            expected=f"class ids 0 to {len(statistic.classes) - 1}",
            fix="save objects by their class id, or mark ignored pixels with another value and name it by --ignore",
        )


def _likely_mistakes(counted: FolderCounts, pairs: Pairs) -> Iterator[str]:
    """A line for every property of maps and masks that is likely a mistake."""
    raw, classes = counted.counts["raw"], len(counted.statistic.classes)
    objects, highest = int(raw.count[:, :, 1].sum()), max(counted.highest.values(), default=0)
    if highest == 0:
        yield "every map is 0 everywhere"
    elif raw.pixels and raw.pixels == raw.count[0].sum() and not raw.position.any():
        yield "the maps hold only 0 and 1, which are decisions and no probabilities: ECE is their share of errors"
    if pairs.masks is None or not raw.pixels:
        return
    if not classes:
        if not objects:
            yield "no mask has an object: if the masks are right, --ood evaluates the maps without them"
        else:
            yield from low_range(counted.highest)
        if objects == raw.pixels:
            yield "every mask pixel is of the object, none of the background"
        if constant := image_rows(counted.counts["stretched"]).total("constant"):
            yield f"{constant} map(s) hold one value only; min-max normalized, they become 0"
    accuracy = value("accuracy", raw)
    if accuracy < 1 / (classes or 2):
        yield (
            f"the maps are right on {100 * accuracy:.1f} % of the pixels: are maps or masks inverted or swapped, or "
            "class ids in another order?"
        )
