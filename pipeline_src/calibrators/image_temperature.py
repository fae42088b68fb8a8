"""Image-conditional temperature: one temperature per image, from what its predictions are like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field
from scipy.special import expit, softmax

from pipeline_src.calibrators import Feature
from pipeline_src.calibrators.calibrator import Calibrator, minimize_loss, nll_and_gradient
from pipeline_src.calibrators.pixels import FEATURES, OF_TWO_CLASSES, Pixels
from pipeline_src.calibrators.temperature import BOUNDS, at_bound
from pipeline_src.errors import UserError

SHAPES = (0.05, 20.0)  # bounds of g
EQUAL = 1e-6  # a smaller spread of a feature is rounding, not a difference of images


class ImageTemperatureCalibrator(Calibrator):
    """Divide the logits of each image by a temperature that depends on the image's features.

    z' = sign(z) abs(z)^g / T with log T = a + sum_j b_j x_j, x the features of the image, fitted by maximum
    likelihood. With b = 0 and g = 1 it is temperature scaling. The logits of K classes are centered first: then g
    changes no class. T stays in [0.01, 100]. Where confidence equals accuracy on each of several groups of images, it
    does on every mixture of them; the entropy of an image tells the groups apart without ground truth.

    Attributes:
        a: log T of an image whose features are 0.
        b: the coefficient of each feature.
        g: the shape: below 1 it draws in logits far from 0, above 1 logits near 0.

    Kind: posthoc
    Idea: A temperature per image, which depends on how unsure the network is of it.
    Formula: `z' = sign(z) abs(z)^g / T`, `log T = a + sum_j b_j x_j`, of least NLL on the validation images; `x_j` the
        image's `features`: mean predictive `entropy` in nats, predicted share of `foreground`, mean `margin`, `peak`;
        `g` fitted if `shape`, else 1
    Changes: probabilities
    Cost: none; the fit is one pass over the validation images, and one over their crops with `null_images`
    Setting: No author's. A pixel stands for a sample; `null_images` adds object-free crops of the validation images,
        truth all background, with this share of the weight.
    Source: ours, after Guo et al., ICML 2017
    """

    name: ClassVar[str] = "image_temperature"
    keeps_class: ClassVar[bool] = True
    of_image: ClassVar[bool] = True

    a: float
    b: dict[Feature, float]
    g: float = Field(1.0, ge=SHAPES[0] / 10, le=SHAPES[1] * 10)

    @classmethod
    def fit(cls, pixels: Pixels, features: Sequence[Feature] = ("entropy",), shape: bool = False) -> Self:
        """Maximize the likelihood over a, b and, if `shape`, g; see `calibrators.ImageTemperatureOptions`."""
        if pixels.classes > 2 and (undefined := sorted(OF_TWO_CLASSES & set(features))):
            raise UserError(
                f"{' and '.join(undefined)}: features of two classes",
                found=f"{pixels.classes} classes",
                fix="leave them out",
            )
        columns = [FEATURES.index(name) for name in features]
        values = pixels.features[:, columns]
        centre, spread = values.mean(axis=0), values.std(axis=0)
        scale = np.where(spread > EQUAL, 1 / np.maximum(spread, EQUAL), 0)  # standardized for the minimization only
        x = np.hstack([np.ones((pixels.number, 1)), (values - centre) * scale])[pixels.images]
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
        solution = minimize_loss(loss, [0.0] * (len(columns) + 2), [(None, None)] * (len(columns) + 1) + [limits])
        b = solution[1:-1] * scale
        by_name = dict(zip(features, b.tolist(), strict=True))
        return cls(a=float(solution[0] - b @ centre), b=by_name, g=float(np.exp(solution[-1])))

    def warnings(self, pixels: Pixels) -> list[str]:
        """A line where temperatures lie at a bound."""
        return at_bound(self.temperatures(pixels.features))

    def temperatures(self, features: np.ndarray) -> np.ndarray:
        """The temperatures (N,) of images by their features (N, 4)."""
        log_t = self.a + sum(b * features[:, FEATURES.index(name)] for name, b in self.b.items())
        return np.exp(np.clip(log_t, *np.log(BOUNDS)) * np.ones(len(features)))

    def probabilities(self, z: np.ndarray, features: np.ndarray) -> np.ndarray:
        """See `Calibrator`."""
        z = self._shaped(z) / self.temperatures(features)[:, None]
        return expit(z) if z.shape[1] == 1 else softmax(z, axis=1)

    def _shaped(self, z: np.ndarray) -> np.ndarray:
        z = centred(z)
        return np.sign(z) * np.abs(z) ** self.g


def centred(z: np.ndarray) -> np.ndarray:
    """Logits (N, K) minus their mean over classes; one logit stays."""
    return z if z.shape[1] == 1 else z - z.mean(axis=1, keepdims=True)
