"""Counts of images: pixels by level of their probability, and a row per image.

Counts are values. `accumulate.Accumulator` makes them, `storage` saves them, and reading them needs
no compiled code.

Maps of one object have counts in two protocols (docs/protocol.md): `raw`, the probabilities as they
are, and `stretched`, min-max normalized, where the valid pixels of each map reach from 0 to 1, as
in the paper's test program. Maps of K classes have `raw` only: pairs like (f, y) of an object, here
(confidence, correct) of the top label, and in `Counts.classes` (p_k, y == k) of every class k.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from pipeline_src.counting.levels import CELLS, EIGHT, HALF, LEVELS, UNKNOWN
from pipeline_src.errors import UserError, listed

COLUMNS = (
    "height",  # pixels
    "width",
    "pixels",  # that count: neither ignored nor outside
    "correct",  # pixels whose predicted class is their label
    "constant",  # 1 where the valid pixels of the map have one value only
    "confidence",  # sums over the pixels, in units of 1 / levels.UNIT
    "absolute",  # |f - y|
    "brier",  # (f - y)^2
    "nll",  # nats, clamped
    "entropy",  # nats, clamped
    # Of the whole map, in units of 1 / levels.UNIT; `UNMEASURED` where undefined or not measured.
    "s_measure",
    "e_measure",
    "weighted_f",
)
# Columns that every file of counts has. The last column is stored only if an image has its value.
ALWAYS = COLUMNS[:-1]
# Columns of errors and uncertainty, summed over the pixels of an image.
SCORE_SUMS = ("absolute", "brier", "nll", "entropy")
PIXEL_SUMS = ("confidence", *SCORE_SUMS)  # all columns that are sums over the pixels of an image
UNMEASURED = -1  # in the place of a measure that is undefined or was not measured
ARRAYS = ("count", "position", "on_edge", "surest")  # the fields of `Histogram` that are arrays


@dataclass(frozen=True, eq=False)
class Histogram:
    """Pixels of all images by level of doubt, min(f, 1 - f), of LEVELS or COARSE levels
    (`levels`); H is half their number, because doubt is at most 0.5.

    Attributes:
        count: (H + 1, 2, 2) int64, pixels by level, predicted class and label.
        position: the same shape, int64, summed positions within the level in units of 1 /
            levels.POSITION.
        on_edge: (H + 1, 2) int64, pixels with f < 0.5 exactly on the lower end of a level, by level
            and label. Coarse histograms of one object do not have them.
        surest: (CELLS, 2, 2) int64, pixels of the first levels by cell (`levels`), predicted class
            and label; `UNKNOWN` of coarse levels, and where a published file does not hold them.
        top: whether f is the confidence of the top one of K classes and y whether that class is
            correct. The positive class of such pairs is the top label.
    """

    count: np.ndarray
    position: np.ndarray
    on_edge: np.ndarray
    surest: np.ndarray
    top: bool = False

    @classmethod
    def empty(cls, levels: int = LEVELS, top: bool = False) -> Histogram:
        """Return a histogram without pixels.

        Args:
            levels: LEVELS or COARSE.
            top: whether it is to count the top label of K classes.
        """
        shape = (levels // 2 + 1, 2, 2)
        # One block for both: malloc then keeps that much memory for the temporary arrays of images,
        # and does not return it to the system after each image.
        count, position = np.zeros((2, *shape), np.int64)
        return cls(
            count=count,
            position=position,
            on_edge=np.zeros(shape[:2], np.int64),  # stays 0 where it is not counted
            surest=np.zeros((CELLS, 2, 2), np.int64) if levels == LEVELS else UNKNOWN,
            top=top,
        )

    @property
    def levels(self) -> int:
        """Number of levels, of confidence from 0 to 1."""
        return 2 * (len(self.count) - 1)

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return int(self.count.sum())

    def __add__(self, other: Histogram) -> Histogram:
        """Return the histogram of both sides' pixels; `surest` is `UNKNOWN` if one side's is."""
        known = len(self.surest) == len(other.surest)
        return Histogram(
            count=self.count + other.count,
            position=self.position + other.position,
            on_edge=self.on_edge + other.on_edge,
            surest=self.surest + other.surest if known else UNKNOWN,
            top=self.top,
        )


@dataclass(frozen=True, eq=False)
class ImageTable:
    """Whole numbers of each of N images, in the order of their ids (`image_table`).

    Metrics of images are computed from the rows, and the bootstrap draws rows.

    Attributes:
        ids: N image ids.
        table: (N, len(COLUMNS)) int64, columns as in `COLUMNS`.
        levels: (N, 256, 2) uint32, pixels by 8-bit level floor(255 f) and label: precision and
            recall at the thresholds f >= t/255, and the weights of the bootstrap over images.
        groups: (N,) int64, the group of each image from 0, where images are not independent.
    """

    ids: Sequence[str]
    table: np.ndarray
    levels: np.ndarray
    groups: np.ndarray | None = None

    @classmethod
    def empty(cls) -> ImageTable:
        """Return the table of no image."""
        table = np.empty((0, len(COLUMNS)), np.int64)
        return cls(ids=(), table=table, levels=np.empty((0, 256, 2), np.uint32))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.ids)

    @property
    def units(self) -> int:
        """Number of sampling units: groups of images, or images."""
        if self.groups is None:
            return len(self.ids)
        return int(self.groups.max(initial=-1)) + 1

    def column(self, name: str) -> np.ndarray:
        """Return a column of the table, (N,) int64."""
        return self.table[:, COLUMNS.index(name)]

    def total(self, name: str) -> int:
        """Return the sum of a column over the images, as a Python int: it cannot overflow."""
        return sum(self.column(name).tolist())

    def pooled(self) -> np.ndarray:
        """Return the levels of all images together, (256, 2) int64."""
        return self.levels.sum(axis=0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Counts:
    """The counts of images in one protocol, or of one of K classes.

    Attributes:
        histogram: the pixels of all images together.
        images: a row per image; none where only the histogram was counted. Rows of K classes hold
            the K-class scores: brier (sum over classes of (p_k - y_k)^2, in [0, 2]), nll, entropy,
            absolute (1 - p_y). In rows of a class `pixels` are the image's pixels of the class by
            label or prediction, and `correct` those by both: IoU is correct / pixels.
        classes: the counts of each of K classes; none for one object.
        confusion: (K, K) int64, pixels by label and predicted class; None for one object.
    """

    histogram: Histogram
    images: ImageTable = field(default_factory=ImageTable.empty)
    classes: Sequence[Counts] = ()
    confusion: np.ndarray | None = None

    @property
    def pixels(self) -> int:
        """Number of pixels that count."""
        return self.histogram.pixels


def image_table(ids: Sequence[str], table: np.ndarray, levels: np.ndarray) -> ImageTable:
    """Return the table of images in the order of their ids: no result depends on the order of
    adding.

    Args:
        table, levels: the rows of `ids`, in their order (`ImageTable`).

    Raises:
        UserError: an id occurs twice, that is, an image was counted twice.
    """
    order = sorted(range(len(ids)), key=ids.__getitem__)
    ordered = [ids[k] for k in order]
    check_repeated(a for a, b in pairwise(ordered) if a == b)
    return ImageTable(ordered, table[order], levels[order])


def check_repeated(ids: Iterable[str]) -> None:
    """Raise a UserError that names images which were counted more than once, if there are any."""
    repeated = sorted(set(ids))
    if repeated:
        raise UserError(
            f"{len(repeated)} image(s) were counted more than once",
            found=listed(repeated),
            expected="every image id once",
            fix="merge counts of different images only, and give every image its own id",
        )


def named_counts(counts: Mapping[str, Counts]) -> dict[str, Counts]:
    """Return counts by the names that files use: protocols, or `top`, `class0`, `class1`, ...

    Args:
        counts: by protocol; of K classes `raw` only, which contains the counts of each class.
    """
    if not counts["raw"].classes:
        return dict(counts)
    names = {"top": counts["raw"]}
    for k, of_class in enumerate(counts["raw"].classes):
        names[f"class{k}"] = of_class
    return names


def grouped(counts: Mapping[str, Counts], groups: np.ndarray | None) -> dict[str, Counts]:
    """Return the counts of all protocols with the group of each image set.

    Args:
        groups: (N,) int64 from 0, equal for images that are not independent, such as frames of a
            video; None if all images are independent.
    """
    result = {}
    for protocol, of_protocol in counts.items():
        images = replace(of_protocol.images, groups=groups)
        result[protocol] = replace(of_protocol, images=images)
    return result


def image_blocks(images: int, size: int = 256) -> Iterator[slice]:
    """Return slices of up to `size` images that cover all in order, to bound the memory in use."""
    return (slice(start, min(start + size, images)) for start in range(0, images, size))


def upper_edge(counts: Counts) -> np.ndarray:
    """Return the pixels whose probability f >= 0.5 is exactly a threshold t/255, by level of doubt
    and label, (HALF + 1, 2); 0 at levels j where 1 - j / LEVELS is no threshold.

    They are on the edge of two bins. A level of doubt does not tell them from pixels next to the
    edge, and they are not counted apart. But an 8-bit level includes its lower threshold, and
    levels of doubt include the upper one (in f). So these are the pixels by which the 8-bit level
    above a threshold has more than the levels of doubt.
    """
    total = counts.images.pooled()
    edge = np.zeros((HALF + 1, 2), np.int64)
    edge[0] = total[255]  # f = 1 is the only value of 8-bit level 255
    for level in range(EIGHT, HALF, EIGHT):
        # The pixels between this threshold and the one above it, without those on the latter.
        inside = counts.histogram.count[level - EIGHT : level, 1].sum(axis=0) - edge[level - EIGHT]
        edge[level] = total[255 - level // EIGHT] - inside
    return edge
