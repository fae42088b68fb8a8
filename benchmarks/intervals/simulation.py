"""How often equal methods are called different, and an ECE difference of one point is found:
simulated experiments.

    python benchmarks/intervals/simulation.py [REPETITIONS [TABLE ...]]

Writes benchmarks/intervals/simulation.txt (about 15 minutes of one core with 1,300 repetitions).

*decisions*: networks are simulated from the published counts. A network has the pixels per image
and bin of a published one, with its bin accuracies moved to a known ECE; networks of one method
differ from seed to seed. Images are drawn from the published ones and bootstrapped like them.

*joint*: several comparisons of equal methods at once, whose errors over images and over seeds are
normal, with the ratio of these errors and their correlation given.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from pipeline_src.analysis.estimate import Estimate, estimate
from pipeline_src.analysis.intervals import LEVEL, NORMAL, students_t
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.resampling import one_thread
from pipeline_src.metrics.registry import METRICS, SQUARED
from pipeline_src.publishing import published

PAGE = Path(__file__).with_suffix(".txt")
METHODS = {
    "mini_seeds": ("baseline", "slp", "aslp_mei", "aslp_mc", "aslp_cl"),
    "evidence": ("slp_mean", "mixup", "aslp_groups", "null_images"),
}
# Bins on [0.5, 1]: no confidence of the top label lies below.
BINS = 5
RESAMPLES = 200
SEEDS = (3, 5, 9)
POINT = 0.01  # the difference whose detection is measured
# Of *joint*: seed sd / image error, correlation of comparisons, number of comparisons.
RATIOS = (0.5, 2.0, 6.0)
CORRELATIONS = (0.0, 0.9)
COMPARISONS = (8,)


@dataclass(frozen=True)
class Case:
    """Two methods of one true ECE.

    Attributes:
        title: as the page names it.
        error: mean gap of confidence and accuracy, of either method.
        spread: its standard deviation over seeds.
        sign: of the second method's gap: -1 where it is underconfident by as much.
        uneven: whether the second method's gap lies in the most confident bin only.
    """

    title: str
    error: float
    spread: float
    sign: int = 1
    uneven: bool = False


CASES = (
    Case("4.5 ± 0.3", 0.045, 0.003),
    Case("2.3 ± 0.2", 0.023, 0.002),
    Case("1.6 ± 1.0", 0.016, 0.010),
    Case("0.5 ± 0.1", 0.005, 0.001),
    Case("0 ± 0.2 (near zero)", 0.0, 0.002),
    Case("0 ± 0 (zero)", 0.0, 0.0),
    Case("1.0 ± 0.3, over- and underconfident", 0.01, 0.003, sign=-1),
    Case("2.0 ± 0.3, other bins", 0.02, 0.003, uneven=True),
)


@dataclass(frozen=True)
class Population:
    """The published images as some networks see them.

    Attributes:
        count, excess: (networks, N, BINS), pixels, and summed confidence minus hits with a mean of
            0 in every bin.
        score: (networks, N, BINS), summed confidence.
    """

    count: np.ndarray
    excess: np.ndarray
    score: np.ndarray

    @classmethod
    def read(cls, part: str) -> Population:
        """Return the population of a dataset that all experiments of `METHODS` share."""
        runs = [
            (name, method, seed)
            for name, of in METHODS.items()
            for method in of
            for seed in range(3)
        ]
        tables = [
            _table(published.FOLDER / name, method, seed, part) for name, method, seed in runs
        ]
        count, hits, score = np.moveaxis(np.stack(tables), 2, 0)
        excess = score - hits
        pixels = count.sum(axis=1, keepdims=True)
        gaps = np.divide(
            excess.sum(axis=1, keepdims=True), pixels, out=np.zeros_like(pixels), where=pixels > 0
        )
        return cls(count, excess - gaps * count, score)

    def network(self, number: int, images: np.ndarray, gaps: np.ndarray) -> np.ndarray:
        """Return pixels, hits and summed confidence, (n, 3 BINS), of images by a network whose mean
        confidence exceeds its accuracy by `gaps` (BINS,); its noise is that of a published network.
        """
        count = self.count[number, images]
        score = self.score[number, images]
        return np.concatenate(
            [count, score - self.excess[number, images] - gaps * count, score], axis=1
        )


def _table(folder: Path, method: str, seed: int, part: str) -> np.ndarray:
    """Return pixels, hits and summed confidence of every image, (N, 3, BINS)."""
    publication = published.Publication.read(folder)
    counts = published.published_counts(publication, folder, part)[method, seed]()["raw"]
    columns = METRICS["ece"].input.columns(counts, 2 * BINS)
    return columns(slice(0, len(counts.images))).reshape(-1, 3, 2 * BINS)[:, :, BINS:]


def gaps_of(case: Case, error: float, share: np.ndarray, second: bool) -> np.ndarray:
    """Return the gaps by bin, (BINS,), whose mean over pixels is `error`; `share` (BINS,) is the
    share of pixels by bin. The `second` method of a case may be underconfident or uneven.
    """
    shape = (share > 0).astype(float)
    if second and case.uneven:
        shape = np.where(np.arange(BINS) == BINS - 1, 1 / share[-1], 0.0)
    return error * shape * (case.sign if second else 1)


def measurement(networks: Sequence[np.ndarray], times: np.ndarray) -> Measurement:
    """Return ECE and its square of S networks (n, 3 BINS), and on R resamples of the images, which
    draw each image `times` (R, n).
    """
    columns = np.stack([METRICS["ece"].input.terms(table) for table in networks])
    whole = columns.sum(axis=1)
    resampled = np.tensordot(times, columns, axes=(1, 1)).transpose(1, 0, 2)
    points = {}
    values = {}
    for name in ("ece", SQUARED):
        metric = METRICS[name]
        points[name] = metric.function(*metric.input.from_sums(whole, BINS))
        of_resamples = metric.function(*metric.input.from_sums(resampled, BINS))
        centers = of_resamples.mean(axis=1) if metric.input.centred else points[name]
        values[name] = of_resamples + (points[name] - centers)[:, None]
    images = times.shape[1]
    return Measurement(range(len(networks)), images, images, points, values)


def first_seeds(measured: Measurement, number: int) -> Measurement:
    """Return a measurement of its first seeds only."""
    points, values = (
        {name: rows[:number] for name, rows in of.items()}
        for of in (measured.points, measured.values)
    )
    return Measurement(range(number), measured.images, measured.units, points, values)


def verdicts(first: Measurement, second: Measurement) -> tuple[bool, bool]:
    """Return whether methods are called different by the interval of ECE, and whether they are if
    the interval of the squared error has to agree.
    """
    terms = ((first, 1.0), (second, -1.0))
    own = estimate("ece", *terms)
    square = estimate(SQUARED, *terms)
    assert own and square
    return (
        own.significant,
        own.significant and square.significant and own.value * square.value > 0,
    )


@one_thread
def decisions(
    case: Case, population: Population, repetitions: int, rng: np.random.Generator
) -> np.ndarray:
    """Return shares of repetitions, (len(SEEDS), 4): in which equal methods are called different,
    by ECE's own interval and with the squared error; in which a point more is found, by either.
    """
    counts = np.zeros((len(SEEDS), 4))
    number: int = population.count.shape[1]
    share = population.count.sum(axis=(0, 1)) / population.count.sum()
    for _ in range(repetitions):
        images = rng.integers(0, number, number)
        times = rng.multinomial(number, np.full(number, 1 / number), RESAMPLES).astype(float)
        patterns = iter(rng.permutation(len(population.count)))
        methods = []
        for second, more in ((False, 0.0), (True, 0.0), (True, POINT)):
            errors = rng.normal(case.error + more, case.spread, max(SEEDS))
            networks = [
                population.network(next(patterns), images, gaps_of(case, error, share, second))
                for error in errors
            ]
            methods.append(measurement(networks, times))
        for row, seeds in enumerate(SEEDS):
            first, second, worse = (first_seeds(of, seeds) for of in methods)
            counts[row] += [*verdicts(first, second), *verdicts(first, worse)]
    return counts / repetitions


def together(
    seeds: int, ratio: float, correlation: float, number: int, rng: np.random.Generator
) -> list[bool]:
    """Return whether one of a `number` of comparisons of equal methods is called different, for
    intervals of three levels: 95 %, Sidak's bound, the joint level.
    """

    def correlated(size: int) -> np.ndarray:
        common = rng.normal(size=(1, size))
        single = rng.normal(size=(number, size))
        return math.sqrt(correlation) * common + math.sqrt(1 - correlation) * single

    by_seed = ratio * correlated(seeds)
    image = correlated(1)
    resampled = correlated(2 * RESAMPLES)
    effects = []
    for values, error, deviations in zip(by_seed, image[:, 0], resampled, strict=True):
        shifted = dict(enumerate((values + error).tolist()))
        mean = float(values.mean() + error)
        effects.append(Estimate(shifted, mean - 1.96, mean + 1.96, mean + deviations))
    levels = (LEVEL, LEVEL ** (1 / number), joint_level(by_seed, resampled))
    return [
        any(low > 0 or high < 0 for low, high in (of.interval(level) for of in effects))
        for level in levels
    ]


def joint_level(by_seed: np.ndarray, resampled: np.ndarray) -> float:
    """Return the level at which K intervals hold jointly, by the largest abs(t) over images,
    `resampled` (K, R), and seeds, `by_seed` (K, S).

    Means over seeds and their errors are simulated without an effect. Their correlation over the
    comparisons is that of the seeds, shrunk by 4 / (S - 1).
    """
    effects, seeds = by_seed.shape
    number = resampled.shape[1]
    rng = np.random.Generator(np.random.PCG64(0))
    deviations = (by_seed - by_seed.mean(axis=1, keepdims=True)) / math.sqrt(seeds - 1)
    shrinkage = min(1.0, 4 / (seeds - 1))
    common = np.tensordot(deviations, rng.normal(size=(seeds, number, seeds)), axes=1)
    single = by_seed.std(axis=1, ddof=1)[:, None, None] * rng.normal(size=(effects, number, seeds))
    values = math.sqrt(1 - shrinkage) * common + math.sqrt(shrinkage) * single
    images = resampled - resampled.mean(axis=1, keepdims=True)
    distances = np.abs(values.mean(axis=2) + images)
    errors = values.std(axis=2, ddof=1) / math.sqrt(seeds)
    sidak = LEVEL ** (1 / effects)
    for tail in np.geomspace((1 - LEVEL) / 2, (1 - sidak) / 2, 40):
        image_widths = NORMAL.inv_cdf(1 - tail) * images.std(axis=1)[:, None]
        widths = np.hypot(image_widths, students_t(seeds, 1 - tail) * errors)
        if (distances <= widths).all(axis=0).mean() >= LEVEL:
            return float(1 - 2 * tail)
    return sidak


def decision_rows(
    repetitions: int, cases: Sequence[Case] = CASES, seed: int = 0
) -> Iterator[list[str]]:
    """Yield the rows of the table of decisions, one per case and number of seeds."""
    rng = np.random.default_rng(seed)
    population = Population.read("DUTS-held-out")
    for case in cases:
        for seeds, shares in zip(SEEDS, decisions(case, population, repetitions, rng), strict=True):
            yield [case.title, str(seeds), *(f"{100 * share:.1f}" for share in shares)]


def repeated_rows(repetitions: int) -> Iterator[list[str]]:
    """Return the rows of the third case, nearest to 5 %: other draws, four times as many."""
    return decision_rows(4 * repetitions, CASES[2:3], seed=1)


def joint_rows(repetitions: int) -> Iterator[list[str]]:
    """Yield the rows of the table of joint intervals."""
    for place in product(SEEDS, COMPARISONS, RATIOS, CORRELATIONS):
        yield joint_row(repetitions, *place)


def joint_row(
    repetitions: int, seeds: int, number: int, ratio: float, correlation: float
) -> list[str]:
    """Return one row of the table of joint intervals, with random numbers of its own."""
    rng = np.random.default_rng([seeds, number, int(10 * ratio), int(10 * correlation)])
    counts = np.sum(
        [together(seeds, ratio, correlation, number, rng) for _ in range(repetitions)], axis=0
    )
    shares = (f"{100 * count / repetitions:.1f}" for count in counts)
    return [str(seeds), str(number), f"{ratio:g}", f"{correlation:g}", *shares]


DECISIONS = (
    "ECE of both ± sd over seeds",
    "seeds",
    "equal, own",
    "equal, both",
    "one point, own",
    "one point, both",
)
JOINT = (
    "seeds",
    "comparisons",
    "seed sd / image error",
    "correlation",
    "each by itself",
    "Sidak",
    "joint",
)
TABLES = {
    "decisions": (decision_rows, DECISIONS),
    "repeated": (repeated_rows, DECISIONS),
    "joint": (joint_rows, JOINT),
}


def main(repetitions: int, names: Sequence[str]) -> None:
    """Print the tables of these names, or all, and write them into the page."""
    for name in names or TABLES:
        rows, heads = TABLES[name]
        lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        print("\n".join(lines))
        for row in rows(repetitions):
            lines.append(f"| {' | '.join(row)} |")
            print(lines[-1], flush=True)
        write(name, lines)


def write(name: str, lines: Sequence[str]) -> None:
    """Write a table into the page, between the two comments that mark its place."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(f"<!-- table: {name} -->\n")
    _, _, after = rest.partition("<!-- end of table -->")
    text = "\n".join(lines)
    PAGE.write_text(
        f"{before}<!-- table: {name} -->\n{text}\n<!-- end of table -->{after}", encoding="utf-8"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1300, sys.argv[2:])
