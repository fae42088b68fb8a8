"""How often the interval of each metric holds the true value, by `calibration_report` on simulated images.

    python benchmarks/metric_coverage.py [REPETITIONS]

An image is 24 x 24 pixels around a disc, its labels are drawn from probabilities that are known, and some images are
harder than others. A network knows these probabilities (calibrated), takes their logits times 1.8 (over-confident), or
times a factor that goes with how hard the image is, so that some images are over-confident and others under-confident
(both). True values are those of 20,000 images. Writes benchmarks/intervals/metrics.md, from where docs/metrics.md has
it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
from scipy.special import expit

from pipeline_src.api import Statistic, calibration_report

SIDE, MANY, AT_ONCE = 24, 20_000, 1000
IMAGES = (50, 250)
NETWORKS: dict[str, Callable[[np.ndarray], np.ndarray | float]] = {  # how hard an image is -> factor of its logits
    "calibrated": lambda hard: 1.0,
    "over-confident": lambda hard: 1.8,
    "both": lambda hard: np.exp(0.8 * hard),
}
OF_THE_NUMBER = ("ece_floor",)  # what a number of images measures has no true value of all images


def images(number: int, factor: Callable, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels (N, SIDE, SIDE)."""
    hard = rng.normal(size=(number, 1, 1))
    at, radius = rng.uniform(4, SIDE - 4, (2, number, 1, 1)), rng.gamma(4, 1.5, (number, 1, 1))
    inside = radius - np.hypot(np.arange(SIDE) - at[0], np.arange(SIDE)[:, None] - at[1])
    logits = inside * np.exp(-0.4 * hard) + rng.normal(size=(number, SIDE, SIDE))
    labels = rng.random(logits.shape) < expit(logits)
    return expit(factor(hard) * logits).astype(np.float32), labels


def truth(factor: Callable) -> dict[str, float]:
    """The metrics of very many images."""
    rng, statistic = np.random.default_rng(99), Statistic()
    for _ in range(MANY // AT_ONCE):
        statistic = statistic.update(*images(AT_ONCE, factor, rng))
    return dict(statistic.compute())


def shares(number: int, factor: Callable, true: dict[str, float], repetitions: int) -> dict[str, float]:
    """Metric -> share of repetitions in which its interval holds the true value."""
    rng, held = np.random.default_rng(number), Counter[str]()
    for _ in range(repetitions):
        intervals = calibration_report(*images(number, factor, rng)).intervals
        held.update({name: low <= true[name] <= high for name, (low, high) in intervals.items()})
    return {name: held[name] / repetitions for name in held if name not in OF_THE_NUMBER}


def table(repetitions: int) -> Iterator[str]:
    """Markdown, in percent; a column is written when it is known."""
    cells: dict[str, dict[str, float]] = {}
    for (network, factor), number in product(NETWORKS.items(), IMAGES):
        cells[f"{network}, {number}"] = shares(number, factor, truth(factor), repetitions)
        print(f"{network}, {number} images: lowest {min(cells[f'{network}, {number}'].values()):.2f}", flush=True)
    yield f"Share in % of {repetitions} simulated data sets in which the interval of each metric holds the true value"
    yield "(network, number of images; `python benchmarks/metric_coverage.py`):\n"
    yield f"| metric | {' | '.join(cells)} |\n|{'---|' * (len(cells) + 1)}"
    for name in next(iter(cells.values())):
        yield f"| `{name}` | {' | '.join(f'{100 * of[name]:.0f}' for of in cells.values())} |"


if __name__ == "__main__":
    text = "\n".join(table(int(sys.argv[1]) if len(sys.argv) > 1 else 200)) + "\n"
    print(text)
    (Path(__file__).parent / "intervals/metrics.md").write_text(text, encoding="utf-8")
