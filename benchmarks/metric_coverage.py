"""How often the interval of each metric holds the true value, by `calibration_report` on simulated images.

    python benchmarks/metric_coverage.py [REPETITIONS [metrics] [few]]

An image is 24 x 24 pixels around a disc, its labels are drawn from probabilities that are known, and some images are
harder than others. A network knows these probabilities (calibrated), takes their logits times 1.8 (over-confident), or
times a factor that goes with how hard the image is, so that some images are over-confident and others under-confident
(both). One more expects too much foreground, in images of which every second is turned over, so that its confidence is
right nevertheless: as much over-confident where it predicts foreground as under-confident elsewhere (biased). The last
one is nearly right but for a tenth of the images, where it is nearly a guess (few bad). True values are those of 20,000
images. Writes benchmarks/intervals/metrics.txt and, of few images and of groups of unequal numbers of images, which are
as hard as their group is, metrics_few.txt; or the one that is named.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
from scipy.special import expit

from pipeline_src.api import Statistic, calibration_report
from pipeline_src.metrics.registry import METRICS

SIDE, MANY, AT_ONCE = 24, 20_000, 1000
IMAGES = (50, 250)
FEW_IMAGES = (10, 20)
GROUPS, LARGEST = 30, 40  # groups, each of 1 to so many images
# Logits of the labels (N, SIDE, SIDE), how hard each image is (N, 1, 1) -> what a network says, the true probabilities
Network = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def biased(logits: np.ndarray, hard: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """f and 1 - f are as frequent, and the true probabilities of both are lower by the same."""
    turned = 1 - 2 * (np.arange(len(logits)) % 2)
    f = expit(turned[:, None, None] * logits)
    return f, f - 0.3 * f * (1 - f)


def few_bad(logits: np.ndarray, hard: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The hardest tenth of the images has labels that the network knows next to nothing of."""
    return expit(2.5 * logits), expit(np.where(hard > 1.28, 0.15, 3) * logits)


FEW_BAD = "few bad"
NETWORKS: dict[str, Network] = {
    "calibrated": lambda logits, hard: (expit(logits), expit(logits)),
    "over-confident": lambda logits, hard: (expit(1.8 * logits), expit(logits)),
    "both": lambda logits, hard: (expit(np.exp(0.8 * hard) * logits), expit(logits)),
    "biased": biased,
    FEW_BAD: few_bad,
}
OF_THE_NUMBER = ("ece_floor",)  # what a number of images measures has no true value of all images


def images(groups: np.ndarray, network: Network, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels (N, SIDE, SIDE) of images of groups (N,), those of one group equally hard."""
    number = len(groups)
    hard = rng.normal(size=(groups.max() + 1, 1, 1))[groups]
    at, radius = rng.uniform(4, SIDE - 4, (2, number, 1, 1)), rng.gamma(4, 1.5, (number, 1, 1))
    inside = radius - np.hypot(np.arange(SIDE) - at[0], np.arange(SIDE)[:, None] - at[1])
    said, true = network(inside * np.exp(-0.4 * hard) + rng.normal(size=(number, SIDE, SIDE)), hard)
    return said.astype(np.float32), rng.random(true.shape) < true


def alone(number: int) -> np.ndarray:
    """The groups of independent images."""
    return np.arange(number)


def unequal_groups(rng: np.random.Generator) -> np.ndarray:
    """The groups of images of which some groups have many."""
    return np.repeat(np.arange(GROUPS), rng.integers(1, LARGEST + 1, GROUPS))


@lru_cache
def truth(network: Network) -> dict[str, float]:
    """The metrics of very many images."""
    rng, statistic = np.random.default_rng(99), Statistic()
    for _ in range(MANY // AT_ONCE):
        statistic = statistic.update(*images(alone(AT_ONCE), network, rng))
    return dict(statistic.compute())


def shares(
    number: int | None, network: Network, true: dict[str, float], repetitions: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Metric -> share of repetitions in which its interval, where it has one, holds the true value, and in which it
    lies above 0.

    Args:
        number: of images; None for groups of them.
    """
    rng, made, held, above = np.random.default_rng(number or GROUPS), Counter[str](), Counter[str](), Counter[str]()
    for _ in range(repetitions):
        groups = alone(number) if number else unequal_groups(rng)
        maps = images(groups, network, rng)
        intervals = calibration_report(*maps, groups=None if number else groups).intervals
        made.update(intervals.keys())
        held.update({name: low <= true[name] <= high for name, (low, high) in intervals.items()})
        above.update({name: low > 0 for name, (low, _) in intervals.items()})
    names = [name for name in made if name not in OF_THE_NUMBER]
    return {name: held[name] / made[name] for name in names}, {name: above[name] / made[name] for name in names}


def metrics(repetitions: int) -> Iterator[str]:
    """All metrics of each network: Markdown, in percent; a column is printed when it is known."""
    cells: dict[str, dict[str, float]] = {}
    for (title, network), number in product(NETWORKS.items(), IMAGES):
        cells[f"{title}, {number}"], above = shares(number, network, truth(network), repetitions)
        print(f"{title}, {number} images: lowest {min(cells[f'{title}, {number}'].values()):.2f}", flush=True)
        if network is biased:
            cells[f"above 0, {number}"] = {name: of for name, of in above.items() if METRICS[name].decided_by}
    yield f"Share in % of {repetitions} simulated data sets in which the interval of each metric holds the true value"
    yield "(network, number of images; `python benchmarks/metric_coverage.py`); of the biased network also the share in"
    yield "which the interval of an error lies above 0:\n"
    yield from rows(cells)


def few(repetitions: int) -> Iterator[str]:
    """The same of few images and of unequal groups, means over the networks but the last, and the last."""
    cells: dict[str, dict[str, float]] = {}
    *usual, bad = NETWORKS.values()
    for number in (*FEW_IMAGES, None):
        title = f"{number} images" if number else f"{GROUPS} groups"
        of = [shares(number, network, truth(network), repetitions)[0] for network in usual]
        cells[title] = {name: float(np.mean([one[name] for one in of])) for name in of[0]}
        cells[f"{title}, {FEW_BAD}"], _ = shares(number, bad, truth(bad), repetitions)
        print(f"{title}: lowest {min(cells[title].values()):.2f}", flush=True)
    error = f"{100 * (0.9 * 0.1 / repetitions) ** 0.5:.0f} points"
    yield f"The same of few images, and of {GROUPS} groups of 1 to {LARGEST} images, each as hard as its group:"
    yield f"share in % of {repetitions} simulated data sets, as the first {len(usual)} networks see them (mean) and"
    yield f"as the last does ({FEW_BAD}). Where 90 % are held, a standard error is up to {error}"
    yield f"(`python benchmarks/metric_coverage.py {repetitions} few`):\n"
    yield from rows(cells)


def rows(cells: dict[str, dict[str, float]]) -> Iterator[str]:
    """A row for each metric."""
    yield f"| metric | {' | '.join(cells)} |\n|{'---|' * (len(cells) + 1)}"
    for name in next(iter(cells.values())):
        yield f"| `{name}` | {' | '.join(f'{100 * of[name]:.0f}' if name in of else '–' for of in cells.values())} |"


def main(repetitions: int | None, names: Sequence[str]) -> None:
    for table, file, usual in ((metrics, "metrics.txt", 200), (few, "metrics_few.txt", 54)):
        if not names or table.__name__ in names:
            text = "\n".join(table(repetitions or usual)) + "\n"
            print(text)
            (Path(__file__).parent / "intervals" / file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None, sys.argv[2:])
