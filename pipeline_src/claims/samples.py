"""What claims are checked by: a few metrics of every method on the same resamples of the images of a data set.

The resamples are those of `statistics.bootstrap`, with its approximation for float maps. Here only metrics are wanted
that are functions of sums over pixels in bins; an image is known by a few dozen sums, which makes all methods of an
experiment cheap to compare.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline_src.errors import UserError, listed
from pipeline_src.statistics import estimators
from pipeline_src.statistics.bootstrap import TOP, Pooled, draws
from pipeline_src.statistics.counts import COLUMNS, Counts
from pipeline_src.statistics.estimators import Bins
from pipeline_src.statistics.levels import UNIT
from pipeline_src.statistics.rows import parts as slices
from pipeline_src.statistics.statistic import PROTOCOLS, Statistic
from pipeline_src.tables.results import Results

RESAMPLES = 1000
SUMS = ("pixels", "correct", "confidence", "entropy")  # columns of the rows per image


@dataclass(frozen=True)
class Sampled:
    """A method on a data set in one protocol.

    Attributes:
        images: how many.
        seeds: S seeds, ascending.
        points: metric -> (S,), its value of each seed.
        values: metric -> (S, R), its values on R resamples of the images, the same for all seeds and methods.
        of_all_seeds: whether the one run is made of the networks of all seeds, and stands beside each of another's.
    """

    images: int
    seeds: Sequence[int]
    points: Mapping[str, np.ndarray]
    values: Mapping[str, np.ndarray]
    of_all_seeds: bool = False


Samples = Mapping[tuple[str, str, str], Sampled]  # by (protocol, method, part)


def sample(results: Results, resamples: int = RESAMPLES) -> Samples:
    """All test sets of an experiment; not the validation images, of which no claim speaks.

    Raises:
        UserError: a file is missing or is no statistic, or methods were judged on different images.
    """
    found: dict[tuple[str, str, str], Sampled] = {}
    for part in (part for part, role in results.parts.items() if role != "val"):
        expected: list[str] | None = None
        for method in results.methods:
            seeds, by_seed = results.seeds(method, part), []
            for seed in seeds:
                statistic, _ = Statistic.load(results.statistics[method, seed, part])
                expected = expected or statistic.raw.rows.ids
                _check_same(expected, statistic.raw.rows.ids, f"{method} seed {seed} on {part}")
                by_seed.append([per_image(getattr(statistic, protocol), results.bins) for protocol in PROTOCOLS])
            if seeds:
                sums = np.array(by_seed)  # (S, protocols, N, columns)
                once, often = sums.sum(axis=2), _resampled(sums, part, resamples)
                for k, protocol in enumerate(PROTOCOLS):
                    points, values = (metrics(a, results.bins) for a in (once[:, k], often[:, k]))
                    whole = method in results.of_all_seeds
                    found[protocol, method, part] = Sampled(sums.shape[2], seeds, points, values, whole)
    return found


def per_image(counts: Counts, bins: int) -> np.ndarray:
    """(N, 3 bins + 4) sums over the pixels of each image: pixels, hits and scores by bin of confidence, then `SUMS`."""
    rows = counts.rows
    total = rows.pooled().reshape(-1)
    weight = 1 / np.where(total > 0, total, 1)
    cells = np.concatenate(Pooled(counts).cells(TOP, bins), axis=1) * weight[:, None]
    columns = [COLUMNS.index(name) for name in SUMS]
    sums = np.empty((len(rows), 3 * bins + len(SUMS)))
    for part in slices(len(rows)):
        sums[part, : 3 * bins] = rows.levels[part].reshape(-1, 512) @ cells
        sums[part, 3 * bins :] = rows.table[part][:, columns]
    return sums


def metrics(sums: np.ndarray, bins: int) -> dict[str, np.ndarray]:
    """Metrics by name, shape (...), of sums over images (..., 3 bins + 4). `gap` is mean confidence minus accuracy."""
    count, hits, score = (sums[..., k * bins : (k + 1) * bins] for k in range(3))
    pixels, correct, confidence, entropy = np.moveaxis(sums[..., 3 * bins :], -1, 0)
    in_bins = Bins(count, hits, score, score - hits)
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample may hold no pixel that counts
        return {
            "ece": estimators.ece(in_bins),
            "oe": estimators.oe(in_bins),
            "gap": (confidence / UNIT - correct) / pixels,
            "accuracy": correct / pixels,
            "entropy": entropy / UNIT / pixels,
        }


def _resampled(sums: np.ndarray, part: str, resamples: int) -> np.ndarray:
    """(S, protocols, R, columns) sums over resampled images, from those per image (S, protocols, N, columns)."""
    seeds, protocols, images, columns = sums.shape
    result = np.zeros((seeds, protocols, resamples, columns))
    # Keyed by the set's name: two sets must not share draws, since claims compare them as independent.
    for rows, times in draws(images, resamples, zlib.crc32(part.encode())):
        result += times @ sums[:, :, rows]
    return result


def _check_same(expected: list[str], ids: list[str], what: str) -> None:
    if ids != expected:
        apart = sorted(set(expected) ^ set(ids))
        raise UserError(f"{what}: other images than those of the other runs there", found=listed(apart))
