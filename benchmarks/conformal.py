"""Conformal risk control on U2-Net's maps of ECSSD: random splits into images that give the threshold and others that
it is tried on. Prints the table of docs/conformal.md.

ASLP_DOWNLOADS=... python benchmarks/conformal.py [SPLITS]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from calibrators import halves

from pipeline_src.analysis.conformal import RISK_NAMES, Bound, level
from pipeline_src.maps.counts import count
from pipeline_src.maps.pairs import pair_files
from pipeline_src.metrics.image_risks import ImageRisks, split
from pipeline_src.metrics.protocol_counts import ProtocolCounts

BOUNDS = (Bound("fnr", 0.1), Bound("fnr", 0.05), Bound("fpr", 0.05), Bound("fpr", 0.02))
FITTED = (20, 100, 500)  # images that give the threshold


def risks() -> np.ndarray:
    """(N, 516) the risks of all images at all thresholds."""
    with tempfile.TemporaryDirectory() as name:
        where = halves(Path(name))
        pairs = [pair_files(where["pred"], where["mask"]), pair_files(where["apply"], where["test_mask"])]
        counts = [count(of).statistic.raw for of in pairs]
        return np.concatenate([block for of in counts for block in ImageRisks().units(ProtocolCounts(None, of))])


def tried(images: np.ndarray, bound: Bound, fitted: int, splits: int) -> tuple[np.ndarray, np.ndarray]:
    """(splits,) thresholds, and mean risks of the images that did not give them; without splits of no threshold."""
    rng, k, outcomes = np.random.default_rng(0), RISK_NAMES.index(bound.risk), []
    for _ in range(splits):
        order = rng.permutation(len(images))
        own, others = (images[part].sum(axis=0) for part in (order[:fitted], order[fitted:]))
        if (t := level(bound, own)) is not None:
            of_others, number = split(others)
            outcomes.append((t / 255, of_others[k, t] / number[k]))
    thresholds, delivered = np.array(outcomes).T
    return thresholds, delivered


def main(splits: int) -> None:
    images = risks()
    print(
        f"| {splits} splits | images fitted | threshold | risk of the others, % | of 95 % of splits | splits within |"
    )
    print("|---|---:|---:|---:|---:|---:|")
    for bound in BOUNDS:
        for fitted in (number for number in FITTED if number >= bound.needs):
            thresholds, delivered = tried(images, bound, fitted, splits)
            error = delivered.std(ddof=1) / len(delivered) ** 0.5
            low, high = np.quantile(delivered, [0.025, 0.975])
            within = np.mean(delivered <= bound.alpha)
            print(
                f"| {bound} | {fitted} | {thresholds.mean():.3f} | {100 * delivered.mean():.2f} ± {100 * error:.2f} | "
                f"{100 * low:.2f} to {100 * high:.2f} | {100 * within:.0f} % |"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
