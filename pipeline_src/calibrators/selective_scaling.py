"""Selective scaling (Wang, Gong, Wang, On Calibrating Semantic Segmentation Models, CVPR 2023)."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from scipy.special import expit, log_softmax, softmax

from pipeline_src.calibrators.calibrator import Calibrator, least, nll_and_gradient
from pipeline_src.calibrators.pixels import Pixels
from pipeline_src.calibrators.temperature import Temperature, minimised, nll_at, undetermined

CANDIDATES = 20


class SelectiveScalingCalibrator(Calibrator):
    """A classifier tells pixels that are likely wrong from those that are likely right; the logits of the former are
    divided by T, those of the latter stay. The class of every pixel stays what it was.

    Simplified: the authors' classifier is a network of four linear layers with batch norm on log f, mispredicted pixels
    counted twice, and their T a constant (about 2, up to 1e10 where the classifier is good). Here it is a logistic
    regression on log f, its threshold is the one of 20 quantiles of its score, and T the temperature, of least NLL
    together. Trained by cross entropy it says "wrong" where that is the likelier, which for one logit is nowhere: hence
    the fitted threshold.

    Attributes:
        weights, bias: of the score, weights @ terms + bias; a term for log f of each class, and for one logit abs(z).
        threshold: pixels with a score above it are likely wrong.
        temperature: T of these.
    """

    name: ClassVar[str] = "selective_scaling"
    keeps_class: ClassVar[bool] = True

    weights: list[float]
    bias: float
    threshold: float
    temperature: Temperature

    @classmethod
    def fit(cls, pixels: Pixels) -> Self:
        terms, z = _terms(pixels.z), pixels.z
        wrong = (z[:, 0] >= 0) != pixels.labels if z.shape[1] == 1 else z.argmax(axis=1) != pixels.labels
        scale = np.abs(terms).mean(axis=0).clip(1e-6, None)
        columns, share = np.hstack([terms / scale, np.ones((len(z), 1))]), pixels.weights / pixels.weights.sum()

        def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = nll_and_gradient((columns @ parameters)[:, None], wrong.astype(np.int64), share)
            # A wrong pixel may be told from all others exactly: a small penalty keeps the weights finite.
            return value + 1e-6 * (parameters @ parameters), gradient[:, 0] @ columns + 2e-6 * parameters

        fitted = least(loss, [0.0] * columns.shape[1])
        score = columns @ fitted
        best = (np.inf, float(score.max()) + 1, 1.0)  # no pixel is likely wrong
        for threshold in _thresholds(score, share):
            part, rest = (_rows(pixels, of) for of in (score > threshold, score <= threshold))
            temperature = minimised(*part)
            total = nll_at(*part, temperature) * part[2].sum()
            total += nll_at(*rest, 1.0) * rest[2].sum() if len(rest[0]) else 0
            best = min(best, (total, threshold, temperature))
        return cls(
            weights=(fitted[:-1] / scale).tolist(), bias=float(fitted[-1]), threshold=best[1], temperature=best[2]
        )

    def warnings(self, pixels: Pixels) -> list[str]:
        scaled = _rows(pixels, self._likely_wrong(pixels.z))
        return undetermined(*scaled, self.temperature) if scaled[2].any() else []

    def _likely_wrong(self, z: np.ndarray) -> np.ndarray:
        """(N,) bool, the pixels whose logits are divided."""
        return _terms(z) @ np.array(self.weights) + self.bias > self.threshold

    def probabilities(self, z: np.ndarray, features: np.ndarray) -> np.ndarray:
        z = z / np.where(self._likely_wrong(z), self.temperature, 1)[:, None]
        return expit(z) if z.shape[1] == 1 else softmax(z, axis=1)


def _thresholds(score: np.ndarray, share: np.ndarray) -> list[float]:
    """Below all scores, and at up to 20 quantiles of their weight halfway to the next score: on a score itself, which
    many pixels of an 8-bit map have, rounding would decide."""
    order = np.argsort(score, kind="stable")
    ascending, reached = score[order], np.cumsum(share[order])
    at = ascending[np.searchsorted(reached, np.arange(CANDIDATES) / CANDIDATES)]
    above = np.searchsorted(ascending, at + 1e-6)
    inside = above < len(score)
    halfway = (at[inside] + ascending[above[inside]]) / 2
    return [float(ascending[0]) - 1, *np.unique(halfway).tolist()]


def _rows(pixels: Pixels, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return pixels.z[kept], pixels.labels[kept], pixels.weights[kept]


def _terms(z: np.ndarray) -> np.ndarray:
    return np.abs(z) if z.shape[1] == 1 else log_softmax(z, axis=1)
