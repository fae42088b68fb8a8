"""Image-conditional temperature: one per image, from how uncertain its predictions are."""

from __future__ import annotations

from typing import Self

import numpy as np

from pipeline_src.calibrators.calibrator import (
    Calibrator,
    ValueAndGradient,
    minimize_loss,
    nll_and_gradient,
)
from pipeline_src.calibrators.pixels import Pixels, to_probabilities
from pipeline_src.calibrators.temperature import BOUNDS

LOWEST, HIGHEST = np.log(BOUNDS)  # of log T, for the temperature T of an image
EQUAL = 1e-6  # entropies in nats with a smaller standard deviation differ only by rounding


class ImageTemperatureCalibrator(Calibrator):
    """Divide the logits of each image by a temperature that depends on their mean entropy.

    log T = a + b * entropy, fitted by maximum likelihood. With b = 0 it is temperature scaling. T
    stays in [0.01, 100]. Where confidence equals accuracy on each of several groups of images, it
    does on every mixture of them; the entropy of an image distinguishes the groups without ground
    truth.

    Attributes:
        a: log T of an image whose entropy is 0.
        b: the change of log T per nat.

    Kind: posthoc
    Idea: A temperature per image, which depends on how unsure the network is of it.
    Formula: `f = sigmoid(z / T)`, `log T = a + b x`, of least NLL on the validation images; `x` the
        mean predictive entropy of the image in nats
    Changes: probabilities
    Setting: No author's. A pixel stands for a sample.
    Source: ours, after Guo et al., ICML 2017
    """

    name = "image_temperature"
    keeps_class = True
    per_image = True

    a: float
    b: float

    @classmethod
    def fit(cls, pixels: Pixels) -> Self:
        """Return the calibrator of maximum likelihood over a and b, log T = a + b * entropy.

        The search is over coefficients of standardized entropies, because it then converges fast.
        If all images have the same entropy, b is 0.
        """
        center = pixels.entropy.mean()
        spread = pixels.entropy.std()
        scale = 1 / spread if spread > EQUAL else 0.0
        standardized = (pixels.entropy - center) * scale
        # One row per pixel: 1, and the standardized entropy of its image.
        x = np.stack([np.ones(pixels.number), standardized], axis=1)[pixels.images]

        def loss(parameters: np.ndarray) -> ValueAndGradient:
            """Return the NLL and its gradient at the two coefficients of log T on `x`."""
            log_t = x @ parameters
            clipped = log_t.clip(LOWEST, HIGHEST)
            scaled = pixels.z * np.exp(-clipped)[:, None]
            value, gradient = nll_and_gradient(scaled, pixels)
            # Scaled logits have the slope -1 times themselves by log T, and 0 where it is clipped.
            inside = (log_t > LOWEST) & (log_t < HIGHEST)
            return value, -((gradient * scaled).sum(axis=1) * inside) @ x

        constant, slope = minimize_loss(loss, [0.0, 0.0])
        # Back from standardized entropies to nats.
        b = float(slope * scale)
        return cls(a=float(constant - slope * scale * center), b=b)

    def temperatures(self, entropy: np.ndarray) -> np.ndarray:
        """Return the temperatures (N,) of images with mean entropies (N,) in nats, clipped."""
        log_t = self.a + self.b * entropy
        return np.exp(np.clip(log_t, LOWEST, HIGHEST))

    def probabilities(self, z: np.ndarray, entropy: np.ndarray) -> np.ndarray:
        """Return the calibrated probabilities (N, C) of logits z (N, C).

        Args:
            entropy: (N,) or (1,), the mean entropy of the pixels' images in nats.
        """
        return to_probabilities(z / self.temperatures(entropy)[:, None])
