"""The pixels of validation images that calibrators are fitted to, and the logits of saved maps.

Two classes have one logit z of the foreground, K > 2 classes have K logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax

from pipeline_src.counting.levels import CLAMP
from pipeline_src.counting.sample import Sample

BINS = 10  # number of bins of probability, for histogram binning
# Pixels whose logits lie in one cell of this width are merged. The logits of neighboring 8-bit
# probabilities are further apart, at least 2 log(128/127) = 1/63.75 (at 0.5).
CELL = 1 / 64
MOST_LOGITS = 2**23  # a fit gets about so many logits at most, 64 MB
BLOCK = 2**18  # number of pixels of a saved map whose logits are computed at once


@dataclass(frozen=True)
class Pixels:
    """Weighted pixels of I images with logits and labels, to which calibrators are fitted.

    Attributes:
        z: (N, C) float64, one logit for two classes, or K for K classes.
        labels: (N,) int64, classes 0 to K - 1.
        weights: (N,) float64, how many pixels each stands for.
        images: (N,) int64 in 0 to I - 1, the image of each pixel.
        entropy: (I,) float64, `mean_entropy` of each image; NaN where images are pooled.
    """

    z: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    images: np.ndarray
    entropy: np.ndarray

    @property
    def number(self) -> int:
        """The number of images, I."""
        return len(self.entropy)

    @property
    def classes(self) -> int:
        """The number of classes, K."""
        return max(2, int(self.z.shape[1]))

    @cached_property
    def shares(self) -> np.ndarray:
        """The weights (N,) as shares, which sum to 1."""
        return self.weights / self.weights.sum()

    def take(self, images: np.ndarray) -> Pixels:
        """Return the pixels of the selected images only, for cross-validation.

        Args:
            images: whether each image is selected, (I,) bool. Those that remain are renumbered.
        """
        rows = images[self.images]
        new_number = np.cumsum(images) - 1
        return Pixels(
            z=self.z[rows],
            labels=self.labels[rows],
            weights=self.weights[rows],
            images=new_number[self.images[rows]],
            entropy=self.entropy[images],
        )

    def pooled(self) -> Pixels:
        """Return the pixels of all images as those of one image, merged by `grouped`.

        A calibrator that does not depend on the image then has fewer pixels to fit.
        """
        pooled = replace(self, images=np.zeros_like(self.images), entropy=np.array([np.nan]))
        return pooled.grouped()

    def grouped(self) -> Pixels:
        """Return the pixels after merging those of one image and label whose logits share a cell.

        Fits are then fast. A merged pixel has the mean logit of its cell. Cells are 1/64 wide and
        end where a bin of histogram binning does. For 8-bit maps no two values share a cell, so
        nothing changes. For finer maps an NLL of 20,000 or more pixels moves by under 0.01 %.
        Pixels of K classes stay unmerged.
        """
        if self.z.shape[1] > 1:
            return self
        z = self.z[:, 0]
        # A cell is an interval of logits within one bin. Its number is the sum of the numbers of
        # interval and bin: both rise with z, so different pairs of them have different sums.
        cells = np.rint(z / CELL).astype(np.int64) + bin_numbers(z)
        # Numbers from 0, so that `images * span + cells` is one number per image and cell.
        cells -= cells.min(initial=0)
        span = cells.max(initial=0) + 1
        _, first, cell_of_pixel = np.unique(
            self.images * span + cells, return_index=True, return_inverse=True
        )
        weights = np.bincount(cell_of_pixel, self.weights)
        # The mean logit of a cell is over both labels, because calibrators do not see labels. It is
        # the first logit plus the mean deviation from it: exact where all logits are equal.
        deviations = np.bincount(cell_of_pixel, self.weights * (z - z[first][cell_of_pixel]))
        means = z[first] + deviations / np.where(weights > 0, weights, 1)
        # One key per cell and label: the label is 0 or 1.
        keys, row = np.unique(cell_of_pixel * 2 + self.labels, return_inverse=True)
        cell = keys // 2
        return Pixels(
            z=means[cell][:, None],
            labels=keys % 2,
            weights=np.bincount(row, self.weights),
            images=self.images[first][cell],
            entropy=self.entropy,
        )


def bin_numbers(z: np.ndarray) -> np.ndarray:
    """Return the number, 0 to 9, of the left-closed bin of the probability of each logit.

    Levels of 8-bit maps lie on edges, such as 51/255: 1e-9 keeps them right of the edge however f
    is rounded.
    """
    return (expit(z) * BINS + 1e-9).astype(np.int64).clip(max=BINS - 1)


def joined(sets: Sequence[Pixels]) -> Pixels:
    """Return the pixels of several sets as one set; images are renumbered, in the same order."""
    images = []
    start = 0
    for pixels in sets:
        images.append(pixels.images + start)
        start += pixels.number
    numbers = {"images": np.concatenate(images)}
    for name in ("z", "labels", "weights", "entropy"):
        numbers[name] = np.concatenate([getattr(pixels, name) for pixels in sets])
    return Pixels(**numbers)


def drawn_target(
    target: np.ndarray, classes: int, most: int, random: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Return a target in which at most `most` pixels count, and how many pixels each stands for.

    Pixels are drawn without replacement. Those that are not drawn get the label `classes`, which
    is no class. So the memory of a fit is limited.

    Args:
        target: (H, W) integers: classes 0 to `classes` - 1; pixels of other values do not count.
    """
    valid = np.count_nonzero(target < classes)
    if valid <= most:
        return target, 1.0
    labels = target.reshape(-1)
    chosen = np.flatnonzero(labels < classes)[random.choice(valid, most, replace=False)]
    drawn = np.full_like(labels, classes)
    drawn[chosen] = labels[chosen]
    return drawn.reshape(target.shape), valid / most


