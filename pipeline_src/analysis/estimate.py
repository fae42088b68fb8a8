"""Effects with confidence intervals: a metric of one method, or a weighted sum over several, paired
by seed and image.

An interval has two parts, image sampling and training variance. They are combined by MOVER (Zou and
Donner, Statistics in Medicine 2008): distances of a limit from the value add in squares. The first
part is a bootstrap interval over images of the mean over seeds. The second is t s / sqrt(S) with s
the standard deviation of the effect over S seeds and t of S - 1 degrees of freedom. With one seed
there is no second part, and the interval speaks of these networks only. `benchmarks/intervals`
measures how often equal methods are called different.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline_src.analysis.intervals import (
    LEVEL,
    NAN,
    NORMAL,
    error_interval,
    interval,
    students_t,
    within,
)
from pipeline_src.analysis.measurement import COMPARED, Measurement
from pipeline_src.metrics.registry import METRICS

LOWER, HIGHER = "lower", "higher"
# With so many seeds the interval of a difference of calibration errors decides by itself: their
# spread widens it where resampling images misleads (benchmarks/intervals).
DECISIVE_SEEDS = 3

NO_DIFFERENCE = 1e-5  # of methods on an image: less than what is printed
MOST_SEEDS, MOST_IMAGES = (
    50,
    100,
)  # that `needed_sample` tries; images as a multiple of those that were evaluated


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Attributes:
        by_seed: seed -> value.
        image_low, image_high: ends of the 95 % interval over images of the mean over seeds; NaN
            where undefined.
        resampled: (R,) the mean over seeds on resamples of the images; empty where it is not known.
        decided: the difference of the deciding metric (`Metric.decided_by`), for fewer than
            `DECISIVE_SEEDS` seeds. Near 0 the interval of an error covers the true value too
            rarely, so `low` and `high` are NaN. Equal errors can have different squares: methods
            differ only where both intervals exclude 0.
        reference: the subtracted value, of a difference.
        units: number of resampled images, or groups of images; 0 where it is not known.
        range: least and largest possible value, where intervals end.
    """

    by_seed: Mapping[int, float]
    image_low: float
    image_high: float
    resampled: np.ndarray = field(default_factory=lambda: np.empty(0), compare=False)
    decided: Estimate | None = None
    reference: float = math.nan
    units: int = 0
    range: tuple[float, float] = (-math.inf, math.inf)

    @property
    def value(self) -> float:
        """The mean over seeds."""
        return sum(self.by_seed.values()) / len(self.by_seed)

    @property
    def sd(self) -> float:
        """Sample standard deviation over seeds; NaN with one."""
        return sample_sd(list(self.by_seed.values()))

    @property
    def training_error(self) -> float:
        """Standard error of the mean over seeds, from their standard deviation; 0 with one seed."""
        seeds = len(self.by_seed)
        return self.sd / math.sqrt(seeds) if seeds > 1 else 0.0

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the limits of the interval that holds the true value in a share `level` of cases."""
        tail = (1 + level) / 2
        # An interval over images at another level, as if it were normal.
        scale = NORMAL.inv_cdf(tail) / NORMAL.inv_cdf((1 + LEVEL) / 2)
        training = (
            students_t(len(self.by_seed), tail) * self.training_error
            if len(self.by_seed) > 1
            else 0.0
        )
        below, above = (
            math.hypot(scale * (self.value - end), training)
            for end in (self.image_low, self.image_high)
        )
        return within((float(self.value - below), float(self.value + above)), self.range)

    @property
    def low(self) -> float:
        """Lower limit of the 95 % interval that is printed; NaN where another metric decides."""
        return math.nan if self.decided else self.interval()[0]

    @property
    def high(self) -> float:
        """Upper limit of the 95 % interval that is printed; NaN where another metric decides."""
        return math.nan if self.decided else self.interval()[1]

    @property
    def excludes_zero(self) -> bool:
        """Whether the 95 % interval excludes 0, and the interval of a deciding metric (`decided`) on the same side."""
        low, high = self.interval()
        agrees = not self.decided or (
            self.decided.excludes_zero and self.decided.value * self.value > 0
        )
        return agrees and (low > 0 or high < 0)

    @property
    def direction(self) -> str:
        """LOWER or HIGHER than 0 where the 95 % interval excludes it; empty elsewhere."""
        if not self.excludes_zero:
            return ""
        return LOWER if self.value < 0 else HIGHER


def sample_sd(values: Sequence[float] | np.ndarray) -> float:
    """Return the sample standard deviation; NaN of fewer than two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


UNDEFINED_ESTIMATE = Estimate({0: math.nan}, *NAN)


