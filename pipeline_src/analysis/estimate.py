"""Effects with confidence intervals: a metric, or a weighted sum paired by seed and image.

An interval has two parts, image sampling and training variance. They are combined by MOVER (Zou and
Donner, Statistics in Medicine 2008): the squared distance of a limit from the value is the sum of
both parts' squared distances. The first part is a bootstrap interval over images of the mean over
seeds. The second is t s / sqrt(S) with s the standard deviation of the effect over S seeds and t of
S - 1 degrees of freedom. With one seed there is no second part, and the interval speaks of these
networks only. `benchmarks/intervals` measures how often equal methods are called different.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline_src.analysis.intervals import (
    FEW_GROUPS,
    LEVEL,
    NAN,
    NORMAL,
    Limits,
    error_interval,
    interval,
    students_t,
    within,
)
from pipeline_src.analysis.measurement import COMPARED, Measurement
from pipeline_src.metrics.registry import METRICS

# A measurement and its weight in a sum: 1, or -1 for a measurement that is subtracted.
Term = tuple[Measurement, float]

# The direction of a difference whose interval excludes 0.
LOWER = "lower"
HIGHER = "higher"
# With so many seeds the interval of a difference of calibration errors decides by itself: their
# spread widens it where resampling images misleads (benchmarks/intervals).
DECISIVE_SEEDS = 3
# Added to the difference on each unit in `effective_units`: differences too small to be printed
# count as equal ones.
NO_DIFFERENCE = 1e-5
# The most that `needed_sample` tries: seeds, and multiples of the images that were evaluated.
MOST_SEEDS = 50
MOST_IMAGES = 100


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Attributes:
        by_seed: seed -> value.
        image_low, image_high: ends of the 95 % interval over images of the mean over seeds; NaN
            where undefined.
        resampled: (R,) the mean over seeds on resamples of the images; empty where it is not known.
        decided: the same difference of the metric that also decides (`Metric.decided_by`: of ECE
            its debiased square); None for other metrics, and from `DECISIVE_SEEDS` seeds on.
            Resampling moves an error near 0 only upwards, so its own interval misses the true value
            too often: `low` and `high` are NaN then. Methods differ only where both intervals
            exclude 0 on the same side.
        reference: the subtracted value, of a difference.
        units: number of resampled images, or groups of images, that have the metric; 0 where it is
            not known.
        range: least and largest possible value, where intervals end.
    """

    by_seed: Mapping[int, float]
    image_low: float
    image_high: float
    resampled: np.ndarray = field(default_factory=lambda: np.empty(0), compare=False)
    decided: Estimate | None = None
    reference: float = math.nan
    units: int = 0
    range: Limits = (-math.inf, math.inf)

    @property
    def value(self) -> float:
        """The mean over seeds."""
        return sum(self.by_seed.values()) / len(self.by_seed)

    @property
    def sd(self) -> float:
        """The sample standard deviation over seeds; NaN with one seed."""
        return sample_sd(list(self.by_seed.values()))

    @property
    def training_error(self) -> float:
        """Standard error of the mean over seeds, from their standard deviation; 0 with one seed."""
        seeds = len(self.by_seed)
        return self.sd / math.sqrt(seeds) if seeds > 1 else 0.0

    def interval(self, level: float = LEVEL) -> Limits:
        """Return the limits of the confidence interval of a level, such as 0.95.

        They cover the sampling of images and, with several seeds, the variance of training.
        """
        training = 0.0
        seeds = len(self.by_seed)
        if seeds > 1:
            training = students_t(seeds, (1 + level) / 2) * self.training_error
        scale = _relative_width(level)
        below = math.hypot(scale * (self.value - self.image_low), training)
        above = math.hypot(scale * (self.value - self.image_high), training)
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
    def undecided(self) -> bool:
        """Whether the units are too few, less than `FEW_GROUPS`, to decide anything."""
        return 0 < self.units < FEW_GROUPS

    @property
    def significant(self) -> bool:
        """Whether the 95 % interval excludes 0, and the interval of `decided` on the same side."""
        low, high = self.interval()
        if self.undecided or not (low > 0 or high < 0):
            return False
        if self.decided is None:
            return True
        return self.decided.significant and self.decided.value * self.value > 0

    @property
    def direction(self) -> str:
        """LOWER or HIGHER than 0 where the estimate is `significant`; empty elsewhere."""
        if not self.significant:
            return ""
        return LOWER if self.value < 0 else HIGHER