def image_pixels(
    z: np.ndarray, target: np.ndarray, weight: float = 1.0, entropy: float | None = None
) -> Pixels:
    """Return the pixels of one image whose label is a class, with their logits.

    Args:
        z: (C, H, W) logits, of a whole image or of some of its pixels.
        target: (H, W) integers: classes 0 to K - 1; pixels of other values do not count.
        weight: how many pixels each of them stands for.
        entropy: mean entropy of the whole image; None where `z` has all of its pixels.
    """
    labels = target.reshape(-1)
    valid = np.flatnonzero(labels < max(2, len(z)))  # one logit is that of two classes
    return Pixels(
        z=z.reshape(len(z), -1)[:, valid].T.astype(np.float64),
        labels=labels[valid].astype(np.int64),
        weights=np.full(len(valid), weight),
        images=np.zeros(len(valid), np.int64),
        entropy=np.array([mean_entropy(z) if entropy is None else entropy]),
    )


def map_pixels(
    sample: Sample, most: int, random: np.random.Generator, logits: np.ndarray | None = None
) -> Pixels:
    """Return the pixels of one saved map that a calibrator is fitted to, from its logits if given.

    Of a map of two classes they are all pixels with a label; those with nearly equal logits are
    merged. Of a map of K > 2 classes, whose pixels cannot be merged, at most `most` are drawn.

    Args:
        sample: the map, with its ground truth.
        logits: of the map, (H, W) or (K, H, W), where the file holds these.
    """
    target = sample.target
    weight = 1.0
    if sample.classes and sample.classes > 2:
        target, weight = drawn_target(target, sample.classes, most, random)
    labels = target.reshape(-1)
    # The pixels of a block have no mean entropy (NaN): at the end they get that of the whole map.
    blocks = []
    for place, z in logit_blocks(sample.probability, logits):
        blocks.append(image_pixels(z, labels[place], weight, entropy=np.nan).grouped())
    entropy = map_entropy(sample.probability, logits)
    return replace(joined(blocks).pooled(), entropy=np.array([entropy]))


