"""Validation during training, counted as every evaluation counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric

from pipeline_src.counting.score_histogram import positive, top_label
from pipeline_src.counting.statistic import Statistic
from pipeline_src.labels import IGNORED
from pipeline_src.training.method import Validation


class CalibrationMetric(BaseMetric):
    """Pixel accuracy and ECE (10 bins, raw, original mask size, threshold 0.5) of the predictions that
    `DenseClassifier` makes; for K classes those of the top class."""

    default_prefix = "val"

    def __init__(self):
        super().__init__()
        self.statistic, self.classwise = Statistic.empty(quick=True), False

    def process(self, data_batch: Any, data_samples: Sequence[tuple]) -> None:
        for probability, truth, name in data_samples:
            self.classwise = probability.ndim == 3
            if self.classwise:
                probability, truth = top_class(probability, truth)
            self.statistic.add(probability, truth, name)

    def evaluate(self, size: int) -> dict[str, Any]:
        """Accuracy, ECE and `Validation` of all ranks' images together."""
        parts = all_gather_object(self.statistic)
        self.statistic = Statistic.empty(quick=True)
        whole = Statistic.empty(quick=True)
        for part in parts:
            whole.merge(part)
        view = (positive if self.classwise else top_label)(whole.raw)
        pixels = int(view.count.sum())
        validation = Validation(int(view.hits.sum()) / pixels, float(view.score.sum()) / pixels, view)
        bins = view.binned(10)
        ece = float(np.abs(bins.excess).sum() / bins.count.sum())
        return {"val/accuracy": validation.accuracy, "val/ece": ece, "val/validation": validation}

    def compute_metrics(self, results: list) -> dict:
        raise NotImplementedError("evaluate() does it all")


def top_class(probability: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (K, H, W) and class ids (H, W) -> the top class's probability, and whether it is right (255:
    ignored)."""
    right = (probability.argmax(0) == truth).astype(np.uint8)
    return probability.max(0), np.where(truth == IGNORED, IGNORED, right).astype(np.uint8)
