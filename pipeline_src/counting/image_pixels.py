"""The pixels of an image that are counted, and the checks of labels and classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipeline_src.counting.levels import CLAMP, SUM_SLACK, UNIT
from pipeline_src.errors import UserError
from pipeline_src.labels import IGNORED


class ClassPixels(NamedTuple):
    """The N pixels that count of a map of K classes.

    Attributes:
        size: height and width of the image.
        p: (K, N) float32, probabilities.
        y: (N,) int64, class ids; any class where `has_class` is false.
        has_class: (N,) bool, whether one of the classes is correct.
    """

    size: tuple[int, ...]
    p: np.ndarray
    y: np.ndarray
    has_class: np.ndarray

    def pairs(self) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, int]]]:
        """Return scores (N,) float32, hits (N,) uint8 and the image's row: of the top label, then of every class."""
        predicted, confidence = self.p.argmax(axis=0), self.p.max(axis=0)
        correct = (predicted == self.y) & self.has_class
        row = {name: int(np.rint(values * UNIT).sum()) for name, values in self._scores().items()}
        row["confidence"] = int(np.rint(confidence.astype(np.float64) * UNIT).sum())
        row |= {"correct": int(correct.sum()), "pixels": self.y.size, "constant": 0}
        yield (
            confidence,
            correct.astype(np.uint8),
            row | {"height": self.size[0], "width": self.size[1]},
        )
        for index, f in enumerate(self.p):
            labelled, chosen = (self.y == index) & self.has_class, predicted == index
            areas = {
                "pixels": int((labelled | chosen).sum()),
                "correct": int((labelled & chosen).sum()),
            }
            yield f, labelled.astype(np.uint8), areas

    def confusion(self) -> np.ndarray:
        """Return the pixels that have a class by label and predicted class, (K, K) int64."""
        k = len(self.p)
        cells = (self.y * k + self.p.argmax(axis=0))[self.has_class]
        return np.bincount(cells, minlength=k * k).reshape(k, k)

    def _scores(self) -> dict[str, np.ndarray]:
        """Return the scores (N,) of the pixels by name; the label has probability 0 without `has_class`."""
        exact = self.p.astype(np.float64)
        given = np.where(self.has_class, exact[self.y, np.arange(self.y.size)], 0)
        clamped = np.clip(exact, CLAMP, 1 - CLAMP)
        return {
            "absolute": 1 - given,
            "brier": (exact**2).sum(axis=0) - 2 * given + self.has_class,
            "nll": -np.log(np.clip(given, CLAMP, 1 - CLAMP)),
            "entropy": -(clamped * np.log(clamped)).sum(axis=0),
        }


def class_pixels(
    probability: np.ndarray,
    truth: np.ndarray,
    image_id: str,
    classes: int,
    ignore: int,
    no_class: int | None,
) -> ClassPixels:
    """Return the checked pixels of an image that count; arguments as of `MapCounts.add`.

    Raises:
        UserError: shapes differ, labels are not classes, or values are not probabilities of these.
    """
    if probability.ndim != 3 or probability.shape != (classes, *truth.shape):
        raise UserError(
            f"map and mask of {image_id} do not fit",
            found=f"a map of shape {probability.shape}, a mask of shape {truth.shape}",
            expected=f"({classes}, height, width) and (height, width)",
        )
    valid = truth != ignore
    y = truth[valid].astype(np.int64)
    p = np.ascontiguousarray(probability.reshape(classes, -1)[:, valid.reshape(-1)], np.float32)
    has_class = np.ones(y.shape, bool) if no_class is None else y != no_class
    y = np.where(has_class, y, 0)
    if y.size and not (y.min() >= 0 and y.max() < classes):
        raise UserError(
            f"the mask of {image_id} has class ids that do not exist",
            found=f"{y.min()} to {y.max()}",
            expected=f"0 to {classes - 1}, and {ignore} for ignored pixels",
        )
    if y.size and not (
        p.min() >= 0 and p.max() <= 1 and np.abs(p.sum(axis=0) - 1).max() < SUM_SLACK
    ):
        raise UserError(
            f"the map of {image_id} holds values that are not probabilities",
            found=f"values from {p.min()} to {p.max()}, sums over classes up to {p.sum(axis=0).max()}",
            expected="probabilities in [0, 1] that sum to 1 over the classes",
        )
    return ClassPixels(truth.shape, p, y, has_class)


def labels(truth: np.ndarray, image_id: str, ignore: int | None) -> tuple[np.ndarray, bool]:
    """Return `truth` as uint8, checked to hold only 0, 1 and 255, and whether it holds no 255."""
    if truth.dtype == bool:
        return truth.view(np.uint8), True
    all_count = truth.dtype == np.uint8 and bool(not truth.size or truth.max() <= 1)
    if truth.dtype != np.uint8 or (not all_count and np.any((truth > 1) & (truth != IGNORED))):
        raise UserError(
            f"the mask of {image_id} has unknown labels",
            found=f"{truth.dtype} with the values {np.unique(truth)[:10].tolist()}",
            expected="uint8 with 0 background, 1 foreground, 255 ignored",
            fix="threshold grey masks first: (mask > 127).astype('uint8')",
        )
    if not all_count and ignore != IGNORED and not np.any(truth == 1):
        raise UserError(
            f"the mask of {image_id} has no foreground, and 255 may be it",
            found=f"uint8 with the values {np.unique(truth).tolist()}",
            expected="1 for foreground, and 255 for pixels that are ignored",
            fix="(mask > 127).astype('uint8') if 255 is the foreground; ignore=255 if it is not: Statistic(ignore=255)",
        )
    return truth, all_count


def native(array: np.ndarray) -> np.ndarray:
    """Return the array in this machine's byte order."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)
