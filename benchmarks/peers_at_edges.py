"""ECE on values that lie on bin edges, by us and by other packages: a table in Markdown.

    python benchmarks/peers_at_edges.py

Each case is a handful of (probability, label) pairs, given as float32 or 8-bit values; 10 bins. `exact` bins the top
label's confidence in rational arithmetic, right-closed. netcal and torchmetrics are given the (confidence, right) pairs
that their users would make, in float32.
"""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np

BINS = 10
PIXELS = 20_000_000
CASES = {
    "0.5, right and wrong": (np.float32([0.5, 0.5, 0.55]), [1, 0, 1]),
    "0 and 1, all right": (np.float32([0, 1, 1]), [0, 1, 1]),
    "1, all wrong": (np.float32([1, 1]), [0, 0]),
    "float32 0.7 and 0.68": (np.float32([0.7, 0.68]), [1, 0]),
    "float32 0.9 and 0.95": (np.float32([0.9, 0.95]), [0, 1]),
    "float32 0.3 and 0.32": (np.float32([0.3, 0.32]), [0, 1]),
    "float32 0.6, 0.8 and 0.85": (np.float32([0.6, 0.8, 0.85]), [0, 1, 0]),
    "8-bit 153 (0.6) and 150": (np.uint8([153, 150]), [1, 0]),
    "8-bit 204 (0.8) and 200": (np.uint8([204, 200]), [1, 0]),
    f"{PIXELS // 10**6} million times 0.75, all right": (np.full(PIXELS, 0.75, np.float32), np.ones(PIXELS, np.uint8)),
}


def exact(f, y) -> Fraction:
    """ECE in rational numbers, one term per distinct (value, label)."""
    top = 255 if f.dtype == np.uint8 else 1
    pairs, number = np.unique(np.stack([f.astype(np.float64), y]), axis=1, return_counts=True)
    bins: dict[int, list[Fraction]] = {}
    for (value, label), n in zip(pairs.T, number.tolist(), strict=True):
        p = Fraction(float(value)) / top
        # a float32 confidence is rounded to 2^-24 where it is 1 - f
        confidence = p if p >= Fraction(1, 2) else 1 - p
        if top == 1:
            confidence = Fraction(float(np.maximum(np.float32(value), np.float32(1) - np.float32(value))))
        index = -(-confidence * BINS // 1) if confidence else 1
        sums = bins.setdefault(int(index), [Fraction(0), Fraction(0)])
        sums[0] += n * confidence
        sums[1] += n * ((p >= Fraction(1, 2)) == bool(label))
    return sum(abs(a - b) for a, b in bins.values()) / len(f)


def ours(f, y) -> float:
    from pipeline_src.counting.statistic import Statistic
    from pipeline_src.metrics.summary import value

    statistic = Statistic.empty(quick=True)
    statistic.add(f[None], y[None], "all")
    return value("ece", statistic.raw, BINS)


def seen_by_peers(f, y):
    p = f.astype(np.float32) / np.float32(255 if f.dtype == np.uint8 else 1)
    return np.maximum(p, np.float32(1) - p), ((p >= 0.5) == y).astype(np.int64)


def netcal(f, y) -> float:
    from netcal.metrics import ECE

    return float(ECE(BINS).measure(*seen_by_peers(f, y)))


def torchmetrics(f, y) -> float:
    import torch
    from torchmetrics.functional.classification import binary_calibration_error

    confidence, right = (torch.from_numpy(a) for a in seen_by_peers(f, y))
    return float(binary_calibration_error(confidence, right, n_bins=BINS))


def main() -> None:
    warnings.filterwarnings("ignore")
    functions = (exact, ours, netcal, torchmetrics)
    print(f"| case | {' | '.join(f.__name__ for f in functions)} |\n|---|{'---:|' * len(functions)}")
    for name, (f, y) in CASES.items():
        truth, cells = float(exact(f, np.asarray(y))), []
        for function in functions:
            try:
                value = float(function(f, np.asarray(y, np.uint8)))
            except Exception as error:
                cells.append(f"**{type(error).__name__}**")
                continue
            cells.append(f"{value:.4f}" if abs(value - truth) < 1e-6 else f"**{value:.4f}**")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
