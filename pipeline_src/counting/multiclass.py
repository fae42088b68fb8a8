"""The statistic of maps of K classes: top label and class by class, mergeable.

The (confidence, right) pairs of the top label and the (p_k, y == k) pairs of every class are counted like the (f, y)
pairs of a binary map and read as its positive class. There is one protocol, `raw`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.levels import CLAMP, SUM_SLACK, UNIT
from pipeline_src.counting.storage import pack, read, unpack, unreadable, write
from pipeline_src.errors import UserError
from pipeline_src.labels import IGNORED

if TYPE_CHECKING:
    from pipeline_src.counting.accumulate import FloatPass


class MultiClassStatistic:
    """Counts of K classes.

    Attributes:
        top: `Counts` of the top label, f being its confidence and y whether it is right; its rows hold the sums of the
            K-class scores: brier (sum over classes of (p_k - y_k)^2, in [0, 2]), nll, entropy, absolute (1 - p_y).
        classes: K `Counts` of the single classes, f being p_k and y whether the label is k. In their rows `pixels` are
            the image's pixels of class k by label or prediction, and `correct` those by both: IoU is correct / pixels.
        confusion: (K, K) int64, pixels by label and predicted class.
    """

    def __init__(self, top: Counts, classes: list[Counts], confusion: np.ndarray):
        self.top, self.classes, self.confusion = top, classes, confusion
        self._pass: FloatPass | None = None  # its buffers serve all counts in turn

    @classmethod
    def empty(cls, classes: int) -> MultiClassStatistic:
        counts = [Counts.empty() for _ in range(classes)]
        return cls(Counts.empty(top=True), counts, np.zeros((classes, classes), np.int64))

    def add(
        self,
        probability: np.ndarray,
        truth: np.ndarray,
        image_id: str,
        ignore: int = IGNORED,
        no_class: int | None = None,
    ) -> None:
        """Count one image.

        Args:
            probability: (K, H, W) float32 or float64 in [0, 1] that sum to 1 over the classes (to 1e-3).
            truth: (H, W) integers, class ids 0..K-1, `ignore` or `no_class`.
            image_id: names the image; each image once (checked when statistics are merged or read).
            ignore: the label of pixels that never count.
            no_class: the label of pixels on which every class is wrong, as out of distribution; None if there are none.

        Raises:
            UserError: shapes differ, a value is not allowed. Nothing was counted then.
        """
        k = len(self.classes)
        if probability.ndim != 3 or probability.shape != (k, *truth.shape):
            raise UserError(
                f"map and mask of {image_id} do not fit",
                found=f"a map of shape {probability.shape}, a mask of shape {truth.shape}",
                expected=f"({k}, height, width) and (height, width)",
            )
        valid = truth != ignore
        y = truth[valid].astype(np.int64)
        p = np.ascontiguousarray(probability.reshape(k, -1)[:, valid.reshape(-1)], np.float32)
        has_class = np.ones(y.shape, bool) if no_class is None else y != no_class
        if not has_class.all():
            y = np.where(has_class, y, 0)  # any class: `has_class` masks them below
        _check_pixels(p, y, k, ignore, image_id)
        predicted = p.argmax(axis=0)
        right = ((predicted == y) & has_class).astype(np.uint8)
        confidence = p.max(axis=0)
        levels = self._count(self.top, confidence, right)
        for index, counts in enumerate(self.classes):
            labelled, chosen = (y == index) & has_class, predicted == index
            class_levels = self._count(counts, p[index], labelled.astype(np.uint8))
            areas = {"pixels": int((labelled | chosen).sum()), "correct": int((labelled & chosen).sum())}
            counts.rows.append(image_id, areas, class_levels)
        self.confusion += np.bincount((y * k + predicted)[has_class], minlength=k * k).reshape(k, k)
        sums = {name: int(np.rint(values * UNIT).sum()) for name, values in _scores(p, y, has_class).items()}
        sums["confidence"] = int(np.rint(confidence.astype(np.float64) * UNIT).sum())
        sums |= {"correct": int(right.sum()), "height": truth.shape[0], "width": truth.shape[1]}
        sums |= {"pixels": y.size, "constant": 0}
        self.top.rows.append(image_id, sums, levels)

    def _count(self, counts: Counts, f: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(256, 2) pixels of the image per 8-bit level and label."""
        from pipeline_src.counting.accumulate import FloatPass  # slow to import, and reading counts does without

        self._pass = self._pass or FloatPass(counts, scores=True)
        self._pass.counts = counts
        _, levels = self._pass.add(f, y, summed=False)
        self._pass.flush()
        return levels

    def __add__(self, other: MultiClassStatistic) -> MultiClassStatistic:
        classes = [a + b for a, b in zip(self.classes, other.classes, strict=True)]
        return MultiClassStatistic(self.top + other.top, classes, self.confusion + other.confusion)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MultiClassStatistic):
            return NotImplemented
        same = self.top == other.top and self.classes == other.classes
        return same and np.array_equal(self.confusion, other.confusion)

    __hash__ = None

    def save(self, path: Path | str, provenance: dict) -> None:
        """Write one .npz, as `TwoClassStatistic.save`."""
        arrays = pack(self.top, "top") | {"confusion": self.confusion}
        for index, counts in enumerate(self.classes):
            arrays |= pack(counts, f"class{index}")
        write(path, "multi-class", arrays, provenance)

    @classmethod
    def load(cls, path: Path | str) -> tuple[MultiClassStatistic, dict]:
        """Read what `save` wrote, as `TwoClassStatistic.load`."""
        arrays, provenance = read(path, "multi-class")
        try:
            confusion = arrays["confusion"]
            classes = [unpack(arrays, f"class{index}") for index in range(len(confusion))]
            return cls(replace(unpack(arrays, "top"), top=True), classes, confusion), provenance
        except Exception as error:  # whatever missing or damaged members make of it
            raise unreadable(path, error) from error


def _check_pixels(p: np.ndarray, y: np.ndarray, k: int, ignore: int, image_id: str) -> None:
    """UserError where labels (N,) are not classes, or columns of (K, N) are not probabilities of these."""
    if y.size and not (y.min() >= 0 and y.max() < k):
        raise UserError(
            f"the mask of {image_id} has class ids that do not exist",
            found=f"{y.min()} to {y.max()}",
            expected=f"0 to {k - 1}, and {ignore} for ignored pixels",
        )
    if y.size and not (p.min() >= 0 and p.max() <= 1 and np.abs(p.sum(axis=0) - 1).max() < SUM_SLACK):
        raise UserError(
            f"the map of {image_id} holds values that are not probabilities",
            found=f"values from {p.min()} to {p.max()}, sums over classes up to {p.sum(axis=0).max()}",
            expected="probabilities in [0, 1] that sum to 1 over the classes",
        )


def _scores(p: np.ndarray, y: np.ndarray, has_class: np.ndarray) -> dict[str, np.ndarray]:
    """Scores (N,) of the pixels of (K, N) probabilities by name; the label has probability 0 without `has_class`."""
    exact = p.astype(np.float64)
    given = np.where(has_class, exact[y, np.arange(y.size)], 0)
    clamped = np.clip(exact, CLAMP, 1 - CLAMP)
    return {
        "absolute": 1 - given,
        "brier": (exact**2).sum(axis=0) - 2 * given + has_class,
        "nll": -np.log(np.clip(given, CLAMP, 1 - CLAMP)),
        "entropy": -(clamped * np.log(clamped)).sum(axis=0),
    }
