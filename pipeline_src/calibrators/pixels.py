"""The pixels of validation images that calibrators are fitted from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import get_args

import numpy as np
from scipy.special import expit, log_expit, log_softmax

from pipeline_src.calibrators import Feature
from pipeline_src.counting.levels import CLAMP

BINS = 10  # of histogram binning
CELL = 1 / 64  # of a logit; neighbouring 8-bit probabilities are further apart (at 0.5: 2 log(128/127) = 1/63.75)
FEATURES: tuple[Feature, ...] = get_args(Feature)
OF_TWO_CLASSES: frozenset[Feature] = frozenset({"foreground", "peak"})
LARGEST = float(np.log((1 - CLAMP) / CLAMP))  # margins count up to it


@dataclass(frozen=True)
class Pixels:
    """Weighted pixels of I images.

    Attributes:
        z: (N, C) float64, one logit for two classes, or K of K classes.
        labels: (N,) int64, classes 0 to K - 1.
        weights: (N,) float64, how many pixels each stands for.
        images: (N,) int64 in 0 to I - 1, the image of each.
        features: (I, 4) float64, `FEATURES` of each image, from all of its pixels.
    """

    z: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    images: np.ndarray
    features: np.ndarray

    @property
    def number(self) -> int:
        """I."""
        return len(self.features)

    @property
    def classes(self) -> int:
        """K."""
        return max(2, self.z.shape[1])

    @cached_property
    def of_images(self) -> np.ndarray:
        """(N, 4) the features of each pixel's image."""
        return self.features[self.images]

    def take(self, images: np.ndarray) -> Pixels:
        """The pixels of the selected images, (I,) bool."""
        rows = images[self.images]
        new = np.cumsum(images) - 1
        columns = (self.z[rows], self.labels[rows], self.weights[rows], new[self.images[rows]])
        return Pixels(*columns, self.features[images])

    def weighted(self, total: float) -> Pixels:
        """Return the pixels with weights that sum to `total`, for a group of images whose share is fixed."""
        return replace(self, weights=self.weights * (total / self.weights.sum()))

    def grouped(self) -> Pixels:
        """Merge pixels of one image and label whose logits share a cell, at their mean logit.

        Cells are 1/64 wide and end where a bin of histogram binning does. For 8-bit maps no two values share a cell, so
        nothing changes. For finer maps an NLL of 20,000 pixels or more moves by less than a factor 1e-4. Pixels of K
        classes are not merged.
        """
        return self._grouped(self.images, self.features) if self.z.shape[1] == 1 else self

    def pooled(self) -> Pixels:
        """Return the pixels of all images as one image without features, for calibrators of single pixels."""
        images, features = np.zeros_like(self.images), np.full((1, len(FEATURES)), np.nan)
        return (
            self._grouped(images, features) if self.z.shape[1] == 1 else replace(self, images=images, features=features)
        )

    def _grouped(self, images: np.ndarray, features: np.ndarray) -> Pixels:
        z = self.z[:, 0]
        cells = np.rint(z / CELL).astype(np.int64) + bins_of(z)  # both rise with z: no two pairs have the same sum
        low, span = cells.min(initial=0), np.ptp(cells) + 1 if len(cells) else 1
        _, first, inverse = np.unique(images * span + cells - low, return_index=True, return_inverse=True)
        weights = np.bincount(inverse, self.weights)
        # The mean of both labels, so that no calibrator can tell them apart, and exactly z where all are the same.
        off = np.bincount(inverse, self.weights * (z - z[first][inverse])) / np.where(weights > 0, weights, 1)
        k = max(2, self.labels.max(initial=0) + 1)
        key, row = np.unique(inverse * k + self.labels, return_inverse=True)
        cell = key // k
        mean = (z[first] + off)[cell]
        return Pixels(mean[:, None], key % k, np.bincount(row, self.weights), images[first][cell], features)


