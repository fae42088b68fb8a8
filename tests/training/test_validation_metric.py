"""The accuracy that methods see after an epoch."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline_src.training.validation_metric import CalibrationMetric

# Two images: the raw masks, and the probability of the object.
MASKS = [np.array([[0, 100, 200], [255, 255, 0]], np.uint8), np.array([[128, 127, 255, 0]], np.uint8)]
PROBABILITIES = [np.array([[0.1, 0.2, 0.9], [0.8, 0.3, 0.6]]), np.array([[0.7, 0.7, 0.5, 0.4]])]


def validated(released: bool):
    metric = CalibrationMetric(released)
    for i, (mask, probability) in enumerate(zip(MASKS, PROBABILITIES, strict=True)):
        truth, grey = (mask > 127).astype(np.uint8), np.flatnonzero((mask > 0) & (mask < 255))
        metric.process({"grey": [grey]}, [(probability.astype(np.float32), truth, str(i))])
    return metric.evaluate(2)


def test_released_accuracy_takes_every_grey_pixel_for_an_error():
    """Right against the thresholded masks are 4 of 6 and 3 of 4 pixels; of these, the greys 100, 200 and 128."""
    plain, released = validated(False)["val/validation"], validated(True)["val/validation"]
    assert (plain.accuracy, plain.grey) == (0.7, 0.0)
    assert (released.accuracy, released.grey) == (0.4, 0.3)
    raw = [(p >= 0.5) == m / 255 for p, m in zip(PROBABILITIES, MASKS, strict=True)]
    assert released.accuracy == np.concatenate([each.ravel() for each in raw]).mean()
    assert released.gap == pytest.approx(plain.gap)
    assert validated(True)["val/ece"] == validated(False)["val/ece"], "calibration is measured as everywhere"
