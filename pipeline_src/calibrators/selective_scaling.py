"""Selective scaling (Wang, Gong, Wang, On Calibrating Semantic Segmentation Models, CVPR 2023)."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from scipy.special import expit, log_softmax, softmax

from pipeline_src.calibrators.calibrator import Calibrator, minimize_loss, nll_and_gradient
from pipeline_src.calibrators.pixels import Pixels
from pipeline_src.calibrators.temperature import Temperature, fit_temperature, nll_at

CANDIDATES = 20  # thresholds that are tried


class SelectiveScalingCalibrator(Calibrator):
    """Divide by a temperature only the logits of pixels that a classifier calls likely wrong; others stay.

    The class of every pixel stays. The classifier is a logistic regression on log f (for one logit on abs(z)). Its
    threshold, one of 20 quantiles of its score, and T minimize the NLL together. A classifier trained by cross entropy
    calls pixels wrong where that is more likely than not, which for one logit is nowhere: hence the fitted threshold.

    Attributes:
        weights, bias: of the score, weights @ terms + bias; a term for log f of each class, and for one logit abs(z).
        threshold: pixels with a score above it are likely wrong.
        temperature: T of these pixels.

    Kind: posthoc
    Idea: Only pixels that are likely wrong are made less sure.
    Formula: `f = softmax(z / T)` where a classifier of `log f` calls the pixel likely wrong, else `softmax(z)`
    Changes: probabilities
    Cost: none; the fit is one pass over the validation images
    Setting: Simplified. The authors' classifier is a network of four linear layers with batch norm, mispredicted pixels
        counted twice, and their T a constant: about 2, up to 1e10 where the classifier is good. Here it is a logistic
        regression, whose threshold and T have the least NLL on the validation images.
    Source: Wang, Gong, Wang, CVPR 2023
    """

    name: ClassVar[str] = "selective_scaling"
    keeps_class: ClassVar[bool] = True

    weights: list[float]
    bias: float
    threshold: float
    temperature: Temperature

    @classmethod
    def fit(cls, pixels: Pixels) -> Self:
        """Fit the classifier, then threshold and temperature."""
        terms, z = _terms(pixels.z), pixels.z
        wrong = (z[:, 0] >= 0) != pixels.labels if z.shape[1] == 1 else z.argmax(axis=1) != pixels.labels
        scale = np.abs(terms).mean(axis=0).clip(1e-6, None)
        columns, share = np.hstack([terms / scale, np.ones((len(z), 1))]), pixels.weights / pixels.weights.sum()

        def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = nll_and_gradient((columns @ parameters)[:, None], wrong.astype(np.int64), share)
            # Wrong pixels may be separable from right ones: a small penalty keeps the weights finite.
            return value + 1e-6 * (parameters @ parameters), gradient[:, 0] @ columns + 2e-6 * parameters

        solution = minimize_loss(loss, [0.0] * columns.shape[1])
        score = columns @ solution
        best = (np.inf, float(score.max()) + 1, 1.0)  # no pixel is likely wrong
        for threshold in _thresholds(score, share):
            above, below = (_rows(pixels, selected) for selected in (score > threshold, score <= threshold))
            temperature = fit_temperature(*above)
            total = nll_at(*above, temperature) * above[2].sum()
            total += nll_at(*below, 1.0) * below[2].sum() if len(below[0]) else 0
            best = min(best, (total, threshold, temperature))
        weights = (solution[:-1] / scale).tolist()
        return cls(weights=weights, bias=float(solution[-1]), threshold=best[1], temperature=best[2])

    def _likely_wrong(self, z: np.ndarray) -> np.ndarray:
        """(N,) bool, the pixels whose logits are divided."""
        return _terms(z) @ np.array(self.weights) + self.bias > self.threshold

    def probabilities(self, z: np.ndarray, features: np.ndarray) -> np.ndarray:
        """See `Calibrator`."""
        z = z / np.where(self._likely_wrong(z), self.temperature, 1)[:, None]
        return expit(z) if z.shape[1] == 1 else softmax(z, axis=1)


def _thresholds(score: np.ndarray, share: np.ndarray) -> list[float]:
    """One threshold below all scores, and up to 20 at quantiles of their weight. Those lie halfway to the next score:
    many pixels of an 8-bit map have the same score, on which rounding would decide."""
    order = np.argsort(score, kind="stable")
    ascending, reached = score[order], np.cumsum(share[order])
    quantiles = ascending[np.searchsorted(reached, np.arange(CANDIDATES) / CANDIDATES)]
    above = np.searchsorted(ascending, quantiles + 1e-6)
    inside = above < len(score)
    halfway = (quantiles[inside] + ascending[above[inside]]) / 2
    return [float(ascending[0]) - 1, *np.unique(halfway).tolist()]


def _rows(pixels: Pixels, selected: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return pixels.z[selected], pixels.labels[selected], pixels.weights[selected]


def _terms(z: np.ndarray) -> np.ndarray:
    return np.abs(z) if z.shape[1] == 1 else log_softmax(z, axis=1)
