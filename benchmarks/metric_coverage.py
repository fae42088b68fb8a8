"""How often the interval of each metric holds the true value, by `calibration_report` on simulated images.

    python benchmarks/metric_coverage.py [REPETITIONS]

An image is 24 x 24 pixels around a disc, its labels are drawn from probabilities that are known, and some images are
harder than others. A network knows these probabilities (calibrated), takes their logits times 1.8 (over-confident), or
times a factor that goes with how hard the image is, so that some images are over-confident and others under-confident
(both). One more expects too much foreground, in images of which every second is turned over, so that its confidence is
right nevertheless: as much over-confident where it predicts foreground as under-confident elsewhere (biased). The last
one is nearly right but for a tenth of the images, where it is nearly a guess (few bad). True values are those of 20,000
images. Writes benchmarks/intervals/metrics.md, from where docs/metrics.md has it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
from scipy.special import expit

from pipeline_src.api import Statistic, calibration_report
from pipeline_src.metrics.registry import METRICS

SIDE, MANY, AT_ONCE = 24, 20_000, 1000
IMAGES = (50, 250)
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


NETWORKS: dict[str, Network] = {
    "calibrated": lambda logits, hard: (expit(logits), expit(logits)),
    "over-confident": lambda logits, hard: (expit(1.8 * logits), expit(logits)),
    "both": lambda logits, hard: (expit(np.exp(0.8 * hard) * logits), expit(logits)),
    "biased": biased,
    "few bad": few_bad,
}
OF_THE_NUMBER = ("ece_floor",)  # what a number of images measures has no true value of all images


def images(number: int, network: Network, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels (N, SIDE, SIDE)."""
    hard = rng.normal(size=(number, 1, 1))
    at, radius = rng.uniform(4, SIDE - 4, (2, number, 1, 1)), rng.gamma(4, 1.5, (number, 1, 1))
    inside = radius - np.hypot(np.arange(SIDE) - at[0], np.arange(SIDE)[:, None] - at[1])
    said, true = network(inside * np.exp(-0.4 * hard) + rng.normal(size=(number, SIDE, SIDE)), hard)
    return said.astype(np.float32), rng.random(true.shape) < true


@lru_cache
def truth(network: Network) -> dict[str, float]:
    """The metrics of very many images."""
    rng, statistic = np.random.default_rng(99), Statistic()
    for _ in range(MANY // AT_ONCE):
        statistic = statistic.update(*images(AT_ONCE, network, rng))
    return dict(statistic.compute())


def shares(
    number: int, network: Network, true: dict[str, float], repetitions: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Metric -> share of repetitions in which its interval holds the true value, and in which it lies above 0."""
    rng, held, above = np.random.default_rng(number), Counter[str](), Counter[str]()
    for _ in range(repetitions):
        intervals = calibration_report(*images(number, network, rng)).intervals
        held.update({name: low <= true[name] <= high for name, (low, high) in intervals.items()})
        above.update({name: low > 0 for name, (low, _) in intervals.items()})
    names = [name for name in held if name not in OF_THE_NUMBER]
    return tuple({name: of[name] / repetitions for name in names} for of in (held, above))


def table(repetitions: int) -> Iterator[str]:
    """Markdown, in percent; a column is written when it is known."""
    cells: dict[str, dict[str, float]] = {}
    for (title, network), number in product(NETWORKS.items(), IMAGES):
        cells[f"{title}, {number}"], above = shares(number, network, truth(network), repetitions)
        print(f"{title}, {number} images: lowest {min(cells[f'{title}, {number}'].values()):.2f}", flush=True)
        if network is biased:
            cells[f"above 0, {number}"] = {name: of for name, of in above.items() if METRICS[name].decided_by}
    yield f"Share in % of {repetitions} simulated data sets in which the interval of each metric holds the true value"
    yield "(network, number of images; `python benchmarks/metric_coverage.py`); of the biased network also the share in"
    yield "which the interval of an error lies above 0:\n"
    yield f"| metric | {' | '.join(cells)} |\n|{'---|' * (len(cells) + 1)}"
    for name in next(iter(cells.values())):
        yield f"| `{name}` | {' | '.join(f'{100 * of[name]:.0f}' if name in of else '–' for of in cells.values())} |"


if __name__ == "__main__":
    text = "\n".join(table(int(sys.argv[1]) if len(sys.argv) > 1 else 200)) + "\n"
    print(text)
    (Path(__file__).parent / "intervals/metrics.md").write_text(text, encoding="utf-8")
