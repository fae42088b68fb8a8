"""How well confidence and entropy tell data in distribution from data out of it.

What is in distribution is the positive class and scores higher: by its confidence, or by minus its entropy. Pixels are
ranked only by confidence: the entropy of two classes is a falling function of it, and of several classes the counts do
not hold the entropy of a pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from pipeline_src.analysis.estimate import common_seeds
from pipeline_src.analysis.measurement import IMAGE_SUMS, Measurement
from pipeline_src.analysis.resampling import draws, key_of
from pipeline_src.counting.rows import parts
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
    cell_hits, cell_misses, hits_above, misses_up_to = (
        np.take_along_axis(counted, cell, axis=-1) for counted in (hits, miss, true - hits, false)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (needed - hits_above) / cell_hits
        return np.divide(misses_up_to - cell_misses * (1 - share), false[..., -1:])[..., 0]


MEASURES: dict[str, Callable[[Bins], np.ndarray]] = {
    "ood_auroc": estimators.auc,
    "ood_aupr": estimators.ap,
    "ood_fpr": fpr,
}


Sets = Mapping[str, Measurement]  # dataset -> the method's measurement on it
PointsAndValues = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]  # points, values on resamples


def detection(score: str, inside: Sets, outside: Sets) -> Measurement | None:
    """`QUANTITIES` of a method on datasets in distribution, taken together, against others, on `FEW` resamples.

    Each dataset is resampled by itself. None without a common seed, or without pixels that count.

    Args:
        score: of `SCORES`.
    """
    both = [*inside.values(), *outside.values()]
    seeds = common_seeds(both)
    if not seeds or not all("confidence_cells" in measurement.arrays for measurement in both):
        return None
    detect = _detect_pixels if score == "pixels" else _detect_images
    by_seed = [detect(score, inside, outside, seed) for seed in seeds]
    return Measurement(
        seeds,
        sum(measurement.images for measurement in outside.values()),
        min(measurement.units for measurement in both),
        {name: np.array([points[name] for points, _ in by_seed]) for name in MEASURES},
        {name: np.stack([values[name] for _, values in by_seed]) for name in MEASURES},
        of_all_seeds=all(measurement.of_all_seeds for measurement in both),
    )


def _detect_pixels(score: str, inside: Sets, outside: Sets, seed: int) -> PointsAndValues:
    def added(array: str) -> list[np.ndarray]:
        return [np.sum([_array(run, array, seed) for run in sets.values()], axis=0) for sets in (inside, outside)]

    levels = added("confidence")
    points, values = _measures(*levels), _measures(*added("confidence_cells"))
    joined = _measures(*map(by_cell, levels))
    return points, {name: values[name] + (points[name] - joined[name]) for name in MEASURES}


def _detect_images(score: str, inside: Sets, outside: Sets, seed: int) -> PointsAndValues:
    scores, times, positive = [], [], []
    for name, run in [*inside.items(), *outside.items()]:
        values = _image_scores(score, _array(run, "image_sums", seed))
        scored = ~np.isnan(values)
        scores.append(values[scored])
        times.append(_times(name, run.images, None if run.groups is None else run.groups.tobytes())[:, scored])
        positive.append(np.full(scored.sum(), name in inside))
    every, place = np.unique(np.concatenate(scores), return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts, ours = np.searchsorted(place[order], np.arange(len(every))), np.concatenate(positive)[order]
    blocks = []
    for block in parts(1 + FEW, 50):  # memory does not grow with the number of resamples
        drawn = np.concatenate([by_set[block] for by_set in times], axis=1)[:, order].astype(np.float64)
        blocks.append(_measures(*(np.add.reduceat(drawn * chosen, starts, axis=1) for chosen in (ours, ~ours))))
    joint = {name: np.concatenate([measured[name] for measured in blocks]) for name in MEASURES}
    return {name: values[0] for name, values in joint.items()}, {name: values[1:] for name, values in joint.items()}


def _array(measurement: Measurement, name: str, seed: int) -> np.ndarray:
    array: np.ndarray = measurement.of_seeds(measurement.arrays[name], [seed])[0]
    return array


def _image_scores(score: str, sums: np.ndarray) -> np.ndarray:
    """(N,) mean confidence or minus mean entropy of images, up to a factor; NaN without pixels that count."""
    pixels, total = (sums[:, IMAGE_SUMS.index(name)] for name in ("pixels", score))
    means = total / np.where(pixels > 0, pixels, np.nan)
    return -means if score == "entropy" else means


@lru_cache(maxsize=16)  # methods, seeds and scores on a data set see the same
def _times(part: str, images: int, groups: bytes | None) -> np.ndarray:
    """(1 + FEW, N) how often each image is there: once, and in each resample; NaN if all are of one group."""
    image_groups = None if groups is None else np.frombuffer(groups, np.int64)
    drawn = [times for _, times in draws(images, FEW, key_of(part), image_groups)]
    return np.concatenate([np.ones((1, images)), np.concatenate(drawn, axis=1)]).astype(np.float32)


def _measures(inside: np.ndarray, outside: np.ndarray) -> dict[str, np.ndarray]:
    """The measures (...) of how many are in each cell of a score, ascending: (..., K) in distribution and out of it."""
    nothing = np.zeros(1)  # scores themselves play no part
    bins = Bins(inside + outside, inside, nothing, nothing)
    return {name: measure(bins) for name, measure in MEASURES.items()}
