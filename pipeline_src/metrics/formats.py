"""How metrics are named and printed in tables, and which way is better."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline_src.text_tables import UNDEFINED

LOW, HIGH = -1, 1


@dataclass(frozen=True)
class Metric:
    """How a metric is printed: heading, factor (100 for percent) and digits; and whether low or high is better."""

    heading: str
    factor: float
    digits: int
    better: int = LOW

    def text(
        self, mean: float, spread: float = math.nan, low: float = math.nan, high: float = math.nan, mark: str = ""
    ) -> str:
        """`mean` with its mark, then the spread over seeds and the interval where they are known."""
        if math.isnan(mean):
            return UNDEFINED
        text = self._number(mean) + mark
        if not math.isnan(spread):
            text += f" ± {self._number(spread)}"
        return text if math.isnan(low) else f"{text} [{self._number(low)}, {self._number(high)}]"

    def _number(self, value: float) -> str:
        text = f"{self.factor * value:,.{self.digits}f}"
        return text if text.strip("-0.,") else text.lstrip("-")  # no sign before a zero


METRICS = {  # those of the main table
    "ece": Metric("ECE %", 100, 2),
    "oe": Metric("OE %", 100, 2),
    "accuracy": Metric("Acc. %", 100, 2, HIGH),
    "brier": Metric("Brier", 1, 4),
    "nll": Metric("NLL", 1, 3),
    "entropy": Metric("Entropy", 1, 3),
    "mae": Metric("MAE", 1, 3),
    "max_f": Metric("max F", 1, 3, HIGH),
}
ALL_METRICS = METRICS | {
    "mean_iou": Metric("mIoU %", 100, 2, HIGH),
    "classwise_ece": Metric("class-wise %", 100, 2),
    "mean_f": Metric("mean F", 1, 3, HIGH),
    "s_measure": Metric("S", 1, 3, HIGH),
    "e_measure": Metric("E", 1, 3, HIGH),
    "ece_equal_mass": Metric("equal mass %", 100, 2),
    "ece_sweep": Metric("sweep %", 100, 2),
    "ece_debiased": Metric("debiased %", 100, 2),
    "smooth_ece": Metric("smooth %", 100, 2),
    "s": Metric("s", 1, 3),
    "training": Metric("training, min", 1 / 60, 1),
    "images_per_second": Metric("images/s", 1, 1, HIGH),
    "memory": Metric("peak memory, MB", 1, 0),
    "evaluation": Metric("evaluation, s", 1, 1),
    "parameters": Metric("parameters, million", 1e-6, 2),
}
