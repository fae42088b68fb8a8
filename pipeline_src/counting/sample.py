"""An image to be counted: a map of probabilities and its mask. `checked` is the only check of
pixels from outside, whether of files, arrays, tensors or networks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from pipeline_src.counting.levels import SLACK, SUM_SLACK
from pipeline_src.errors import UserError
from pipeline_src.labels import IGNORED

BLOCK = 1 << 15  # pixels: few enough for the caches, enough to hide what a call costs
SHAPES = "a map (height, width) of an object or (K, height, width) of K classes, and its mask"


@dataclass(frozen=True, eq=False)
class Sample:
    """A checked map of probabilities and its mask, of shape S: (height, width), or (depth, height,
    width) of a volume or a batch.

    Attributes:
        id: names the image.
        probability: of one object (*S), of the positive class: floats in [0, 1], or uint8 meaning v
            / 255 or uint16 meaning v / 65535. Of K classes (K, *S), floats that sum to 1 over the
            classes; an array, or a tensor on its device.
        target: of one object (*S) uint8 with 0 background, 1 foreground, 255 ignored. Of K classes
            integers: class ids 0..K-1, `ignore` or `no_class`.
        ignore: the label of pixels that never count.
        no_class: of K classes the label of pixels on which every class is wrong, as out of
            distribution.
    """

    id: str
    probability: Any
    target: np.ndarray
    ignore: int = IGNORED
    no_class: int | None = None

    @property
    def classes(self) -> int | None:
        """The number of classes K; None of one object."""
        if self.probability.ndim == self.target.ndim:
            return None
        return len(self.probability)

    @cached_property
    def valid(self) -> Any:
        """The pixels that count, as an index of (n,): bool, or a slice if all do, because a slice
        needs no copy.
        """
        labels = self.target.reshape(-1)
        if labels.dtype == np.uint8 and labels.max(initial=0) < self.ignore:
            return slice(None)
        return labels != self.ignore

    @cached_property
    def pixels(self) -> tuple[np.ndarray, np.ndarray]:
        """The pixels that count: their probabilities, (n,) or (K, n) float32, and labels (n,).

        Both arrays are contiguous, which the compiled pass needs.
        """
        labels = np.ascontiguousarray(self.target.reshape(-1)[self.valid])
        if self.classes is None:
            return np.ascontiguousarray(self.probability.reshape(-1)[self.valid]), labels
        probability = numpy_array(self.probability).reshape(self.classes, -1)[:, self.valid]
        return np.ascontiguousarray(probability, np.float32), labels.astype(np.int64)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The smallest and largest probability of the pixels that count: (0, 0) without such a
        pixel, NaN if a probability is NaN.
        """
        values = self.pixels[0].reshape(-1)
        # In blocks, so that the second of the two passes finds them in the cache.
        blocks = [values[start : start + BLOCK] for start in range(0, len(values), BLOCK)]
        ends = [(block.min(), block.max()) for block in blocks] or [(0, 0)]
        lows, highs = np.array(ends, values.dtype).T
        return lows.min(), highs.max()

    def top_label(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the confidence (n,) float32 in the top one of K classes, and whether it is
        correct, (n,) uint8. A tensor is reduced on its device.
        """
        if hasattr(self.probability, "detach"):
            confidence, predicted = self.probability.float().max(0)  # a tensor: values and places
        else:
            confidence = np.asarray(self.probability, np.float32).max(axis=0)
            predicted = self.probability.argmax(axis=0)
        correct = (numpy_array(predicted) == self.target).reshape(-1)[self.valid]
        of_pixels = numpy_array(confidence).reshape(-1)[self.valid]
        return np.ascontiguousarray(of_pixels), correct.astype(np.uint8)


def checked(
    probability: Any,
    target: Any,
    image_id: str,
    *,
    ignore: int | None = None,
    no_class: int | None = None,
) -> Sample:
    """Return an image of one object or, where the map has an axis more than the mask, of K classes.

    Floats outside of [0, 1] by rounding are clipped. Probabilities of pixels that never count may
    be anything.

    Args:
        probability, target: of one object both (H, W) or (D, H, W), of K classes with a first axis
            of K in `probability`; arrays or tensors. Masks may be bool, or whole numbers of any
            type.
        image_id: names the image in messages.
        ignore: the label of pixels that never count, 255 by default. A mask of one object that has
            no other labels than 0 and 255 is refused unless the label is given, since 255 is more
            often the foreground.
        no_class: of K classes, the label of pixels on which every class is wrong.

    Raises:
        UserError: shapes do not fit, or labels or values are not allowed.
    """
    values = probability
    if hasattr(values, "detach"):  # a tensor, which stays on its device until it is counted
        values = values.detach()
    labels = numpy_array(target)
    extra_axes = values.ndim - labels.ndim
    fits = labels.ndim in (2, 3) and extra_axes in (0, 1)
    if not fits or tuple(values.shape[extra_axes:]) != labels.shape:
        raise UserError(
            f"map and mask of {image_id} do not fit",
            found=f"a map of shape {tuple(values.shape)}, a mask of shape {labels.shape}",
            expected=SHAPES,
        )
    void = IGNORED if ignore is None else ignore
    if extra_axes == 0:
        labels = _object_labels(labels, image_id, void, void_given=ignore is not None)
        return _checked_range(Sample(image_id, numpy_array(values), labels))
    labels = _class_labels(labels, image_id, len(values), void, no_class)
    return _checked_classes(Sample(image_id, values, labels, void, no_class))


def _object_labels(labels: np.ndarray, image_id: str, void: int, void_given: bool) -> np.ndarray:
    """Return the mask of an object as uint8 with 0, 1 and 255; a UserError for other labels.

    Args:
        void: the label of ignored pixels in `labels`.
        void_given: whether the caller stated it; 255 is not meant as foreground then.
    """
    if labels.dtype == bool:
        return labels.view(np.uint8)
    if labels.dtype == np.uint8 and void > 1 and labels.max(initial=0) <= 1:
        return labels  # the usual mask, without the slow checks
    ignored = labels == void
    foreground = labels == 1
    if labels.dtype.kind not in "iuf" or not (ignored | foreground | (labels == 0)).all():
        raise UserError(
            f"the mask of {image_id} has unknown labels",
            found=f"{labels.dtype} with the values {np.unique(labels)[:10].tolist()}",
            expected=f"0 background, 1 foreground, {void} ignored; or bool",
            fix="threshold grey masks first: (mask > 127).astype('uint8')",
        )
    if not void_given and ignored.any() and not foreground.any():
        raise UserError(
            f"the mask of {image_id} has no foreground, and 255 may be it",
            found=f"{labels.dtype} with the values {np.unique(labels).tolist()}",
            expected="1 for foreground, and 255 for pixels that are ignored",
            fix="(mask > 127).astype('uint8') if 255 is the foreground; ignore=255 if it is not: "
            "Evaluation(ignore=255)",
        )
    if labels.dtype == np.uint8 and void == IGNORED:
        return labels
    return np.where(ignored, IGNORED, foreground).astype(np.uint8)


def _class_labels(
    labels: np.ndarray, image_id: str, classes: int, ignore: int, no_class: int | None
) -> np.ndarray:
    """Return the mask of K classes as integers; a UserError for a label that is no class id.

    Args:
        classes: the number of classes K.
        ignore, no_class: further labels that are allowed.
    """
    known = (labels >= 0) & (labels < classes) | (labels == ignore)
    if no_class is not None:
        known |= labels == no_class
    ids = labels
    if labels.dtype.kind == "f":
        ids = np.nan_to_num(labels).astype(np.int64)
    if not (known & (ids == labels)).all():
        raise UserError(
            f"the mask of {image_id} has class ids that do not exist",
            found=f"{labels.dtype} with the values {np.unique(labels[~known])[:10].tolist()}",
            expected=f"whole numbers: 0 to {classes - 1}, and {ignore} for ignored pixels",
        )
    return ids


def _checked_range(sample: Sample) -> Sample:
    """Return the sample of an object with probabilities in [0, 1]; a UserError for other values.

    Floats that rounding put outside are clipped.
    """
    dtype = sample.probability.dtype
    if dtype in (np.uint8, np.uint16):
        return sample
    if not np.issubdtype(dtype, np.floating):
        raise UserError(
            f"the map of {sample.id} has an unknown type",
            found=dtype,
            expected="float32 or float64 in [0, 1], uint8 or uint16",
            fix="save 0..255 maps as uint8, others as float32",
        )
    low, high = sample.limits
    if low >= 0 and high <= 1:
        return sample
    if low >= -SLACK and high <= 1 + SLACK:
        return replace(sample, probability=sample.probability.clip(0, 1))
    # NaN comes here, too.
    raise _values_error(
        sample,
        found=f"values from {low:.8g} to {high:.8g}",
        expected="probabilities in [0, 1]",
        fix="apply the sigmoid to logits (judge and calibrate: --logits); save 0..255 maps as "
        "uint8",
    )


def _checked_classes(sample: Sample) -> Sample:
    """Return the sample of K classes with probabilities that sum to 1; a UserError for other ones.

    All pixels are checked first, because the copy without ignored pixels is slow. It is checked
    only if this fails, since ignored pixels may hold anything.
    """
    values = sample.probability
    low, high, deviation = class_limits(values)
    if not _within_slack(low, high, deviation):
        counted, _ = sample.pixels
        low, high, deviation = class_limits(counted)
    floats = "float" in str(values.dtype)
    if not floats or not _within_slack(low, high, deviation):
        raise _values_error(
            sample,
            found=f"{values.dtype}, values from {low:g} to {high:g}, whose sums over the classes "
            f"are up to {deviation:g} off 1",
            expected="floats in [0, 1] that sum to 1 over the classes",
            fix="apply the softmax to logits, in float32 (judge and calibrate: --logits); convert "
            "one-hot decisions to floats; divide uint8 by 255",
        )
    if low < 0 or high > 1:
        return replace(sample, probability=values.clip(0, 1))
    return sample


def _within_slack(low: float, high: float, deviation: float) -> bool:
    """Return whether values of K classes are probabilities but for rounding; NaN is not.

    Args:
        low, high: the smallest and largest value.
        deviation: by how much a sum over the classes differs from 1 at most.
    """
    return low >= -SLACK and high <= 1 + SLACK and deviation < SUM_SLACK


def _values_error(sample: Sample, *, found: str, expected: str, fix: str) -> UserError:
    """Return the error of values that are no probabilities, with the likely mistake.

    Args:
        found, expected, fix: of the error, if no mistake is more likely than this `fix`.
    """
    values = numpy_array(sample.probability)
    missing = np.argwhere(~np.isfinite(values))
    if len(missing):
        found = f"{len(missing)} NaN or infinite value(s), the first at index {missing[0].tolist()}"
        fix = "replace them, and correct the network that gives them"
    elif values.min() >= 0 and 2 < values.max() <= 100:
        fix = "divide percent by 100"
    elif sample.classes and np.allclose(values.sum(axis=-1), 1, rtol=0, atol=SUM_SLACK):
        fix = "the classes are last: put them first, by np.moveaxis(array, -1, 0)"
    return UserError(
        f"the map of {sample.id} holds values that are not probabilities",
        found=found,
        expected=expected,
        fix=fix,
    )


def class_limits(values: Any) -> tuple[float, float, float]:
    """Return the smallest and largest number of an array or tensor (K, ...), and by how much its
    sums over K differ from 1 at most.
    """
    if 0 in values.shape:  # no pixel, of which numpy has no minimum
        return 0.0, 0.0, 0.0
    # float16 adds up wrongly: tensors are summed in float32, arrays in float64.
    sums = values.float().sum(0) if hasattr(values, "float") else values.sum(0, dtype=np.float64)
    return float(values.min()), float(values.max()), float(abs(sums - 1).max())


def numpy_array(values: Any) -> np.ndarray:
    """Return values as a NumPy array in this machine's byte order, also those of a tensor on any
    device, with or without a gradient.

    Raises:
        UserError: pixels of a masked array are masked, which would count.
    """
    if np.ma.is_masked(values):
        raise UserError(
            "a masked array, whose masked pixels would count",
            fix="values.filled(), with the ignored label in the masks there",
        )
    if hasattr(values, "detach"):
        if values.is_floating_point():
            values = values.float()  # numpy has no bfloat16; all floats are counted as float32
        values = values.detach().cpu().numpy()
    numbers = np.asarray(values)
    return numbers.astype(numbers.dtype.newbyteorder("="), copy=False)
