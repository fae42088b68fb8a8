"""Validation during training, counted as every evaluation counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric

from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.score_histogram import ScoreHistogram, positive, top_label
from pipeline_src.data.null_images import MARK
from pipeline_src.labels import IGNORED
from pipeline_src.training.method import Validation


class CalibrationMetric(BaseMetric):
    """Pixel accuracy and ECE (10 bins, raw, original mask size, threshold 0.5) of the predictions that
    `DenseClassifier` makes; for K classes those of the top class.

    Args:
        released: whether a grey mask pixel is an error of `Validation.accuracy`, whatever is predicted there.
    """

    default_prefix = "val"

    def __init__(self, released: bool):
        super().__init__()
        self.released = released
        self.classwise = False
        self._reset()

    def _reset(self) -> None:
        self.statistic, self.null, self.right_on_grey = MapCounts.empty(quick=True), MapCounts.empty(quick=True), 0

    def process(self, data_batch: Any, data_samples: Sequence[tuple[np.ndarray, np.ndarray, str]]) -> None:
        for (probability, truth, name), grey in zip(data_samples, data_batch["grey"], strict=True):
            self.classwise = probability.ndim == 3
            if self.classwise:
                probability, truth = top_class(probability, truth)
            elif self.released:
                right = (probability.ravel()[grey] >= 0.5) == truth.ravel()[grey]
                self.right_on_grey += int(np.count_nonzero(right))
            (self.null if name.endswith(MARK) else self.statistic).add(probability, truth, name)

    def evaluate(self, size: int) -> dict[str, Any]:
        """Accuracy, ECE and `Validation` of all ranks' images together."""
        ranks = all_gather_object((self.statistic, self.null, self.right_on_grey))
        self._reset()
        statistic, null = (reduce(add, counted) for counted in list(zip(*ranks, strict=True))[:2])
        histogram = self._histogram(statistic)
        validation = self._validation(histogram, sum(right for *_, right in ranks))
        if null.raw.pixels:
            validation = replace(validation, null=self._validation(self._histogram(null), 0))
        bins = histogram.binned(10)
        ece = float(np.abs(bins.excess).sum() / bins.count.sum())
        return {"val/accuracy": validation.accuracy, "val/ece": ece, "val/validation": validation}

    def _histogram(self, statistic: MapCounts) -> ScoreHistogram:
        return (positive if self.classwise else top_label)(statistic.raw)

    def _validation(self, histogram: ScoreHistogram, right_on_grey: int) -> Validation:
        pixels = int(histogram.count.sum())
        accuracy, confidence = (
            (int(histogram.hits.sum()) - right_on_grey) / pixels,
            float(histogram.score.sum()) / pixels,
        )
        return Validation(accuracy, confidence, histogram, right_on_grey / pixels)

    def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
        raise NotImplementedError("evaluate() does it all")


def top_class(probability: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (K, H, W) and class ids (H, W) -> the top class's probability, and whether it is right (255:
    ignored)."""
    right = (probability.argmax(0) == truth).astype(np.uint8)
    return probability.max(0), np.where(truth == IGNORED, IGNORED, right).astype(np.uint8)
