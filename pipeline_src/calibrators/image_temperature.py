"""Image-conditional temperature: one temperature per image, from what its predictions are like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field
from scipy.special import expit, softmax

from pipeline_src.calibrators import Feature
from pipeline_src.calibrators.calibrator import Calibrator, Coefficient, least, nll_and_gradient
from pipeline_src.calibrators.pixels import FEATURES, OF_TWO_CLASSES, Pixels
from pipeline_src.calibrators.temperature import BOUNDS, FLAT, NEAR, nll_at
from pipeline_src.errors import UserError

SHAPES = (0.05, 20.0)
EQUAL = 1e-6  # spread of a feature up to which rounding, and no difference of the images, explains it
FEW = 10  # images that do not tell how temperature follows a feature


class ImageTemperatureCalibrator(Calibrator):
    """z' = sign(z) abs(z)^g / T with log T = a + sum_j b_j x_j, x the features of the image, by maximum likelihood.

    Where all b are 0 and g is 1 it is temperature scaling. The logits of K classes are taken less their mean,
    so that g moves no class; T of an image stays in [0.01, 100].

    Attributes:
        a: log T of an image whose features are 0.
        b: by feature.
        g: the shape: below 1 logits far from 0 are drawn in, above 1 those near to it.
    """

    name: ClassVar[str] = "image_temperature"
    keeps_class: ClassVar[bool] = True
    of_image: ClassVar[bool] = True

    a: Coefficient
    b: dict[Feature, Coefficient]
    g: float = Field(1.0, ge=SHAPES[0] / 10, le=SHAPES[1] * 10)

    @classmethod
    def fit(cls, pixels: Pixels, features: Sequence[Feature] = ("entropy",), shape: bool = False) -> Self:
        """Args:
        features: which ones.
        shape: whether g is fitted, or 1.
        """
        if pixels.classes > 2 and (undefined := sorted(OF_TWO_CLASSES & set(features))):
            raise UserError(
                f"{' and '.join(undefined)}: features of two classes",
                found=f"{pixels.classes} classes",
                do="leave them out",
            )
        columns = [FEATURES.index(name) for name in features]
        of_image = pixels.features[:, columns]
        centre, spread = of_image.mean(axis=0), of_image.std(axis=0)
        scale = np.where(spread > EQUAL, 1 / np.maximum(spread, EQUAL), 0)  # standardised for the minimisation alone
        x = np.hstack([np.ones((pixels.number, 1)), (of_image - centre) * scale])[pixels.images]
        z, weights = centred(pixels.z), pixels.weights / pixels.weights.sum()
        sign, log_z = np.sign(z), np.log(np.maximum(np.abs(z), 1e-300))

        def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            log_t = x @ parameters[:-1]
            g = np.exp(parameters[-1])
            inside = np.log(BOUNDS[0]) < log_t
            inside &= log_t < np.log(BOUNDS[1])
            scaled = sign * np.exp(g * log_z - log_t.clip(*np.log(BOUNDS))[:, None])
            value, gradient = nll_and_gradient(scaled, pixels.labels, weights)
            by_log = gradient * scaled
            by_t = -(by_log.sum(axis=1) * inside) @ x
            return value, np.append(by_t, g * (by_log * log_z).sum())

        limits = tuple(np.log(SHAPES)) if shape else (0.0, 0.0)
        fitted = least(loss, [0.0] * (len(columns) + 2), [(None, None)] * (len(columns) + 1) + [limits])
        b = fitted[1:-1] * scale
        named = dict(zip(features, b.tolist(), strict=True))
        return cls(a=float(fitted[0] - b @ centre), b=named, g=float(np.exp(fitted[-1])))

    def warnings(self, pixels: Pixels) -> list[str]:
        lines, n = [], pixels.number
        if self.b and n < FEW:
            features = " and ".join(self.b)
            lines.append(f"{n} images hardly tell how the temperature follows {features}; give {FEW} or more")
        temperatures = self.temperatures(pixels.features)
        ends = ((temperatures < BOUNDS[0] * NEAR) | (temperatures > BOUNDS[1] / NEAR)).sum()
        if ends:
            lines.append(f"the temperature of {ends} of {n} images lies at a bound; the pixels do not determine it")
        elif self._flat(pixels):
            lines.append("the loss is flat up to a temperature's bound; the pixels do not determine the temperatures")
        return lines

    def _flat(self, pixels: Pixels) -> bool:
        """Whether one temperature at a bound has no larger NLL."""
        bent, of = self._bent(pixels.z), (pixels.labels, pixels.weights)
        least = nll_at(bent / self.temperatures(pixels.of_images)[:, None], *of, 1)
        return any(nll_at(bent, *of, bound) <= least * (1 + FLAT) for bound in BOUNDS)

    def temperatures(self, features: np.ndarray) -> np.ndarray:
        """(N, 4) features -> (N,) T."""
        log_t = self.a + sum(b * features[:, FEATURES.index(name)] for name, b in self.b.items())
        return np.exp(np.clip(log_t, *np.log(BOUNDS)) * np.ones(len(features)))

    def probabilities(self, z: np.ndarray, features: np.ndarray) -> np.ndarray:
        z = self._bent(z) / self.temperatures(features)[:, None]
        return expit(z) if z.shape[1] == 1 else softmax(z, axis=1)

    def _bent(self, z: np.ndarray) -> np.ndarray:
        z = centred(z)
        return np.sign(z) * np.abs(z) ** self.g


def centred(z: np.ndarray) -> np.ndarray:
    """Logits (N, K) less their mean; of one logit itself."""
    return z if z.shape[1] == 1 else z - z.mean(axis=1, keepdims=True)
