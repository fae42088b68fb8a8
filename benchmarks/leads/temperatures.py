"""What remains of each method after its temperature is refitted, from the published counts.

    python benchmarks/leads/temperatures.py

Writes benchmarks/leads/temperatures.txt (ten seconds). A temperature is fitted by likelihood to the
pooled validation pixels of each network. Points use the cells of the published counts (about 200
over [0, 1]). Intervals use the pixels of each image by 8-bit level, shifted to the point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from pipeline_src.analysis.estimate import estimate
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.resampling import draws, key_of
from pipeline_src.counting.levels import CLAMP, LEVELS, POSITION
from pipeline_src.metrics.metric import Difference
from pipeline_src.metrics.registry import METRICS
from pipeline_src.publishing import published

PAGE = Path(__file__).with_suffix(".txt")
BASELINE = ("mini_seeds", "baseline")
SOFT = (  # methods whose training labels are soft
    *(("mini_seeds", name) for name in ("slp", "aslp_mei", "aslp_mc", "aslp_cl")),
    *(("evidence", name) for name in ("slp_mean", "mixup", "aslp_groups")),
    *(("rivals", "label_smoothing"), ("alphas", "aslp_cl_drawn"), ("alphas", "aslp_cl_permuted")),
)
SEEDS = (0, 1, 2)
BINS = 10
RESAMPLES = 1000
SETS = ("ECSSD", "DUTS-held-out", "DTD", "Brodatz")


@dataclass(frozen=True)
class Counted:
    """The counts of a network on a data set.

    Attributes:
        probability: (L,) mean probability of the positive class in each cell with pixels.
        pixels: (L, 2) pixels of each cell by label.
        images: (N, 256, 2) pixels of each image by 8-bit level and label.
    """

    probability: np.ndarray
    pixels: np.ndarray
    images: np.ndarray


@cache
def counted(experiment: str, method: str, seed: int, part: str) -> Counted:
    """Return the published counts of a run on a dataset."""
    folder = published.FOLDER / experiment
    publication = published.Publication.read(folder)
    counts = published.published_counts(publication, folder, part)[method, seed]()["raw"]
    histogram = counts.histogram
    level, predicted, label = np.nonzero(histogram.count)
    pixels = histogram.count[level, predicted, label].astype(float)
    doubt = (level + histogram.position[level, predicted, label] / (POSITION * pixels)) / LEVELS
    by_label = np.zeros((len(level), 2))
    by_label[np.arange(len(level)), label] = pixels
    probability = np.where(predicted == 1, 1 - doubt, doubt)
    return Counted(probability, by_label, counts.images.levels.astype(float))


def scaled(probability: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities with their logits divided by a temperature."""
    return expit(logit(np.clip(probability, CLAMP, 1 - CLAMP)) / temperature)


def fitted(cells: Counted) -> float:
    """Return the temperature of the highest likelihood of the labels."""

    def nll(log_temperature: float) -> float:
        probability = np.clip(scaled(cells.probability, np.exp(log_temperature)), CLAMP, 1 - CLAMP)
        return float(
            -(cells.pixels * np.log(np.stack([1 - probability, probability], axis=1))).sum()
        )

    return float(np.exp(minimize_scalar(nll, bounds=(-2, 2), method="bounded").x))


