"""Perturbation by region and by confidence, simulated on validation images (docs/evidence.md, "Leads").

A network that follows labels of the level s gives f - s (f - 1/2) where it gave f (docs/theory.md, section 6). So the
levels at which each band of distance to a border, or each bin of confidence, is as confident as it is accurate can be
found without a training, and tried on other images. Levels below 0 sharpen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from scipy.optimize import lsq_linear, minimize
from scipy.special import expit

EDGES = (2.0, 8.0)  # between bands, in pixels of the network's images
BANDS = len(EDGES) + 1
BINS = 10  # of confidence, from 0.5 to 1
RANGE = (-1.0, 0.98)  # at 1 no class is left


class Sample(NamedTuple):
    """Pixels of some images: logits z, labels y, weights w that sum to 1, and distances to the nearest pixel of the
    other class in the mask (`labelled`) and in the prediction (`predicted`), all (N,)."""

    z: np.ndarray
    y: np.ndarray
    w: np.ndarray
    labelled: np.ndarray
    predicted: np.ndarray


Map = Callable[[Sample], np.ndarray]  # probabilities (N,) of a sample


def distance(inside: np.ndarray, side: int) -> np.ndarray:
    """Distances (H, W) to the border of a map (H, W) bool, in pixels of the image resized to `side` x `side`.

    They are half a side at most, and where there is no border."""
    if inside.all() or not inside.any():
        return np.full(inside.shape, side / 2, np.float32)
    within, outside = (cv2.distanceTransform(of.astype(np.uint8), cv2.DIST_L2, 5) for of in (inside, ~inside))
    return np.minimum((within + outside) * (side / inside.size**0.5), side / 2)


def band(distances: np.ndarray) -> np.ndarray:
    return np.digitize(distances, EDGES)


def certainty(sample: Sample) -> np.ndarray:
    """2 c - 1 of the confidence c."""
    return np.abs(2 * expit(sample.z) - 1)


def bin_of(sample: Sample) -> np.ndarray:
    return np.minimum(certainty(sample) * BINS, BINS - 1).astype(int)


def excess(f: np.ndarray, sample: Sample) -> np.ndarray:
    """Confidence minus being right, (N,)."""
    return np.maximum(f, 1 - f) - ((f >= 0.5) == (sample.y == 1))


def total(groups: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """Sums by group of values (N,) or (N, K)."""
    columns = values[:, None] if values.ndim == 1 else values
    sums = np.stack([np.bincount(groups, column, n) for column in columns.T], axis=1)
    return sums.reshape(n, *values.shape[1:])


class Loop(NamedTuple):
    """A loop as ASLP_CL's in each of n groups of pixels: the group (N,) of each pixel of a sample, and how much (N, n)
    of each group's level a pixel has."""

    n: int
    groups: Callable[[Sample], np.ndarray]
    shares: Callable[[Sample], np.ndarray]

    def rest(self, fitted: Sample) -> np.ndarray:
        """The levels (n,) at which the loops rest, as confidence equals accuracy in each group; or the nearest ones
        within RANGE."""
        groups = self.groups(fitted)
        gaps = total(groups, fitted.w * excess(expit(fitted.z), fitted), self.n)
        slopes = total(groups, (fitted.w * certainty(fitted) / 2)[:, None] * self.shares(fitted), self.n)
        return lsq_linear(slopes, gaps, RANGE).x

    def closed(self, fitted: Sample) -> Map:
        level = self.rest(fitted)

        def perturbed(sample: Sample) -> np.ndarray:
            f = expit(sample.z)
            return (f - (self.shares(sample) @ level) * (f - 0.5)).clip(1e-7, 1 - 1e-7)

        return perturbed


def of_labelled_bands(fitted: Sample) -> Loop:
    """Levels by distance to the border of the mask. The network has to guess the band: by what it predicts, as far as
    that tells the bands of the fitted sample apart."""

    def cell(sample: Sample) -> np.ndarray:
        return band(sample.predicted) * BINS + bin_of(sample)

    together = total(cell(fitted), fitted.w[:, None] * np.eye(BANDS)[band(fitted.labelled)], BANDS * BINS)
    share = together / np.maximum(together.sum(axis=1, keepdims=True), 1e-12)
    return Loop(BANDS, lambda sample: band(sample.labelled), lambda sample: share[cell(sample)])


def between(sample: Sample) -> np.ndarray:
    """(N, BINS) shares of levels that are linear between the middles of the bins of confidence."""
    place = (certainty(sample) * BINS - 0.5).clip(0, BINS - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(BINS)))


def temperature(fitted: Sample, *features: Callable[[Sample], np.ndarray]) -> Map:
    """Temperature scaling with log T = a + sum_j b_j x_j, x_j features of a pixel."""

    def scaled(sample: Sample, of: np.ndarray) -> np.ndarray:
        log_t = of[0] + sum(b * feature(sample) for b, feature in zip(of[1:], features, strict=True))
        return sample.z * np.exp(-log_t)

    def nll(of: np.ndarray) -> float:
        return float(fitted.w @ np.logaddexp(0, np.where(fitted.y == 1, -1, 1) * scaled(fitted, of)))

    parameters = minimize(nll, np.zeros(1 + len(features)), method="BFGS").x
    return lambda sample: expit(scaled(sample, parameters))


ONE = Loop(1, lambda sample: np.zeros(len(sample.z), int), lambda sample: np.ones((len(sample.z), 1)))
OF_PREDICTED_BANDS = Loop(
    BANDS, lambda sample: band(sample.predicted), lambda sample: np.eye(BANDS)[band(sample.predicted)]
)
LOOPS: dict[str, Callable[[Sample], Loop]] = {
    "one level": lambda fitted: ONE,
    "a level per band, border of the mask": of_labelled_bands,
    "a level per band, predicted border": lambda fitted: OF_PREDICTED_BANDS,
    "a level per bin of confidence": lambda fitted: Loop(BINS, bin_of, between),
}
FITS: dict[str, Callable[[Sample], Map]] = {
    "as it is": lambda fitted: lambda sample: expit(sample.z),
    **{name: lambda fitted, of=of: of(fitted).closed(fitted) for name, of in LOOPS.items()},
    "temperature": temperature,
    "temperature by distance to the predicted border": lambda fitted: temperature(
        fitted, lambda sample: np.log1p(sample.predicted)
    ),
}
