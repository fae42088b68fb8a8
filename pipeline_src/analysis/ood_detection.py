"""How well confidence and entropy tell data in distribution from data out of it.

What is in distribution is the positive class and scores higher: by its confidence, or by minus its entropy. Pixels are
ranked by confidence alone: the entropy of two classes is a falling function of it, and of several classes the counts do
not hold the entropy of a pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

import numpy as np

from pipeline_src.analysis.estimate import common_seeds
from pipeline_src.analysis.measurement import IMAGE_SUMS, Measurement
from pipeline_src.analysis.resampling import draws, key_of
from pipeline_src.counting.counts import parts
from pipeline_src.counting.score_histogram import Bins
from pipeline_src.metrics import estimators
from pipeline_src.metrics.inputs import FEW
from pipeline_src.metrics.metric import FRACTION, HIGH, Quantity
from pipeline_src.metrics.ranked import by_cell

SCORES = {  # name -> what is ranked, and by what
    "confidence": "images by mean confidence",
    "entropy": "images by mean entropy",
    "pixels": "pixels by confidence",
}
KEPT_INSIDE = 0.95  # share of what is in distribution that the threshold of the false positive rate keeps
QUANTITIES = {
    "ood_auroc": Quantity(title="AUROC", heading="AUROC %", factor=100, digits=1, better=HIGH, range=FRACTION),
    "ood_aupr": Quantity(title="AUPR", heading="AUPR %", factor=100, digits=1, better=HIGH, range=FRACTION),
    "ood_fpr": Quantity(title="FPR at 95 % TPR", heading="FPR %", factor=100, digits=1, range=FRACTION),
}


def fpr(bins: Bins) -> np.ndarray:
    """Share of misses kept by the threshold that keeps `KEPT_INSIDE` of the hits, ties spread evenly."""
    hits, miss = (np.flip(counted, axis=-1) for counted in (bins.hits, bins.count - bins.hits))
    true, false = np.cumsum(hits, axis=-1), np.cumsum(miss, axis=-1)
    needed = KEPT_INSIDE * (1 - 1e-12) * true[..., -1:]  # 0.95 n can be a whole number, and its product a bit more
    cell = np.argmax(true >= needed, axis=-1)[..., None]
    within, others, before, below = (
        np.take_along_axis(counted, cell, axis=-1) for counted in (hits, miss, true - hits, false)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (needed - before) / within
        return ((below - others * (1 - share)) / false[..., -1:])[..., 0]


MEASURES: dict[str, Callable[[Bins], np.ndarray]] = {
    "ood_auroc": estimators.auc,
    "ood_aupr": estimators.ap,
    "ood_fpr": fpr,
}


def detection(score: str, inside: Mapping[str, Measurement], outside: Mapping[str, Measurement]) -> Measurement | None:
    """`QUANTITIES` of a method on data sets in distribution, taken together, against others.

    Args:
        score: of `SCORES`.
        inside, outside: data set -> the method's measurement on it.

    Returns:
        Points and values on `FEW` resamples, for which each data set is drawn by itself. None without a common seed, or
        without pixels that count.
    """
    both = [*inside.values(), *outside.values()]
    seeds = common_seeds(both)
    if not seeds or not all("confidence_cells" in measurement.arrays for measurement in both):
        return None
    of_score = _of_pixels if score == "pixels" else _of_images
    by_seed = [of_score(score, inside, outside, seed) for seed in seeds]
    return Measurement(
        seeds,
        sum(measurement.images for measurement in outside.values()),
        min(measurement.units for measurement in both),
        {name: np.array([points[name] for points, _ in by_seed]) for name in MEASURES},
        {name: np.stack([values[name] for _, values in by_seed]) for name in MEASURES},
        of_all_seeds=all(measurement.of_all_seeds for measurement in both),
    )


PointsAndValues = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]  # points, values on resamples


def _of_pixels(
    score: str, inside: Mapping[str, Measurement], outside: Mapping[str, Measurement], seed: int
) -> PointsAndValues:
    levels, cells = (
        [
            np.sum([_of_seed(measurement, array, seed) for measurement in sets.values()], axis=0)
            for sets in (inside, outside)
        ]
        for array in ("confidence", "confidence_cells")
    )
    points = _measured(*levels)
    joined, values = _measured(*(by_cell(counted) for counted in levels)), _measured(*cells)
    return points, {name: values[name] + (points[name] - joined[name]) for name in MEASURES}


def _of_images(
    score: str, inside: Mapping[str, Measurement], outside: Mapping[str, Measurement], seed: int
) -> PointsAndValues:
    sets = [*inside.items(), *outside.items()]
    scores = [_image_scores(score, _of_seed(measurement, "image_sums", seed)) for _, measurement in sets]
    scored = [~np.isnan(values) for values in scores]
    both = np.concatenate([values[images] for values, images in zip(scores, scored, strict=True)])
    every, place = np.unique(both, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(every)))
    ours = np.repeat([name in inside for name, _ in sets], [k.sum() for k in scored])[order]

    def blocks() -> Iterator[dict[str, np.ndarray]]:
        groups = [None if measurement.groups is None else measurement.groups.tobytes() for _, measurement in sets]
        of_sets = [
            _times(name, measurement.images, group) for (name, measurement), group in zip(sets, groups, strict=True)
        ]
        times = [drawn[:, images] for drawn, images in zip(of_sets, scored, strict=True)]
        for block in parts(1 + FEW, 50):  # memory does not grow with the number of resamples
            drawn = np.concatenate([of_set[block] for of_set in times], axis=1)[:, order].astype(np.float64)
            yield _measured(*(np.add.reduceat(drawn * which, starts, axis=1) for which in (ours, ~ours)))

    measured_blocks = list(blocks())
    joint = {name: np.concatenate([measured[name] for measured in measured_blocks]) for name in MEASURES}
    return {name: values[0] for name, values in joint.items()}, {name: values[1:] for name, values in joint.items()}


def _of_seed(measurement: Measurement, array: str, seed: int) -> np.ndarray:
    return measurement.of_seeds(measurement.arrays[array], [seed])[0]


def _image_scores(score: str, sums: np.ndarray) -> np.ndarray:
    """(N,) mean confidence or minus mean entropy of images, up to a factor; NaN without pixels that count."""
    pixels, of_score = (sums[:, IMAGE_SUMS.index(name)] for name in ("pixels", score))
    means = of_score / np.where(pixels > 0, pixels, np.nan)
    return -means if score == "entropy" else means


@lru_cache(maxsize=16)  # methods, seeds and scores on a data set see the same
def _times(part: str, images: int, groups: bytes | None) -> np.ndarray:
    """(1 + FEW, N) how often each image is there: once, and in each resample; NaN if all are of one group."""
    of_images = None if groups is None else np.frombuffer(groups, np.int64)
    drawn = [times for _, times in draws(images, FEW, key_of(part), of_images)]
    return np.concatenate([np.ones((1, images)), np.concatenate(drawn, axis=1)]).astype(np.float32)


def _measured(inside: np.ndarray, outside: np.ndarray) -> dict[str, np.ndarray]:
    """The measures (...) of how many are in each cell of a score, ascending: (..., K) in distribution and out of it."""
    nothing = np.zeros(1)  # scores themselves play no part
    bins = Bins(inside + outside, inside, nothing, nothing)
    return {name: measure(bins) for name, measure in MEASURES.items()}