def binned(probability: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return sums (..., BINS + 2) of pixels (..., L, 2): excess by bin, squared error, pixels."""
    labels = np.arange(2)
    confidence = np.maximum(probability, 1 - probability)
    hits = (probability[:, None] >= 0.5) == labels
    bins = np.eye(BINS)[np.ceil(confidence * BINS).astype(int).clip(1, BINS) - 1]
    excess = (pixels * (confidence[:, None] - hits)).sum(axis=-1) @ bins
    squares = (pixels * (probability[:, None] - labels) ** 2).sum(axis=(-2, -1))
    return np.concatenate(
        [excess, np.stack([squares, pixels.sum(axis=(-2, -1))], axis=-1)], axis=-1
    )


def metrics(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Return ECE and Brier score (...) of the sums (..., BINS + 2) that `binned` returns."""
    return {
        "ece": np.abs(sums[..., :BINS]).sum(axis=-1) / sums[..., -1],
        "brier": sums[..., -2] / sums[..., -1],
    }


def measurement(
    method: tuple[str, str], part: str, temperatures: Mapping[int, float]
) -> Measurement:
    """Return ECE and Brier score of a method with a temperature per seed, also on resamples."""
    points: dict[str, list[float]] = {"ece": [], "brier": []}
    values: dict[str, list[np.ndarray]] = {"ece": [], "brier": []}
    for seed, temperature in temperatures.items():
        cells = counted(*method, seed, part)
        exact = metrics(binned(scaled(cells.probability, temperature), cells.pixels))
        images = binned(scaled(_level_means(cells), temperature), cells.images)
        resampled = draws(len(images), RESAMPLES, key_of(part)) @ images
        whole = metrics(images.sum(axis=0))
        for name, of_resamples in metrics(resampled).items():
            points[name].append(float(exact[name]))
            values[name].append(of_resamples + (points[name][-1] - whole[name]))
    return Measurement(
        seeds=list(temperatures),
        images=len(images),
        units=len(images),
        points={name: np.array(rows) for name, rows in points.items()},
        values={name: np.array(rows) for name, rows in values.items()},
    )


def _level_means(cells: Counted) -> np.ndarray:
    """Return the mean probability of each 8-bit level, (256,); its middle if it has no pixels."""
    level = np.minimum(255 * cells.probability, 255).astype(int)
    pixels = cells.pixels.sum(axis=1)
    total = np.bincount(level, pixels, 256)
    means = np.bincount(level, pixels * cells.probability, 256)
    return np.divide(means, total, out=(np.arange(256) + 0.5) / 256, where=total > 0)


def rows(fit_on: str) -> Iterator[list[str]]:
    """Yield a row per metric and method of `SOFT`: its difference from the baseline. Temperatures
    are fitted on the dataset `fit_on`, or on each dataset of a column where that is "itself".
    """
    for metric in ("ece", "brier"):
        for method in SOFT:
            cells = []
            for part in SETS[:1] if fit_on == "itself" else SETS:
                sides = []
                for side in (method, BASELINE):
                    source = part if fit_on == "itself" else fit_on
                    fits = {seed: fitted(counted(*side, seed, source)) for seed in SEEDS}
                    sides.append(measurement(side, part, fits))
                effect = estimate(metric, (sides[0], 1.0), (sides[1], -1.0))
                assert effect is not None
                mark = {"lower": "↓", "higher": "↑", "": ""}[effect.direction]
                text = Difference.of(METRICS[metric]).text(
                    effect.value, low=effect.low, high=effect.high, mark=mark
                )
                cells.append(text)
            yield [METRICS[metric].title, method[1], *cells]


def shift_rows() -> Iterator[list[str]]:
    """Yield each method's temperature on validation images, and how many times that on each set."""
    for method in (BASELINE, *SOFT):
        base = [fitted(counted(*method, seed, "val")) for seed in SEEDS]
        ratios = [
            [
                fitted(counted(*method, seed, part)) / fit
                for seed, fit in zip(SEEDS, base, strict=True)
            ]
            for part in SETS
        ]
        yield [
            method[1],
            f"{np.mean(base):.2f}",
            *(f"{min(of):.2f} to {max(of):.2f}" for of in ratios),
        ]


def table(heads: list[str], lines: Iterator[list[str]]) -> str:
    """Return a Markdown table, whose rows are printed as they are computed."""
    texts = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for line in lines:
        texts.append(f"| {' | '.join(line)} |")
        print(texts[-1], flush=True)
    return "\n".join(texts)


def main() -> None:
    """Write the page."""
    own = counted(*BASELINE, 0, "ECSSD")
    published_fit = fitted(counted(*BASELINE, 0, "val"))
    ece = float(metrics(binned(scaled(own.probability, published_fit), own.pixels))["ece"])
    text = f"""# Temperatures refitted to every method

By `python benchmarks/leads/temperatures.py`, from the published counts; three seeds, \
raw protocol. Baseline of seed 0
after its refitted temperature: ECE {100 * ece:.2f} % on ECSSD.

Method minus baseline, both with a temperature fitted to the validation images. \
Brackets: 95 % confidence intervals over
images and training seeds; ↓ lower, ↑ higher.

{table(["", "method", *SETS], rows("val"))}

The same with temperatures fitted on ECSSD itself:

{table(["", "method", "ECSSD"], rows("itself"))}

Temperature on the validation images (mean over seeds), \
and the factor by which that of each test set is higher
(smallest and largest of three seeds):

{table(["method", "validation", *SETS], shift_rows())}
"""
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
