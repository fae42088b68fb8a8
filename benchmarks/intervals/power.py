"""How many seeds part 16 of docs/preregistration.md needs: simulated from published differences.

    python benchmarks/intervals/power.py

Writes benchmarks/intervals/power.txt (two minutes of one core). Standard deviations over seeds are
those of `new_seeds`, seeds 3 to 8, and errors over images those of its test images. The true
difference is not known: each simulated experiment draws it from the published mean's distribution
over seeds (t of five degrees of freedom).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pipeline_src.analysis.analyse import analyse
from pipeline_src.analysis.estimate import Estimate, estimate
from pipeline_src.analysis.intervals import LEVEL, NORMAL, students_t
from pipeline_src.analysis.results import Results
from pipeline_src.publishing.published import FOLDER, Publication, published_counts

PAGE = Path(__file__).with_suffix(".txt")
EXPERIMENT = "new_seeds"
OTHER = "temperature"  # the method that is subtracted in all differences
REPETITIONS = 20_000  # simulated experiments of each hypothesis
SEEDS = (6, 9, 12)  # numbers of seeds
DUTS = ("DUTS-held-out", "DUTS-unseen")
LOWER = (-math.inf, 0.0)
# Method -> its hypotheses: dataset, metric, and the range in which the interval has to lie.
ARMS = {
    "temperature_averaged_null_images_tenth": [
        *[(name, "brier", LOWER) for name in (*DUTS, "DTD", "Brodatz")],
        ("ECSSD", "brier", (-math.inf, 0.002)),
        *[(name, "ece", (-0.005, 0.005)) for name in ("ECSSD", *DUTS)],
        ("DTD", "ece", LOWER),
        *[(name, "accuracy", (-0.005, math.inf)) for name in ("ECSSD", *DUTS, "DTD", "Brodatz")],
    ],
    "temperature_averaged_aslp_cl": [
        *[(name, "brier", LOWER) for name in DUTS],
        *[(name, "ece", (-0.005, 0.005)) for name in DUTS],
        *[(name, "accuracy", (-0.005, math.inf)) for name in ("ECSSD", *DUTS)],
    ],
}


def results(experiment: str, methods: Collection[str], out: Path) -> Results:
    """Return the results of some methods of a published experiment, analysed below `out`."""
    folder = FOLDER / experiment
    publication = Publication.read(folder)
    facts = replace(publication.facts, splits=publication.facts.tests)
    files = {}
    for split in facts.splits:
        counts = published_counts(publication, folder, split)
        chosen = {run: of_run for run, of_run in counts.items() if run[0] in methods}
        files[split] = out / f"{split}.npz"
        analyse(split, facts.bins, chosen, files[split])
    return Results(facts, files)


def power(effect: Estimate, inside: tuple[float, float], seeds: int, level: float) -> float:
    """Return the share of simulated experiments whose interval of a `level` lies `inside` a range.

    Args:
        effect: the published difference, with its spread over seeds and its errors over images.
        seeds: the number of seeds of each simulated experiment.
    """
    rng = np.random.default_rng(0)
    published = len(effect.by_seed)
    spread = effect.sd / math.sqrt(published)
    true = effect.value + spread * rng.standard_t(published - 1, (REPETITIONS, 1))
    values = true + effect.sd * rng.standard_normal((REPETITIONS, seeds))
    means = values.mean(axis=1)
    training = students_t(seeds, (1 + level) / 2) * values.std(axis=1, ddof=1) / math.sqrt(seeds)
    scale = NORMAL.inv_cdf((1 + level) / 2) / NORMAL.inv_cdf((1 + LEVEL) / 2)
    low = means - np.hypot(scale * (effect.value - effect.image_low), training)
    high = means + np.hypot(scale * (effect.image_high - effect.value), training)
    return float(np.mean((low > inside[0]) & (high < inside[1])))


def table(found: Results, method: str) -> list[str]:
    """Return the lines of a method: its hypotheses (`ARMS`) with their power by number of seeds."""
    hypotheses = ARMS[method]
    level = LEVEL ** (1 / len(hypotheses))
    lines = [
        f"{method} - {OTHER}: power of each interval at {LEVEL:.0%}, and of the "
        f"{len(hypotheses)} that hold jointly (each at {level:.2%})"
    ]
    heads = "".join(f"{f'{seeds} seeds':>16}" for seeds in SEEDS)
    lines.append(f"{'dataset':<15}{'metric':<10}{'published':>10}{'sd':>9}{heads}")
    for split, metric, inside in hypotheses:
        measured = found.measured("raw", split)
        effect = estimate(metric, (measured[method], 1.0), (measured[OTHER], -1.0))
        assert effect is not None
        cells = ""
        for seeds in SEEDS:
            alone = power(effect, inside, seeds, LEVEL)
            joint = power(effect, inside, seeds, level)
            cells += f"{alone:>9.0%}{joint:>7.0%}"
        lines.append(f"{split:<15}{metric:<10}{effect.value:>10.5f}{effect.sd:>9.5f}{cells}")
    return lines


def main() -> None:
    """Write the page."""
    with TemporaryDirectory() as folder:
        found = results(EXPERIMENT, (OTHER, *ARMS), Path(folder))
        lines = []
        for method in ARMS:
            lines += [*table(found, method), ""]
    PAGE.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
