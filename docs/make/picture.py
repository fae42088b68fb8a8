"""The picture of README.md, from published results: `python docs/make/picture.py`.

The numbers of its bins are those of the report's figure: run `dense-calibration rebuild --report
--experiment mini_seeds` first.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Patch

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs/pictures/reliability.svg"
EXPERIMENT, SPLIT = "mini_seeds", "ECSSD"
TITLES = {"baseline": "Baseline", "aslp_mc": "ASLP_MC", "temperature": "Temperature scaling"}
OVER, UNDER, ACCURACY = "#c0392b", "#2471a3", "#9fb3c8"


def panel_title(method: str, metrics: Mapping[str, Any]) -> str:
    """The method with its ECE and confidence interval in percent."""
    values = metrics["raw"][method][SPLIT]["ece"]
    low = 100 * values["low"]
    high = 100 * values["high"]
    return f"{TITLES[method]}\nECE {100 * values['mean']:.2f} % [{low:.2f}, {high:.2f}]"


def bins_of(method: str) -> list[dict[str, float]]:
    """The bins of a method that hold pixels, each with its columns from 0 to 1.

    The columns are lower, upper, confidence, accuracy, low and high.
    """
    name = f"{EXPERIMENT}/figures/reliability-raw-{SPLIT}.csv"
    file = ROOT / "results/published-rebuilt" / name
    if not file.is_file():
        command = f"dense-calibration rebuild --report --experiment {EXPERIMENT}"
        sys.exit(f"{file} is missing: run `{command}`")
    bins = []
    for row in csv.DictReader(file.read_text().splitlines()):
        if row.pop("method") == method and row["bin"] != "all" and row["low"]:
            bins.append({key: float(value) for key, value in row.items() if value})
    return bins


def draw(axes: Axes, rows: list[dict[str, float]]) -> None:
    """Accuracy by bin of confidence, its gap to the confidence, and its confidence interval."""
    for row in rows:
        left = 100 * row["lower"]
        width = 100 * (row["upper"] - row["lower"])
        accuracy = 100 * row["accuracy"]
        confidence = 100 * row["confidence"]
        axes.bar(left, accuracy, width, align="edge", color=ACCURACY, edgecolor="white")
        axes.bar(
            left,
            abs(confidence - accuracy),
            width,
            min(accuracy, confidence),
            align="edge",
            color=OVER if confidence > accuracy else UNDER,
            alpha=0.6,
            edgecolor="white",
        )
        limits = [[max(accuracy - 100 * row["low"], 0)], [max(100 * row["high"] - accuracy, 0)]]
        axes.errorbar(left + width / 2, accuracy, limits, color="black", linewidth=1, capsize=2)
    axes.plot([50, 100], [50, 100], color="gray", linestyle="--", linewidth=1)
    axes.set(xlim=(50, 100), ylim=(40, 100), xlabel="Confidence, %")


def main() -> None:
    """Write the picture."""
    folder = ROOT / "results/published" / EXPERIMENT
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["metrics"]
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "picture",
        "font.family": "sans-serif",
        "font.size": 9,
    }
    with plt.rc_context(settings):
        figure, panels = plt.subplots(1, 3, figsize=(8.6, 3.4), sharey=True, layout="constrained")
        for axes, method in zip(panels, TITLES, strict=True):
            draw(axes, bins_of(method))
            axes.set_title(panel_title(method, metrics), fontsize=9)
            axes.spines[["top", "right"]].set_visible(False)
        panels[0].set_ylabel("Accuracy, %")
        entries = {"accuracy": ACCURACY, "overconfidence": OVER, "underconfidence": UNDER}
        patches = [Patch(color=color, label=name) for name, color in entries.items()]
        figure.legend(handles=patches, loc="outside lower center", ncols=3, frameon=False)
        figure.savefig(PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    main()
