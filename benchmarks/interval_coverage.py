"""How often intervals hold the true value, and how often differences are found: simulated data sets of known error.

    python benchmarks/interval_coverage.py [REPETITIONS [coverage] [equal] [shapes] [floor] [together]]

An image has pixels in five bins of confidence and an accuracy of its own in each, more or less below the confidence,
that two methods share in part. The sums per image go through the functions that all results go through
(`metrics.inputs`, `analysis.estimate`). Writes all tables, or those that are named, into benchmarks/intervals/, from
where docs/metrics.md has them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
from scipy.special import ndtr
from scipy.stats import beta

from pipeline_src.analysis.estimate import Estimate, estimate, level_of_each
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.resampling import around, draws
from pipeline_src.counting.levels import UNIT
from pipeline_src.metrics.entries.calibration import OVER, SQUARED
from pipeline_src.metrics.image_inputs import PixelMeans
from pipeline_src.metrics.registry import METRICS

CONFIDENCE = np.array([0.55, 0.65, 0.75, 0.85, 0.96])
SHARE = np.array([0.03, 0.04, 0.06, 0.12, 0.75])  # of the pixels in each bin
GAP = (1, 1, 1, 1, 0.7)  # of confidence and accuracy in each bin, times the error of a method
# Two more, of one ECE: the same error in all bins, or four times as much in those of a quarter of the pixels.
SPREAD_OUT, CONCENTRATED = (1, 1, 1, 1, 1), (4, 4, 4, 4, 0)
COMMON = 0.8  # of the variance of an image's accuracy, shared by all networks
CONCENTRATION, PIXELS, RESAMPLES, BINS = 6.0, 10_000, 400, 10
IMAGES = (50, 200, 1000)
ERRORS = (
    (0.0, 0.0),
    (0.0, 0.005),
    (0.0, 0.01),
    (0.0, 0.02),
    (0.005, 0.01),
    (0.02, 0.02),
    (0.02, 0.025),
    (0.0645, 0.0645),
)
NAMES = ("ece", SQUARED, "oe", OVER, "accuracy", "brier")
COMPARISONS = 20  # of claim C8: its tasks, sets and methods
PLACES = np.linspace(-4, 4, 257)  # of an image among all, as normal quantiles: between them accuracies are interpolated


class World:
    """Images, drawn anew in each repetition, as networks of known errors see them."""

    def __init__(self, images: int, rng: np.random.Generator, names: Sequence[str] = NAMES):
        self.rng, self.images, self.names = rng, images, names
        self.pixels = np.round(
            rng.dirichlet(4 * SHARE, images) * np.exp(rng.normal(np.log(PIXELS), 0.4, (images, 1)))
        ).astype(int)
        self.common = rng.normal(size=(images, 1))
        self.draws = list(draws(images, RESAMPLES, int(rng.integers(2**32))))

    def method(self, errors: list[float], gap: Sequence[float] = GAP) -> Measurement:
        """A method with a network of each of some errors."""
        of = [self._network(error, gap) for error in errors]
        points, values = ({name: np.stack([network[k][name] for network in of]) for name in self.names} for k in (0, 1))
        return Measurement(range(len(errors)), self.images, self.images, points, values)

    def _network(self, error: float, gap: Sequence[float]) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        hits = self._hits(error, gap)
        right, wrong = hits @ (1 - CONFIDENCE) ** 2, (self.pixels - hits) @ CONFIDENCE**2
        score = self.pixels * CONFIDENCE
        empty = np.zeros((self.images, BINS // 2))  # no confidence lies below 0.5
        binned = np.concatenate([a for of in (self.pixels, hits, score) for a in (empty, of)], axis=1)
        sums = {"pixels": self.pixels.sum(1), "correct": hits.sum(1), "brier": (right + wrong) * UNIT}
        means = np.stack([sums.get(name, np.zeros(self.images)) for name in PixelMeans.names], axis=1)
        points, values, sums_of = {}, {}, {}
        for name in self.names:
            of = METRICS[name].of
            if of.family not in sums_of:
                columns = of.of_units(means if isinstance(of, PixelMeans) else binned)
                summed = sum(times @ columns[block] for block, times in self.draws)
                sums_of[of.family] = columns.sum(axis=0), summed
            of_all, summed = sums_of[of.family]
            points[name] = METRICS[name].function(*of.from_sums(of_all, BINS))
            resampled = METRICS[name].function(*of.from_sums(summed, BINS))
            values[name] = around(points[name], resampled, resampled.mean() if of.centred else points[name])
        return points, values

    def _hits(self, error: float, gap: Sequence[float]) -> np.ndarray:
        own = self.rng.normal(size=(self.images, 1))
        place = (np.sqrt(COMMON) * self.common + np.sqrt(1 - COMMON) * own)[:, 0]
        accuracy = [np.interp(place, PLACES, of_bin) for of_bin in accuracies(error, gap)]
        return self.rng.binomial(self.pixels, np.clip(np.transpose(accuracy), 0, 1))


@lru_cache(maxsize=2)
def accuracies(error: float, gap: Sequence[float]) -> np.ndarray:
    """(5, 257) accuracy in each bin of an image at each of `PLACES`."""
    mean = (CONFIDENCE - error * np.array(gap))[:, None]
    return beta.ppf(ndtr(PLACES), CONCENTRATION * mean, CONCENTRATION * (1 - mean))


def truth(error: float) -> dict[str, float]:
    """The metrics of a network of this error on all images that could be drawn."""
    gap = error * np.array(GAP)
    mean = CONFIDENCE - gap
    return {
        "ece": float(SHARE @ np.abs(gap)),
        SQUARED: float(SHARE @ gap**2),
        "oe": float(SHARE @ (CONFIDENCE * np.maximum(gap, 0))),
        OVER: float(SHARE @ np.maximum(gap, 0) ** 2),
        "accuracy": float(SHARE @ mean),
        "brier": float(SHARE @ (mean * (1 - CONFIDENCE) ** 2 + (1 - mean) * CONFIDENCE**2)),
    }


def before(metric: str, *terms: tuple[Measurement, float]) -> tuple[float, float]:
    """Percentiles over images of the mean over seeds."""
    return tuple(np.quantile(sum(weight * one.values[metric].mean(axis=0) for one, weight in terms), [0.025, 0.975]))


def holds(value: float, ends: tuple[float, float]) -> bool:
    """Whether a value lies in an interval."""
    return ends[0] - 1e-12 <= value <= ends[1] + 1e-12


def one_seed(images: int, errors: tuple[float, float], repetitions: int, rng: np.random.Generator) -> dict[str, float]:
    """Shares of repetitions: intervals that hold the true value, and differences that are found."""
    (first, second), counts = map(truth, errors), {}
    for _ in range(repetitions):
        world = World(images, rng)
        one, other = (world.method([error]) for error in errors)
        level, over = (estimate(name, (one, 1.0)) for name in ("ece", "oe"))
        difference, of_over = (estimate(name, (one, 1.0), (other, -1.0)) for name in ("ece", "oe"))
        assert level and difference and difference.decided and over and of_over and of_over.decided
        held = {
            "ECE, percentiles": holds(first["ece"], before("ece", (one, 1.0))),
            "ECE": holds(first["ece"], level.interval()),
            "ΔECE, percentiles": holds(first["ece"] - second["ece"], before("ece", (one, 1.0), (other, -1.0))),
            "Δ squared": holds(first[SQUARED] - second[SQUARED], difference.decided.interval()),
            "OE, percentiles": holds(first["oe"], before("oe", (one, 1.0))),
            "OE": holds(first["oe"], over.interval()),
            "ΔOE, percentiles": holds(first["oe"] - second["oe"], before("oe", (one, 1.0), (other, -1.0))),
            "Δ squared over": holds(first[OVER] - second[OVER], of_over.decided.interval()),
        }
        for name, title in (("accuracy", "Δ accuracy"), ("brier", "ΔBrier")):
            of = estimate(name, (one, 1.0), (other, -1.0))
            assert of
            held[title] = holds(first[name] - second[name], of.interval())
        ends = before("ece", (one, 1.0), (other, -1.0))
        held["found, percentiles"] = ends[0] > 0 or ends[1] < 0
        held["found"] = difference.excludes_zero
        for name, value in held.items():
            counts[name] = counts.get(name, 0) + value
    return {name: count / repetitions for name, count in counts.items()}


def equal_methods(images: int, error: float, spread: float, seeds: int, repetitions: int, rng) -> dict[str, float]:
    """Shares of repetitions in which two names for one method, of several seeds each, are called different."""
    counts = {"percentiles": 0, "ECE": 0, "Brier": 0}
    for _ in range(repetitions):
        world = World(images, rng)
        one, other = (world.method(list(rng.normal(error, spread, seeds))) for _ in range(2))
        ends = before("ece", (one, 1.0), (other, -1.0))
        counts["percentiles"] += ends[0] > 0 or ends[1] < 0
        for title, name in (("ECE", "ece"), ("Brier", "brier")):
            of = estimate(name, (one, 1.0), (other, -1.0))
            assert isinstance(of, Estimate)
            counts[title] += of.excludes_zero
    return {name: count / repetitions for name, count in counts.items()}


def equal_error(images: int, error: float, spread: float, seeds: int, repetitions: int, rng) -> dict[str, float]:
    """Shares of repetitions in which methods of one ECE are called different, where its shape over bins is another."""
    counts = {"square": 0, "own": 0, "both": 0}
    for _ in range(repetitions):
        world = World(images, rng, ("ece", SQUARED))
        one, other = (world.method(list(rng.normal(error, spread, seeds)), gap) for gap in (SPREAD_OUT, CONCENTRATED))
        of = estimate("ece", (one, 1.0), (other, -1.0))
        assert of and of.decided and of.own
        for name, interval in (("square", of.decided), ("own", of.own), ("both", of)):
            counts[name] += interval.excludes_zero
    return {name: count / repetitions for name, count in counts.items()}


def coverage(repetitions: int) -> Iterator[str]:
    """How often intervals hold the true value: Markdown, in shares of repetitions in percent."""
    rng = np.random.default_rng(0)
    yield f"Share in % of {repetitions} simulated data sets in which 95 % intervals hold the true value:\n"
    for number, (images, errors) in enumerate(product(IMAGES, ERRORS)):
        shares = one_seed(images, errors, repetitions, rng)
        if not number:
            head = ["images", "ECE of one, other", *shares]
            yield from (f"| {' | '.join(head)} |", f"|{'---|' * len(head)}")
        true = ", ".join(f"{100 * truth(error)['ece']:.2f}" for error in errors)
        yield f"| {images} | {true} | {' | '.join(f'{100 * share:.0f}' for share in shares.values())} |"


def equal(repetitions: int) -> Iterator[str]:
    """How often equal methods are called different: the same."""
    rng = np.random.default_rng(0)
    yield f"Two equal methods called different, by the interval of their difference, in % of {repetitions}:\n"
    yield "| images | ECE ± sd over seeds | seeds | percentiles over images | ECE | Brier |\n|---|---|---|---|---|---|"
    for images, (error, spread), seeds in product((200, 1000), ((0.03, 0.003), (0.03, 0.01), (0.005, 0.003)), (2, 3)):
        shares = equal_methods(images, error, spread, seeds, repetitions, rng)
        scale = 100 * float(SHARE @ np.array(GAP))
        cells = [images, f"{scale * error:.2f} ± {scale * spread:.2f}", seeds]
        yield f"| {' | '.join(map(str, cells))} | {' | '.join(f'{100 * share:.1f}' for share in shares.values())} |"


def shapes(repetitions: int) -> Iterator[str]:
    """How often methods of equal ECE, whose error lies in other bins, are called different: the same."""
    rng = np.random.default_rng(0)
    yield "Two methods of equal ECE, one wrong in all bins, one in those of a quarter of the pixels, called"
    yield f"different, in % of {repetitions}:\n"
    yield "| images | ECE ± sd over seeds | seeds | by the square | by its own interval | by both |"
    yield "|---|---|---|---|---|---|"
    for images, error, seeds in product((200, 1000), (0.01, 0.02, 0.03), (1, 3)):
        spread = 0.003 * (seeds > 1)
        shares = equal_error(images, error, spread, seeds, repetitions, rng)
        cells = [images, f"{100 * error:.0f} ± {100 * spread:.1f}", seeds]
        yield f"| {' | '.join(map(str, cells))} | {' | '.join(f'{100 * share:.0f}' for share in shares.values())} |"


def floor(repetitions: int) -> Iterator[str]:
    """The ECE that a calibrated network measures beside the noise floor that is printed: the same."""
    rng = np.random.default_rng(0)
    yield f"ECE in % of a calibrated network, whose true ECE is 0, means of {repetitions} simulated data sets:\n"
    yield "| images | measured | noise floor | measured below it, % of data sets |\n|---|---|---|---|"
    for images in (5, 10, 20, 50, 250, 1000):
        points = [World(images, rng, ("ece", "ece_floor")).method([0.0]).points for _ in range(repetitions)]
        ece, noise = (np.array([of[name][0] for of in points]) for name in ("ece", "ece_floor"))
        below = 100 * (ece < noise).mean()
        yield f"| {images} | {100 * ece.mean():.2f} | {100 * noise.mean():.2f} | {below:.0f} |"


def together(repetitions: int) -> Iterator[str]:
    """How often one of many comparisons of equal methods, on a data set each, speaks against them: the same."""
    rng = np.random.default_rng(0)
    yield f"One of {COMPARISONS} differences of equal methods called worse (one-sided), in % of {repetitions}:\n"
    yield "| images | metric | each by its own 95 % interval | by intervals that hold together |\n|---|---|---|---|"
    for images, metric in product((50, 200), ("accuracy", "brier")):
        counts = np.zeros(2)
        for _ in range(repetitions):
            worlds = [World(images, rng, (metric,)) for _ in range(COMPARISONS)]
            pairs = [[world.method([0.03]) for _ in range(2)] for world in worlds]
            effects = [estimate(metric, (one, 1.0), (other, -1.0)) for one, other in pairs]
            level = level_of_each(effects)
            counts += [any(of.low > 0 for of in effects), any(of.interval(level)[0] > 0 for of in effects)]
        yield f"| {images} | {METRICS[metric].title} | {' | '.join(f'{100 * of:.1f}' for of in counts / repetitions)} |"


def main(repetitions: int, names: Sequence[str]) -> None:
    for table in (coverage, equal, shapes, floor, together):
        if not names or table.__name__ in names:
            lines = []
            for line in table(repetitions):
                print(line, flush=True)
                lines.append(line)
            file = Path(__file__).parent / "intervals" / f"{table.__name__}.md"
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500, sys.argv[2:])
