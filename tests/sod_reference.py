"""Twenty 8-bit maps of several sizes with masks, and what pysodmetrics 1.6.2 gives for them.

`python tests/sod_reference.py`, where pysodmetrics is installed, prints the values.
"""

from __future__ import annotations

import numpy as np

VALUES = {
    "max_f": 0.8073990626534705,
    "mean_f": 0.40715618050465063,
    "max_e": 0.853834392594757,
    "e_measure": 0.4530378693469568,
    "s_measure": 0.5580738840805529,
    "weighted_f": 0.3217103426165098,
    "image_mae": 0.33058559288328315,
}


def maps() -> list[tuple[np.ndarray, np.ndarray]]:
    """Maps (H, W) uint8 that reach from 0 to 255, and masks (H, W) uint8 of 0 and 1 with both labels."""
    generator = np.random.Generator(np.random.PCG64(20))
    pairs = []
    for number in range(20):
        height, width = generator.integers(20, 60, 2)
        rows, columns = np.ogrid[:height, :width]
        mask = (rows - height // 2) ** 2 + (columns - 5 - number) ** 2 <= (4 + number // 2) ** 2
        noise = generator.integers(0, 256, (height, width))
        levels = ((2 * noise + 255 * mask) // 3).astype(np.uint8)
        levels.flat[[0, -1]] = 0, 255
        pairs.append((levels, mask.astype(np.uint8)))
    return pairs


def measured() -> dict[str, float]:
    """Return the values of pysodmetrics, by the names of this project's registry."""
    import py_sod_metrics

    steps = {
        "f": py_sod_metrics.Fmeasure(),
        "e": py_sod_metrics.Emeasure(),
        "s": py_sod_metrics.Smeasure(),
        "weighted": py_sod_metrics.WeightedFmeasure(),
        "mae": py_sod_metrics.MAE(),
    }
    for levels, mask in maps():
        for step in steps.values():
            step.step(levels, 255 * mask)
    results = {name: step.get_results() for name, step in steps.items()}
    f = results["f"]["fm"]["curve"]
    e = results["e"]["em"]["curve"]
    return {
        "max_f": float(f.max()),
        "mean_f": float(f.mean()),
        "max_e": float(e.max()),
        "e_measure": float(e.mean()),
        "s_measure": float(results["s"]["sm"]),
        "weighted_f": float(results["weighted"]["wfm"]),
        "image_mae": float(results["mae"]["mae"]),
    }


if __name__ == "__main__":
    for name, number in measured().items():
        print(f'    "{name}": {number!r},')
