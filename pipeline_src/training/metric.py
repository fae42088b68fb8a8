"""Validation inside training, measured by the same statistic as every evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric

from pipeline_src.statistics import metrics
from pipeline_src.statistics.statistic import Statistic


class CalibrationMetric(BaseMetric):
    """Pixel accuracy and ECE (10 bins, raw, original mask size, threshold 0.5) of the predictions that
    `DenseClassifier` makes."""

    default_prefix = "val"

    def __init__(self):
        super().__init__()
        self.statistic = Statistic.empty(quick=True)

    def process(self, data_batch: Any, data_samples: Sequence[tuple]) -> None:
        for probability, truth, name in data_samples:
            self.statistic.add(probability, truth, name)

    def evaluate(self, size: int) -> dict[str, float]:
        """Ranks' statistics add up to the one that a single process would have."""
        parts = all_gather_object(self.statistic)
        self.statistic = Statistic.empty(quick=True)
        whole = Statistic.empty(quick=True)
        for part in parts:
            whole.merge(part)
        return {"val/accuracy": metrics.accuracy(whole.raw), "val/ece": metrics.ece(whole.raw)}

    def compute_metrics(self, results: list) -> dict:
        raise NotImplementedError("evaluate() does it all")