def bins_of(z: np.ndarray) -> np.ndarray:
    """The number of the left-closed bin of f, of ten, that each logit lies in. Levels of 8-bit maps lie on edges, such
    as 51/255: 1e-9 keeps them right of the edge however f is rounded."""
    return np.minimum((expit(z) * BINS + 1e-9).astype(np.int64), BINS - 1)


def joined(parts: Sequence[Pixels]) -> Pixels:
    """The pixels of several images or groups of images as one."""
    starts = np.cumsum([0, *(part.number for part in parts[:-1])])
    images = [part.images + start for part, start in zip(parts, starts, strict=True)]
    z, labels, weights, features = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("z", "labels", "weights", "features")
    )
    return Pixels(z, labels, weights, np.concatenate(images), features)


def image_pixels(z: np.ndarray, truth: np.ndarray, chosen: np.ndarray | None = None) -> Pixels:
    """The valid pixels of one image.

    Args:
        z: (C, H, W) logits.
        truth: (H, W) integers: classes 0 to K - 1; pixels of other values do not count.
        chosen: indices into the valid pixels; each chosen pixel then stands for an equal share. None for all.
    """
    flat, y = z.reshape(len(z), -1), truth.reshape(-1)
    valid = np.flatnonzero(y < max(2, len(z)))
    rows = valid if chosen is None else valid[chosen]
    weights = np.full(len(rows), len(valid) / max(1, len(rows)))
    labels = y[rows].astype(np.int64)
    features = image_features(z)[None]
    return Pixels(flat[:, rows].T.astype(np.float64), labels, weights, np.zeros(len(rows), np.int64), features)


def image_features(z: np.ndarray) -> np.ndarray:
    """`FEATURES` of an image's logits (C, H, W), (4,) float64.

    Entropy: mean entropy of the predicted distribution, in nats. Foreground: share of pixels whose class is the object.
    Margin: mean of m = K / (K - 1) (max_k log f_k - mean_k log f_k) with f clamped, for one logit mean abs(z). Peak:
    the logit that a hundredth of the pixels reach, so how sure it is that there is an object at all. Of K classes
    foreground and peak are undefined, NaN.
    """
    z = z.reshape(len(z), -1).astype(np.float64)
    if len(z) == 1:
        entropy = -(expit(z) * log_expit(z) + expit(-z) * log_expit(-z))
        clamped = z[0].clip(-LARGEST, LARGEST)
        hundredth = len(clamped) - 1 - len(clamped) // 100
        peak = np.partition(clamped, hundredth)[hundredth]
        return np.array([entropy.mean(), (z >= 0).mean(), np.abs(clamped).mean(), peak])
    log_f = log_softmax(z, axis=0)
    entropy = -(np.exp(log_f) * log_f).sum(axis=0)
    clamped = log_f.clip(np.log(CLAMP), np.log1p(-CLAMP))
    margin = len(z) / (len(z) - 1) * (clamped.max(axis=0) - clamped.mean(axis=0))
    return np.array([entropy.mean(), np.nan, margin.mean(), np.nan])


def log_odds(probability: np.ndarray) -> np.ndarray:
    """The logits of a saved map: (H, W) -> (1, H, W), (2, H, W) -> (1, H, W) of its second plane, else (K, H, W) ->
    log f_k, float64.

    A probability is known no better than it was stored: 0 and 1 of an 8-bit or 16-bit map stand half a level from the
    end, at 1/510 or 1/131070, those of a float map at 1e-7. (An 8-bit 0 read as 1e-7 would have a logit of -16, and the
    next level one of -5.5.)

    Args:
        probability: uint8 (v / 255), uint16 (v / 65535), or floats in [0, 1].
    """
    if probability.dtype.kind == "u":
        top = np.iinfo(probability.dtype).max
        f, least = probability / top, 0.5 / top
    else:
        f, least = probability.astype(np.float64), CLAMP
    if f.ndim == 3 and len(f) > 2:
        return log_softmax(np.log(f.clip(least, 1)), axis=0)
    f = f.clip(least, 1 - least)
    return np.log(f[1:]) - np.log(f[:1]) if f.ndim == 3 else (np.log(f) - np.log1p(-f))[None]