def sample_sd(values: Sequence[float] | np.ndarray) -> float:
    """Return the sample standard deviation of values; NaN for fewer than two."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


UNDEFINED_ESTIMATE = Estimate({0: math.nan}, math.nan, math.nan)


def _relative_width(level: float) -> float:
    """Return the width of a normal interval of a level, as a multiple of that of 95 %.

    Bootstrap intervals are widened by this factor, because resamples are too few for percentiles
    that are farther out.
    """
    return NORMAL.inv_cdf((1 + level) / 2) / NORMAL.inv_cdf((1 + LEVEL) / 2)


def estimate(metric: str, *terms: Term) -> Estimate | None:
    """Return the weighted sum of a metric over terms, averaged over their common seeds.

    A difference of methods has the weights 1 and -1, and its interval is paired by image and seed.
    The result is None if the measurements have no seed in common, or one lacks the metric.
    """
    measured = [run for run, _ in terms]
    seeds = common_seeds(measured)
    if not seeds or not _all_have(metric, measured):
        return None
    plain = _weighted_sum(metric, terms, seeds)
    decided_by = METRICS[metric].decided_by
    if not decided_by or not _all_have(decided_by, measured):  # a single image has no squared error
        return plain
    # The interval of an error near 0 is too narrow, that of its debiased square is not. Twice the
    # error is four times the square, so weights are squared, and keep their sign.
    squares = [(run, weight * abs(weight)) for run, weight in terms]
    decided = _weighted_sum(decided_by, squares, seeds)
    if all(weight >= 0 for _, weight in terms):  # an error, not a difference of errors
        limits = (plain.image_low, plain.image_high)
        of_square = (decided.image_low, decided.image_high)
        low, high = error_interval(plain.value, limits, of_square)
        return replace(plain, image_low=low, image_high=high)
    if len(seeds) >= DECISIVE_SEEDS:
        return plain
    return replace(plain, decided=decided)


def _all_have(metric: str, measured: Sequence[Measurement]) -> bool:
    """Return whether a metric is defined in all measurements."""
    return all(metric in run.points for run in measured)


def _weighted_sum(metric: str, terms: Sequence[Term], seeds: Sequence[int]) -> Estimate:
    """Return the weighted sum of one metric over terms, with the interval of this metric.

    Args:
        seeds: the seeds that all terms have.
    """
    by_seed: np.ndarray = np.zeros(len(seeds))
    values: np.ndarray = np.zeros(1)  # (S, R)
    reference = 0.0
    lowest = 0.0
    highest = 0.0
    for run, weight in terms:
        points = weight * run.of_seeds(run.points[metric], seeds)
        by_seed = by_seed + points
        values = values + weight * run.of_seeds(run.values[metric], seeds)
        if weight < 0:
            reference -= float(points.mean())
        if weight != 0:  # 0 times an infinite limit is NaN
            limits = [weight * limit for limit in METRICS[metric].range]
            lowest += min(limits)
            highest += max(limits)
    resampled = values.mean(axis=0)
    # Of several datasets the smallest number, to be careful.
    units = min(run.present.get(metric, run.units) for run, _ in terms)
    low, high = interval(float(by_seed.mean()), resampled, units) or NAN
    return Estimate(
        by_seed=dict(zip(seeds, by_seed.tolist(), strict=True)),
        image_low=low,
        image_high=high,
        resampled=resampled,
        reference=reference,
        units=units,
        range=(lowest, highest),
    )


def effective_units(
    effect: Estimate, metric: str, first: Measurement, second: Measurement
) -> float:
    """Return how many units carry the difference `effect`, of two methods: first - second.

    A unit is an image, or a group of images. With the difference d of each unit the result is
    (sum |d|)^2 / sum d^2: the number of units if all differ equally, or none does, and about 1 if a
    single one does. The d are the jackknife's pseudo-values, which follow from the difference
    without the unit; for a mean they are the differences themselves.

    Args:
        metric: one of `COMPARED`.
    """
    seeds = list(effect.by_seed)
    # The difference without each unit, as a mean over seeds, (U,).
    left_out = first.of_seeds(first.arrays["left_out"], seeds)
    left_out = left_out - second.of_seeds(second.arrays["left_out"], seeds)
    left_out = left_out.mean(axis=0)[COMPARED.index(metric)]
    units = len(left_out)
    differences = np.abs(units * effect.value - (units - 1) * left_out) + NO_DIFFERENCE
    return float(differences.sum() ** 2 / (differences**2).sum())


def joint_level(effects: Sequence[Estimate], together: float = LEVEL) -> float:
    """Return the level of single intervals that hold all together at the level `together`.

    It is at most Sidak's level, together^(1/n) of n independent intervals.

    With one seed it follows from the largest abs(t) over the effects on resamples of the same
    images (Romano and Wolf, Econometrica 2005). With several seeds it is Sidak's, because a few
    seeds do not tell how networks of different methods depend on each other (benchmarks/intervals).
    """
    sidak = together ** (1 / max(1, len(effects)))
    number = min((len(effect.resampled) for effect in effects), default=0)
    if not number or any(effect.training_error for effect in effects):
        return sidak
    resampled = np.array([effect.resampled[:number] for effect in effects])
    resampled -= resampled.mean(axis=1, keepdims=True)
    varied = resampled[resampled.std(axis=1) > 0]  # an effect without variance is never outside
    if not len(varied):
        return together
    largest = np.abs(varied / varied.std(axis=1, keepdims=True)).max(axis=0)
    level = 2 * NORMAL.cdf(float(np.quantile(largest, together))) - 1
    return float(np.clip(level, together, sidak))


def common_seeds(measured: Sequence[Measurement]) -> list[int]:
    """Return the seeds that all measurements have, ascending.

    The single run of a method that uses the networks of all seeds, such as an ensemble, is compared
    with each seed of other methods, so it limits the seeds only where there are no others.
    """
    of_one_seed = [set(run.seeds) for run in measured if not run.of_all_seeds]
    if not of_one_seed:
        return list(measured[0].seeds)
    return sorted(set.intersection(*of_one_seed))


def or_none(value: float) -> float | None:
    """Return a number for JSON: None for NaN, which JSON lacks."""
    return None if math.isnan(value) else value


def needed_sample(
    effect: Estimate, distance: float, level: float
) -> tuple[int | None, float | None]:
    """Return the sample that would narrow the interval of an effect to `distance` on either side.

    Widths fall with the square roots of the numbers of images and of seeds.

    Args:
        level: of the interval.

    Returns:
        The fewest seeds with these images (None with one seed, whose variance is not known), and
        the least multiple of the images with these seeds; None above `MOST_SEEDS` and
        `MOST_IMAGES`.
    """
    seeds = len(effect.by_seed)
    farthest = max(effect.image_high - effect.value, effect.value - effect.image_low)
    width = _relative_width(level) * farthest

    def is_narrow(number: int, factor: float) -> bool:
        """Return whether so many seeds, with `factor` times the images, give a narrow interval."""
        training = 0.0
        if number > 1:
            training = students_t(number, (1 + level) / 2) * effect.sd / math.sqrt(number)
        return math.hypot(width / math.sqrt(factor), training) < distance

    # With one seed the deviation is NaN, and so no number gives a narrow interval.
    numbers = range(seeds + 1, MOST_SEEDS + 1)
    factors = [step / 10 for step in range(11, 10 * MOST_IMAGES + 1)]
    more_seeds = next((number for number in numbers if is_narrow(number, 1)), None)
    more_images = next((factor for factor in factors if is_narrow(seeds, factor)), None)
    return more_seeds, more_images