def logit_blocks(
    probability: np.ndarray, logits: np.ndarray | None = None
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the logits of a saved map, (C, 1, n), in blocks of pixels, and the place of each block.

    C is 1 for two classes, else K, and n at most `BLOCK`. The logits of a whole map, and the arrays
    that they are computed from, would take several times the memory of the map.

    Args:
        probability: (H, W) or (K, H, W): uint8 (v / 255), uint16 (v / 65535), or floats in [0, 1].
        logits: of the same shape, where the file holds these: then they are used.
    """
    values = probability if logits is None else logits
    planes = values.reshape(*values.shape[:-2], 1, -1)
    for start in range(0, planes.shape[-1], BLOCK):
        place = slice(start, start + BLOCK)
        block = planes[..., place]
        yield place, log_odds(block) if logits is None else reduced_logits(block)


def reduced_logits(logits: np.ndarray) -> np.ndarray:
    """Return the stored logits of a map in the form that calibrators need, float64.

    Args:
        logits: (H, W) or (K, H, W).

    Returns:
        One logit a pixel (1, H, W), of two classes their difference; of K > 2 classes log f_k,
        (K, H, W).
    """
    z = logits.astype(np.float64)
    if z.ndim == 2:
        return z[None]
    if len(z) == 2:
        return z[1:] - z[:1]
    return log_softmax(z, axis=0)


def to_probabilities(z: np.ndarray) -> np.ndarray:
    """Return the probabilities (N, C) of logits (N, C): the sigmoid of one, or the softmax."""
    if z.shape[1] == 1:
        return expit(z)
    return softmax(z, axis=1)


def mean_entropy(z: np.ndarray) -> float:
    """Return the mean entropy of the predictions for an image, in nats, from logits (C, H, W)."""
    return float(entropies(z).mean())


def entropies(z: np.ndarray) -> np.ndarray:
    """Return the entropy of the prediction for each pixel, (N,) in nats, from logits (C, H, W)."""
    z = z.reshape(len(z), -1).astype(np.float64)
    if len(z) == 1:
        return -(expit(z) * log_expit(z) + expit(-z) * log_expit(-z))[0]
    log_f = log_softmax(z, axis=0)
    return -(np.exp(log_f) * log_f).sum(axis=0)


def map_entropy(probability: np.ndarray, logits: np.ndarray | None = None) -> float:
    """Return the mean entropy of the predictions in a saved map, in nats.

    Args:
        probability: (H, W) or (K, H, W): uint8 (v / 255), uint16 (v / 65535), or floats in [0, 1].
        logits: of the same shape, where the file holds these.
    """
    entropy_sum = 0.0
    for _, z in logit_blocks(probability, logits):
        entropy_sum += float(entropies(z).sum())
    height, width = probability.shape[-2:]
    return entropy_sum / (height * width)


def least_probability(dtype: np.dtype[Any]) -> float:
    """Return the probability that replaces 0 in saved maps of a type, for finite logits.

    It is half a level of integers, and 1e-7 of floats.
    """
    if dtype.kind == "u":
        return 0.5 / np.iinfo(dtype).max
    return CLAMP


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Return the logits of a saved map, float64.

    A probability is known no better than it was stored: 0 and 1 of an 8-bit or 16-bit map stand
    half a level from the end, at 1/510 or 1/131070, those of a float map at 1e-7.

    Args:
        probability: uint8 (v / 255), uint16 (v / 65535), or floats in [0, 1].

    Returns:
        (1, H, W) of a map (H, W), and of the second plane of a map (2, H, W); else (K, H, W), log
        f_k.
    """
    least = least_probability(probability.dtype)
    if probability.dtype.kind == "u":
        f = probability / np.iinfo(probability.dtype).max
    else:
        f = probability.astype(np.float64)
    if f.ndim == 3 and len(f) > 2:  # K classes, whose probabilities need not sum to 1
        return log_softmax(np.log(f.clip(least, 1)), axis=0)
    f = f.clip(least, 1 - least)
    if f.ndim == 3:  # two classes
        return np.log(f[1:]) - np.log(f[:1])
    return (np.log(f) - np.log1p(-f))[None]
