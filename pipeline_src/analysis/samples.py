"""Metrics of every method on the same resamples of the images of a data set: for intervals and paired differences.

The resamples are those of `statistics.bootstrap`, with its approximation for float maps. Metrics come in families that
are functions of sums over images; an image is known by these sums alone, which makes all methods of an experiment cheap
to compare. Tables and claims rest on them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pipeline_src.analysis.bootstrap import Pooled, by_cell, draws
from pipeline_src.analysis.results import LIKE_ID, Results
from pipeline_src.counting.counts import COLUMNS, Counts
from pipeline_src.counting.either import Either, by_protocol, load
from pipeline_src.counting.levels import UNIT
from pipeline_src.counting.multiclass import MultiClassStatistic, class_means, class_sums
from pipeline_src.counting.rows import parts as slices
from pipeline_src.counting.statistic import Statistic
from pipeline_src.counting.whole_maps import KEPT, of_images
from pipeline_src.errors import UserError, listed
from pipeline_src.metrics import estimators
from pipeline_src.metrics.estimators import Bins
from pipeline_src.metrics.saliency import f_curve

RESAMPLES = 1000
FEW = 250  # for metrics that sort pixels, which cost ten times as much
CELLS = 204  # of confidence, in which these know the pixels
SUMS = ("pixels", "correct", "confidence", "entropy", "absolute")  # columns of the rows per image
UPPER = CELLS // 2  # of two classes no confidence lies in a cell below


@dataclass(frozen=True)
class Run:
    """A run's statistic on a data set: its counts in one protocol, and the same pooled."""

    statistic: Either
    counts: Counts

    @cached_property
    def pooled(self) -> Pooled:
        return Pooled(self.counts)

    @classmethod
    def by_protocol(cls, statistic: Either) -> dict[str, Run]:
        return {protocol: cls(statistic, counts) for protocol, counts in by_protocol(statistic).items()}