def estimate(metric: str, *terms: tuple[Measurement, float]) -> Estimate | None:
    """Return the weighted sum of a metric over (measurement, weight) terms, averaged over the seeds
    that all have; None where the measurements have no seed in common or one lacks the metric.
    """
    measured, decided_by = [run for run, _ in terms], METRICS[metric].decided_by
    seeds = common_seeds(measured)
    if not seeds or not all(metric in run.points for run in measured):
        return None
    low, high = METRICS[metric].range
    ends = [sorted((weight * low, weight * high)) for _, weight in terms if weight]
    limits = sum(end for end, _ in ends), sum(end for _, end in ends)
    plain = replace(_estimate(metric, terms, seeds), range=limits)
    if not decided_by or not all(
        decided_by in run.points for run in measured
    ):  # of one image: nothing decides
        return plain
    # A twofold error is a fourfold square.
    decided = _estimate(
        decided_by, [(run, math.copysign(weight**2, weight)) for run, weight in terms], seeds
    )
    if all(weight >= 0 for _, weight in terms):
        ends, square_ends = ((effect.image_low, effect.image_high) for effect in (plain, decided))
        low, high = error_interval(plain.value, ends, square_ends)
        return replace(plain, image_low=low, image_high=high)
    if len(seeds) >= DECISIVE_SEEDS:
        return plain
    return replace(plain, decided=decided)


def _estimate(
    metric: str, terms: Sequence[tuple[Measurement, float]], seeds: Sequence[int]
) -> Estimate:
    points = [weight * run.of_seeds(run.points[metric], seeds) for run, weight in terms]
    values = [weight * run.of_seeds(run.values[metric], seeds) for run, weight in terms]
    seed_values, resampled = np.sum(points, axis=0), np.sum(values, axis=0).mean(axis=0)
    subtracted = [
        values.mean() for values, (_, weight) in zip(points, terms, strict=True) if weight < 0
    ]
    by_seed = dict(zip(seeds, seed_values.tolist(), strict=True))
    units = min(
        run.units for run, _ in terms
    )  # several datasets count as if all were as small as the smallest
    limits = interval(float(seed_values.mean()), resampled, units) or NAN
    return Estimate(by_seed, *limits, resampled, reference=float(-sum(subtracted)), units=units)


def effective_units(
    effect: Estimate, metric: str, first: Measurement, second: Measurement
) -> float:
    """Return (sum |d|)^2 / sum d^2 of the differences d by image, or by group, behind the `effect`
    first - second.

    It is the number of units if all differ equally, or none does, and about 1 if a single one does.
    For metrics that are no means, d are the jackknife's pseudo-values.
    """
    sides = [run.of_seeds(run.arrays["left_out"], list(effect.by_seed)) for run in (first, second)]
    left_out = (sides[0] - sides[1]).mean(axis=0)[COMPARED.index(metric)]
    units = len(left_out)
    differences = np.abs(units * effect.value - (units - 1) * left_out) + NO_DIFFERENCE
    return float(differences.sum() ** 2 / (differences**2).sum())


def joint_level(effects: Sequence[Estimate]) -> float:
    """Return the level at which several intervals hold together in 95 % of cases; it is at most
    Sidak's.

    With one seed it follows from the largest abs(t) over the effects on resamples of the same
    images (Romano and Wolf, Econometrica 2005). With several seeds it is Sidak's, because a few
    seeds do not tell how networks of different methods depend on each other (benchmarks/intervals).
    """
    sidak = math.pow(LEVEL, 1 / max(1, len(effects)))
    number = min((len(effect.resampled) for effect in effects), default=0)
    if not number or any(effect.training_error for effect in effects):
        return sidak
    resampled = np.array([effect.resampled[:number] for effect in effects])
    resampled -= resampled.mean(axis=1, keepdims=True)
    varied = resampled[resampled.std(axis=1) > 0]
    if not len(varied):
        return LEVEL
    largest = np.abs(varied / varied.std(axis=1, keepdims=True)).max(axis=0)
    return float(np.clip(2 * NORMAL.cdf(float(np.quantile(largest, LEVEL))) - 1, LEVEL, sidak))


def common_seeds(measured: Sequence[Measurement]) -> list[int]:
    """Return the seeds that all measurements have; a run of all seeds together goes with any seed."""
    single = [set(run.seeds) for run in measured if not run.of_all_seeds]
    return sorted(set.intersection(*single)) if single else list(measured[0].seeds)


def or_none(value: float) -> float | None:
    """Return a number for JSON: None for NaN, which JSON lacks."""
    return None if math.isnan(value) else value


def needed_sample(
    effect: Estimate, distance: float, level: float = LEVEL
) -> tuple[int | None, float | None]:
    """Return the sample that would narrow the interval of an effect to `distance` on either side.

    Returns:
        The fewest seeds with these images (None with one seed, whose variance is not known), and
        the least multiple of the images with these seeds; None above `MOST_SEEDS` and
        `MOST_IMAGES`.
    """
    tail, seeds = (1 + level) / 2, len(effect.by_seed)
    scale = NORMAL.inv_cdf(tail) / NORMAL.inv_cdf((1 + LEVEL) / 2)
    width = scale * max(effect.image_high - effect.value, effect.value - effect.image_low)

    def narrow(number: int, factor: float) -> bool:
        training = students_t(number, tail) * effect.sd / math.sqrt(number) if number > 1 else 0.0
        return math.hypot(width / math.sqrt(factor), training) < distance

    more_seeds = (
        number for number in range(seeds + 1, MOST_SEEDS + 1) if seeds > 1 and narrow(number, 1)
    )
    more_images = (
        step / 10 for step in range(11, 10 * MOST_IMAGES + 1) if narrow(seeds, step / 10)
    )
    return next(more_seeds, None), next(more_images, None)
