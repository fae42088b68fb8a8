"""The pixels of validation images that calibrators are fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax

from pipeline_src.counting.levels import CLAMP

BINS = 10  # of histogram binning
CELL = (
    1 / 64
)  # of a logit; neighboring 8-bit probabilities are further apart (at 0.5: 2 log(128/127) = 1/63.75)


@dataclass(frozen=True)
class Pixels:
    """Weighted pixels of I images.

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

    def take(self, images: np.ndarray) -> Pixels:
        """Return the pixels of the selected images, (I,) bool."""
        rows = images[self.images]
        numbers = np.cumsum(images) - 1
        columns = (self.z[rows], self.labels[rows], self.weights[rows], numbers[self.images[rows]])
        return Pixels(*columns, self.entropy[images])

    def pooled(self) -> Pixels:
        """Return the pixels of all images as one image, for calibrators of single pixels."""
        pooled = replace(self, images=np.zeros_like(self.images), entropy=np.array([np.nan]))
        return pooled.grouped()

    def grouped(self) -> Pixels:
        """Merge pixels of one image and label whose logits share a cell, at their mean logit.

        Cells are 1/64 wide and end where a bin of histogram binning does. For 8-bit maps no two
        values share a cell, so nothing changes. For finer maps an NLL of 20,000 or more pixels
        moves by under 0.01 %. K classes stay unmerged.
        """
        if self.z.shape[1] > 1:
            return self
        z = self.z[:, 0]
        cells = np.rint(z / CELL).astype(np.int64) + bin_numbers(
            z
        )  # both rise with z: no two pairs have the same sum
        low, span = cells.min(initial=0), np.ptp(cells) + 1 if len(cells) else 1
        _, first, inverse = np.unique(
            self.images * span + cells - low, return_index=True, return_inverse=True
        )
        weights = np.bincount(inverse, self.weights)
        # The mean of both labels, which no calibrator can tell apart; exactly z where all are
        # equal.
        off = np.bincount(inverse, self.weights * (z - z[first][inverse])) / np.where(
            weights > 0, weights, 1
        )
        key, row = np.unique(inverse * 2 + self.labels, return_inverse=True)
        cell = key // 2
        mean = (z[first] + off)[cell]
        return Pixels(
            mean[:, None],
            key % 2,
            np.bincount(row, self.weights),
            self.images[first][cell],
            self.entropy,
        )


def bin_numbers(z: np.ndarray) -> np.ndarray:
    """Return the number of the left-closed bin of f, of ten, that each logit lies in.

    Levels of 8-bit maps lie on edges, such as 51/255: 1e-9 keeps them right of the edge however f
    is rounded.
    """
    return np.asarray((expit(z) * BINS + 1e-9).astype(np.int64)).clip(max=BINS - 1)


def joined(parts: Sequence[Pixels]) -> Pixels:
    """Return the pixels of several images or groups of images as one."""
    starts = np.cumsum([0, *(part.number for part in parts[:-1])])
    images = [part.images + start for part, start in zip(parts, starts, strict=True)]
    z, labels, weights, entropy = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("z", "labels", "weights", "entropy")
    )
    return Pixels(z, labels, weights, np.concatenate(images), entropy)


def image_pixels(z: np.ndarray, truth: np.ndarray, chosen: np.ndarray | None = None) -> Pixels:
    """Return the valid pixels of one image.

    Args:
        z: (C, H, W) logits.
        truth: (H, W) integers: classes 0 to K - 1; pixels of other values do not count.
        chosen: indices into the valid pixels; each chosen pixel then stands for an equal share.
            None for all.
    """
    flat, y = z.reshape(len(z), -1), truth.reshape(-1)
    valid = np.flatnonzero(y < max(2, len(z)))
    rows = valid if chosen is None else valid[chosen]
    weights = np.full(len(rows), len(valid) / max(1, len(rows)))
    columns = (
        flat[:, rows].T.astype(np.float64),
        y[rows].astype(np.int64),
        weights,
        np.zeros(len(rows), np.int64),
    )
    return Pixels(*columns, np.array([mean_entropy(z)]))


def to_probabilities(z: np.ndarray) -> np.ndarray:
    """Return the probabilities (N, C) of logits (N, C): the sigmoid of a single logit, else the softmax."""
    return np.asarray(expit(z) if z.shape[1] == 1 else softmax(z, axis=1))


def mean_entropy(z: np.ndarray) -> float:
    """Return the mean entropy, in nats, of the predictions for an image, from its logits (C, H, W)."""
    z = z.reshape(len(z), -1).astype(np.float64)
    if len(z) == 1:
        return float(-(expit(z) * log_expit(z) + expit(-z) * log_expit(-z)).mean())
    log_f = log_softmax(z, axis=0)
    return float(-(np.exp(log_f) * log_f).sum(axis=0).mean())


def least_probability(kind: np.dtype[Any]) -> float:
    """Return the probability that 0 stands for in maps of a type: half a level, of floats 1e-7."""
    return 0.5 / np.iinfo(kind).max if kind.kind == "u" else CLAMP


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
    if f.ndim == 3 and len(f) > 2:
        return np.asarray(log_softmax(np.log(f.clip(least, 1)), axis=0))
    f = f.clip(least, 1 - least)
    return np.log(f[1:]) - np.log(f[:1]) if f.ndim == 3 else (np.log(f) - np.log1p(-f))[None]