@dataclass(frozen=True)
class Family:
    """Metrics that are functions of the same sums.

    Attributes:
        columns: (run, bins) -> (N, C), what is summed over images.
        metrics: (sums (..., C), bins) -> values (...) by name.
        resamples: how many of the resamples it is worth.
        roles: of the data sets on which it is wanted.
        of: the kind of statistic that has it, if not both.
    """

    columns: Callable[[Run, int], np.ndarray]
    metrics: Callable[[np.ndarray, int], dict[str, np.ndarray]]
    resamples: int = RESAMPLES
    roles: Sequence[str] = (*LIKE_ID, "ood")
    of: type = Either


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

    def moved(self, points: Mapping[str, np.ndarray]) -> Sampled:
        """The same with points known more exactly: resampled values move by what the sums left out."""
        values = {
            name: found + (points[name] - self.points[name])[:, None] if name in points else found
            for name, found in self.values.items()
        }
        return replace(self, points={**self.points, **points}, values=values)

    def of(self, numbers: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """The rows of `numbers` (S, ...) that belong to `seeds`."""
        if self.of_all_seeds:
            return np.repeat(numbers, len(seeds), axis=0)
        return numbers[[list(self.seeds).index(seed) for seed in seeds]]


Samples = Mapping[tuple[str, str, str], Sampled]  # by (protocol, method, part)


def combined(metric: str, terms: Sequence[tuple[Sampled, float]]) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Weighted sum of a metric of several methods, paired by seed and image.

    Returns:
        the S seeds that all have, the sums (S,), and those on the resamples (S, R).
    """
    seeds = shared([sampled for sampled, _ in terms])
    points = sum(weight * s.of(s.points[metric], seeds) for s, weight in terms)
    return seeds, points, sum(weight * s.of(s.values[metric], seeds) for s, weight in terms)


def shared(found: Sequence[Sampled]) -> list[int]:
    """Seeds that all have; what is made of all seeds goes with any."""
    single = [set(s.seeds) for s in found if not s.of_all_seeds]
    return sorted(set.intersection(*single)) if single else list(found[0].seeds)


def per_image(run: Run, bins: int) -> np.ndarray:
    """(N, 3 bins + len(SUMS)) sums over the pixels of each image: pixels, hits and scores by bin of confidence, then
    `SUMS`."""
    columns = [COLUMNS.index(name) for name in SUMS]
    return np.concatenate([by_cell(run.counts, run.pooled, bins), run.counts.rows.table[:][:, columns]], axis=1)


def metrics(sums: np.ndarray, bins: int) -> dict[str, np.ndarray]:
    """Metrics by name, shape (...), of sums over images (..., 3 bins + len(SUMS)). `gap` is mean confidence minus
    accuracy."""
    count, hits, score = (sums[..., k * bins : (k + 1) * bins] for k in range(3))
    pixels, correct, confidence, entropy, absolute = np.moveaxis(sums[..., 3 * bins :], -1, 0)
    in_bins = Bins(count, hits, score, score - hits)
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample may hold no pixel that counts
        return {
            "ece": estimators.ece(in_bins),
            "oe": estimators.oe(in_bins),
            "ece_debiased": estimators.debiased(in_bins),
            "gap": (confidence / UNIT - correct) / pixels,
            "accuracy": correct / pixels,
            "entropy": entropy / UNIT / pixels,
            "mae": absolute / UNIT / pixels,
        }


def f_curves(run: Run, bins: int) -> np.ndarray:
    """(N, 257) F curve of each image, and 1; all 0 where it has no foreground."""
    levels = run.counts.rows.levels
    found = np.zeros((len(levels), 257))
    for part in slices(len(levels)):
        there = levels[part]
        foreground = there[:, :, 1].any(axis=1)
        found[part][foreground, :256] = f_curve(there[foreground])
        found[part][:, 256] = foreground
    return found


def f_measures(sums: np.ndarray, bins: int) -> dict[str, np.ndarray]:
    """max F and mean F of summed curves."""
    with np.errstate(invalid="ignore"):  # a resample may hold no foreground
        mean = sums[..., :256] / sums[..., 256:]
    return {"max_f": mean.max(axis=-1), "mean_f": mean.mean(axis=-1)}


def fine(run: Run, bins: int) -> np.ndarray:
    """(N, 3 UPPER) pixels, hits and scores of each image in the cells from 0.5 on; in all of them for K classes."""
    cells = by_cell(run.counts, run.pooled, CELLS).reshape(-1, 3, CELLS)
    return cells[:, :, 0 if run.counts.top else CELLS - UPPER :].reshape(len(cells), -1)


def sorting(sums: np.ndarray, bins: int) -> dict[str, np.ndarray]:
    """The estimators that need pixels in order, of summed cells: approximate (see `Sampled.moved`)."""
    flat = sums.reshape(-1, 3, sums.shape[-1] // 3)
    count, hits, score = (np.pad(flat[:, k], ((0, 0), (CELLS - flat.shape[-1], 0))) for k in range(3))
    cells = Bins(count, hits, score, score - hits)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = {
            "ece_equal_mass": estimators.equal_mass(cells, bins),
            "ece_sweep": estimators.sweep(cells),
            "smooth_ece": estimators.smooth(cells),
        }
    return {name: values.reshape(sums.shape[:-1]) for name, values in found.items()}


def whole(run: Run, bins: int) -> np.ndarray:
    """(N, 2 len(KEPT)) measures of whole maps, 0 where an image has none, and how many it has of each, 0 or 1."""
    found = of_images(run.counts)
    return np.concatenate([np.nan_to_num(found), ~np.isnan(found)], axis=1)


def whole_measures(sums: np.ndarray, bins: int) -> dict[str, np.ndarray]:
    """Means of these over the images that have them."""
    with np.errstate(invalid="ignore"):  # a resample may hold none
        found = sums[..., : len(KEPT)] / sums[..., len(KEPT) :]
    return dict(zip(KEPT, np.moveaxis(found, -1, 0), strict=True))


def by_class(run: Run, bins: int) -> np.ndarray:
    """(N, K (3 bins + 2)) sums of all classes in one."""
    return np.concatenate(list(class_sums(run.statistic, bins)), axis=1)


PIXELS = Family(per_image, metrics)
CURVES = Family(f_curves, f_measures, roles=LIKE_ID, of=Statistic)
WHOLE = Family(whole, whole_measures, roles=LIKE_ID, of=Statistic)
SORTING = Family(fine, sorting, FEW, roles=LIKE_ID)
CLASSES = Family(by_class, class_means, roles=LIKE_ID, of=MultiClassStatistic)


def sample(results: Results, resamples: int = RESAMPLES, families: Sequence[Family] = (PIXELS,)) -> Samples:
    """All test sets of an experiment; not the validation images, which are never reported as unseen.

    Args:
        resamples: at most so many of each family.

    Raises:
        UserError: a file is missing or is no statistic, or methods were judged on different images.
    """
    found: dict[tuple[str, str, str], Sampled] = {}
    for part in (part for part, role in results.parts.items() if role != "val"):
        wanted = [
            replace(family, resamples=min(resamples, family.resamples))
            for family in families
            if results.parts[part] in family.roles
        ]
        expected: list[str] | None = None
        for method in results.methods:
            seeds, by_seed = results.seeds(method, part), []
            for seed in seeds:
                statistic = load(results.statistics[method, seed, part])
                ids = by_protocol(statistic)["raw"].rows.ids
                expected = expected or ids
                _check_same(expected, ids, f"{method} seed {seed} on {part}")
                by_seed.append(_sampled(statistic, wanted, part, results.bins))
            for protocol in results.protocols if seeds else ():
                points, values = (
                    {name: np.array([run[protocol][k][name] for run in by_seed]) for name in by_seed[0][protocol][k]}
                    for k in range(2)
                )
                whole = method in results.of_all_seeds
                found[protocol, method, part] = Sampled(len(expected), seeds, points, values, whole)
    return found


def _sampled(statistic: Either, families: Sequence[Family], part: str, bins: int) -> dict[str, tuple[dict, dict]]:
    """Points and resampled values of a run, by protocol."""
    runs = Run.by_protocol(statistic)
    families = [family for family in families if isinstance(statistic, family.of)]
    sums = [[family.columns(run, bins) for run in runs.values()] for family in families]
    often = [[np.zeros((family.resamples, a.shape[1])) for a in of] for family, of in zip(families, sums, strict=True)]
    most = max(family.resamples for family in families)
    # Keyed by the set's name: two sets must not share draws, since they are compared as independent.
    images = len(runs["raw"].counts.rows)
    for rows, times in draws(images, most, zlib.crc32(part.encode())):
        for of, into in zip(sums, often, strict=True):
            for a, total in zip(of, into, strict=True):
                total += times[: len(total)] @ a[rows]
    found = {}
    for k, protocol in enumerate(runs):
        points, values = {}, {}
        for family, of, into in zip(families, sums, often, strict=True):
            points |= family.metrics(of[k].sum(axis=0), bins)
            values |= family.metrics(into[k], bins)
        found[protocol] = (points, values)
    return found


def _check_same(expected: list[str], ids: list[str], what: str) -> None:
    if ids != expected:
        apart = sorted(set(expected) ^ set(ids))
        raise UserError(f"{what}: other images than those of the other runs there", found=listed(apart))
