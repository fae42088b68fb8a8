"""The pass over all pairs of maps and masks: counts of binary maps, (H, W), or of maps of K classes, (K, H, W)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from rich.console import Console
from rich.progress import track

from pipeline_src.calibrators.calibrator import Calibrator, calibrated
from pipeline_src.calibrators.pixels import least_probability
from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.counts import Counts
from pipeline_src.counting.sample import checked
from pipeline_src.errors import UserError, few
from pipeline_src.labels import IGNORED
from pipeline_src.maps.files import (
    Pair,
    UnusableFileError,
    check_classes,
    check_files,
    matched,
    read_labels,
    read_map,
    read_mask,
)
from pipeline_src.metrics.registry import value

SMALL = 64  # class ids lie below; soft edges have values on both sides
MEANINGS = {  # of maps that stay below a value
    "uint8": (1, "decisions 0 and 1"),
    "uint16": (255, "8-bit values or percent"),
}


@dataclass
class FolderCounts:
    """Counts of a folder of maps.

    Attributes:
        counts: of all pixels that count by protocol, with the clamps of `clamps`.
        warnings: about what was corrected in the files, or is likely a mistake, a line each.
        highest: largest value by type of the maps: "uint8", "uint16" or "float".
        values: (256,) pixels of binary masks by value; `examples` names a mask of each value.
        ignored: number of pixels that do not count.
        resized: stems of maps of another size than their mask.
        clamps: the least probability whose logarithm is taken, by type of the maps.
    """

    counts: Mapping[str, Counts] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    highest: dict[str, float] = field(default_factory=dict)
    values: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    examples: dict[int, str] = field(default_factory=dict)
    ignored: int = 0
    resized: list[str] = field(default_factory=list)
    clamps: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """A map and its mask.

    Attributes:
        probability: (H, W) or (K, H, W), in the size of the mask.
        truth: (H, W): 0, 1 and 255 for ignored pixels; of K classes ids, and K for ignored pixels.
        values: (256,) pixels of a binary mask by value.
        resized: whether the map had another size.
    """

    probability: np.ndarray
    truth: np.ndarray
    values: np.ndarray
    resized: bool


def read_sample(
    pair: Pair, classes: int | None, ignore: int | None, calibrator: Calibrator | None = None
) -> Sample:
    """Read a map and its mask.

    Args:
        classes: K of a map of K classes; None for a binary map.
        ignore: value of mask pixels that never count; for K classes 255 by default.
        calibrator: applied to the map, if any.

    Raises:
        UnusableFileError: with the name of the file.
    """
    assert pair.mask is not None
    path, values = pair.mask, np.zeros(256, np.int64)
    try:
        if classes:
            truth = read_labels(path, classes, IGNORED if ignore is None else ignore)
        else:
            truth, values = read_mask(path, ignore)
        path = pair.map
        probability = read_map(path)
        check_classes(probability, classes)
        if calibrator is not None:
            probability = calibrated(calibrator, probability)
        fitting = matched(probability, truth.shape)
    except UnusableFileError as reason:
        raise UnusableFileError(f"{path}: {reason}") from reason
    return Sample(fitting, truth, values, fitting.shape != probability.shape)


def count(
    pairs: Sequence[Pair],
    classes: int | None = None,
    ignore: int | None = None,
    *,
    calibrators: Sequence[Calibrator] = (),
    whole_maps: bool = False,
    weighted_f: bool = False,
) -> FolderCounts:
    """Count all pairs.

    Args:
        classes, ignore: as of `read_sample`.
        calibrators: one for each map, applied before it is counted; none for the maps as they are.
        whole_maps: whether S- and E-measure of binary maps are also computed.
        weighted_f: whether weighted F is computed with these.

    Raises:
        UserError: names all files that cannot be used.
    """
    counted = FolderCounts()
    accumulator = Accumulator(classes, whole_maps=whole_maps, weighted_f=weighted_f)
    problems: list[str] = []
    applied: Sequence[Calibrator | None] = calibrators or [None] * len(pairs)
    samples = list(zip(pairs, applied, strict=True))
    for pair, calibrator in track(
        samples, "Count maps", console=Console(stderr=True), transient=True
    ):
        try:
            sample = read_sample(pair, classes, ignore, calibrator)
        except UnusableFileError as reason:
            problems.append(str(reason))
            continue
        _add(counted, accumulator, pair, sample, classes)
    check_files(problems)
    counted.counts = accumulator.counts()
    if not classes:
        _check_mask_values(counted, ignore)
        if not calibrators:
            _check_range(counted.highest)
    counted.warnings += [
        *_corrections(counted, classes, ignore),
        *_likely_mistakes(counted, classes),
    ]
    return counted


def _add(
    counted: FolderCounts,
    accumulator: Accumulator,
    pair: Pair,
    sample: Sample,
    classes: int | None,
) -> None:
    probability, truth, void = sample.probability, sample.truth, classes or IGNORED
    clamp = least_probability(probability.dtype)
    accumulator.add(checked(probability, truth, pair.stem, ignore=void), clamp)
    kind = str(probability.dtype) if probability.dtype.kind == "u" else "float"
    counted.clamps[kind] = clamp
    counted.highest[kind] = max(counted.highest.get(kind, 0), probability.max())
    counted.values += sample.values
    for mask_value in np.flatnonzero(sample.values).tolist():
        counted.examples.setdefault(mask_value, str(pair.mask))
    counted.ignored += int(np.count_nonzero(truth == void))
    counted.resized += [pair.stem] * sample.resized


def _check_mask_values(counted: FolderCounts, ignore: int | None) -> None:
    """Raise a UserError where the values of binary masks do not determine the object.

    All masks decide together: in a mask of 0 and 255, 255 is the object, unless other masks have
    objects of 1.
    """
    values = sorted(counted.examples)
    top, below = (
        max(values, default=0),
        [mask_value for mask_value in values[:-1] if mask_value > 0],
    )
    void_is_object = ignore == 255 and counted.ignored and top == 0
    if not (void_is_object or 1 < top <= 127 or (below and below[0] < SMALL and below[-1] <= 127)):
        return
    shown = ", ".join(
        f"{mask_value} ({counted.examples[mask_value]})"
        for mask_value in [*values[:4], *values[4:][-1:]]
    )
    fix = f"save np.uint8(255 * (mask == {'ID' if below else top})) as PNG"
    fix += f"; if {top} marks ignored pixels: --ignore {top}" if below else ""
    raise UserError(
        "the masks do not show what is an object",
        found=f"the values {shown}"
        + (" and 255, which --ignore 255 leaves out" if void_is_object else ""),
        expected="0 and 255, or 0 and 1, and another value for ignored pixels (class ids need maps of K classes)",
        fix="leave out --ignore" if void_is_object else fix,
    )


def _check_range(highest: Mapping[str, float]) -> None:
    """Raise a UserError if all maps of a type hold such small values that they mean something else."""
    for kind, (low, meaning) in MEANINGS.items():
        if 0 < highest.get(kind, 0) <= low:
            top = np.iinfo(kind).max
            raise UserError(
                f"the {kind} maps look like {meaning}: read as probabilities, all would be nearly 0",
                found=f"no value above {highest[kind]}",
                expected=f"0 to {top} for probabilities from 0 to 1",
                fix=f"save round({top} * probability), or floats as .npy if the values are so small",
            )


def _corrections(counted: FolderCounts, classes: int | None, ignore: int | None) -> Iterator[str]:
    """Yield a line for all that was corrected or had no effect."""
    if counted.resized:
        stems = few(counted.resized, 3)
        yield f"{len(counted.resized)} map(s) had another size than their mask and were resized ({stems})"
    if ignore is not None and not counted.ignored:
        yield f"no mask pixel has the value {ignore}, which --ignore names"
    gray = np.flatnonzero(counted.values[1:255]) + 1
    if not classes and len(gray) and list(gray) != [1]:
        hint = f": --ignore {gray[0]} leaves them out" if len(gray) == 1 else ""
        number = counted.values[gray].sum()
        yield f"{number} mask pixel(s) were neither 0 nor 255 and were cut at > 127{hint}"


def _likely_mistakes(counted: FolderCounts, classes: int | None) -> Iterator[str]:
    """Yield a line for every property of maps and masks that is likely a mistake."""
    raw = counted.counts["raw"]
    if not raw.pixels:
        return
    pixels = raw.histogram
    if max(counted.highest.values()) == 0:
        yield "every map is 0 everywhere"
    elif raw.pixels == pixels.count[0].sum() and not pixels.position.any():
        yield "the maps hold only 0 and 1, which are decisions and no probabilities: ECE is their share of errors"
    labelled = pixels.count[:, :, 1] if raw.confusion is None else raw.confusion[1:]
    if not labelled.any():
        yield "no mask has an object" + (", only class 0 and ignored pixels" if classes else "")
    elif not classes:
        for kind in MEANINGS:
            if (
                0
                < (highest := counted.highest.get(kind, 0))
                <= (top := int(np.iinfo(kind).max)) // 2
            ):
                yield (
                    f"no {kind} map has a value above {highest} of {top}, and the masks have objects: if {highest} or "
                    f"less stands for probability 1, the maps are in percent or on another scale; save round({top} * "
                    "probability)"
                )
    if (accuracy := value("accuracy", raw)) < 1 / (classes or 2):
        yield (
            f"the maps are right on {100 * accuracy:.1f} % of the pixels: are maps or masks inverted or swapped, or "
            "class ids in another order?"
        )
