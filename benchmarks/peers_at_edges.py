"""ECE on the cases of ece_edges/, by us and by other packages: a table in Markdown; packages that are missing are not.

    python benchmarks/peers_at_edges.py

Peers are given the (confidence, right) pairs that their users would make, in float32; of K classes the probabilities
where they take them.
"""

from __future__ import annotations

import warnings
from fractions import Fraction
from importlib.util import find_spec

import numpy as np
from ece_edges.check import CASES, arrays


def ours(p, y, bins) -> float:
    from pipeline_src.api import Statistic

    p = p[None] if p.ndim == 1 else p.T[:, None]
    return Statistic().update(p[None], y[None, None]).compute(bins)["ece"]


def pairs(p, y):
    if p.ndim == 2:
        return p.max(1), (p.argmax(1) == y).astype(np.int64)
    top = np.iinfo(p.dtype).max if p.dtype.kind == "u" else 1
    f = p.astype(np.float32) / np.float32(top)
    return np.maximum(f, np.float32(1) - f), ((f >= 0.5) == y).astype(np.int64)


def netcal(p, y, bins) -> float:
    from netcal.metrics import ECE

    return float(ECE(bins).measure(*pairs(p, y)))


def torchmetrics(p, y, bins) -> float:
    import torch
    from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

    if p.ndim == 1:
        return float(binary_calibration_error(*map(torch.from_numpy, pairs(p, y)), n_bins=bins))
    return float(multiclass_calibration_error(torch.from_numpy(p), torch.from_numpy(y), p.shape[1], n_bins=bins))


def torch_uncertainty(p, y, bins) -> float:
    import torch
    from torch_uncertainty.metrics import CalibrationError

    if p.ndim == 1:
        metric, given = CalibrationError("binary", num_bins=bins), pairs(p, y)
    else:
        metric, given = CalibrationError("multiclass", num_bins=bins, num_classes=p.shape[1]), (p, y)
    return float(metric(*map(torch.from_numpy, given)))


PEERS = (netcal, torchmetrics, torch_uncertainty)


def cell(function, case: dict) -> str:
    """What a function gives for a case, bold where it is wrong."""
    truth = float(Fraction(case["answer"]))
    try:
        value = float(function(*arrays(case), case["bins"]))
    except Exception as error:
        return f"**{type(error).__name__}**"
    return f"{value:.4f}" if abs(value - truth) < 1e-6 else f"**{value:.4f}**"


def main() -> None:
    warnings.filterwarnings("ignore")
    functions = (ours, *(peer for peer in PEERS if find_spec(peer.__name__)))
    print(f"| case | exact | {' | '.join(f.__name__ for f in functions)} |\n|---|---:|{'---:|' * len(functions)}")
    right = dict.fromkeys(functions, 0)
    for case in CASES:
        cells = {function: cell(function, case) for function in functions}
        right = {function: right[function] + ("*" not in cells[function]) for function in functions}
        print(f"| {case['name']} | {float(Fraction(case['answer'])):.4f} | {' | '.join(cells.values())} |")
    print(f"| right, of {len(CASES)} | | {' | '.join(map(str, right.values()))} |")


if __name__ == "__main__":
    main()
