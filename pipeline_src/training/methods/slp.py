"""SLP, static stochastic label perturbation (docs/theory.md section 3).

All images have one fixed alpha.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat, model_validator

from pipeline_src.training.method import Batch, Tensor
from pipeline_src.training.perturbation import Perturbing, perturbed
from pipeline_src.validation import Fraction


class SLP(Perturbing):
    """Label perturbation with a fixed probability alpha. Its strength beta is 1 for hard inversion
    (HI), 0.75 for soft inversion (SI), 0.5 for moderation (M) and, with `noise: 0.25`, dynamic
    moderation.

    Kind: paper
    Idea: In a step, an image's whole label is perturbed with one fixed probability.
    Formula: `(1 - Z) L(y) + Z L(p(y, beta))`, `Z ~ Bernoulli(alpha)` per image and step
    Setting: alpha is ours: the paper's is not known.
    Source: Liu et al., ICCV 2023; HI as DisturbLabel (Xie et al., CVPR 2016)
    """

    alpha: Fraction = 0.05
    """Probability that an image's mask is perturbed in a step."""
    beta: PositiveFloat = 1.0
    """Strength of the perturbation, in the released program's convention."""
    noise: NonNegativeFloat = 0.0
    """Bound of the noise on beta, per pixel: standard normal, truncated to +- noise."""

    @model_validator(mode="after")
    def _keeps_class(self) -> SLP:
        """Return the method after checking that alpha keeps the class of the expected label.

        The expected label is the mean over the random perturbations, which a network learns.
        """
        # The bound of two classes; that of K > 2, (K - 1) / (K beta), is larger.
        bound = 1 / (2 * self.beta)
        if self.alpha >= bound:
            raise ValueError(
                f"alpha must be below 1 / (2 beta) = {bound:g}, "
                "else the expected label changes side"
            )
        return self

    def start(self, n: int, references: dict[str, list[float]], classes: int = 2) -> None:
        """Set the probability of a perturbation to `alpha` for all n training images.

        Args:
            references: not used; validation accuracies of other methods.
        """
        super().start(n, references, classes)
        self._alphas = np.full(n, self.alpha)

    def perturbed(self, y: Tensor, batch: Batch, rows: Sequence[int]) -> Tensor:
        """Return the perturbed labels of some images of a batch.

        With `noise`, each pixel has a strength of perturbation beta of its own.

        Args:
            y: labels (B, C, H, W) of the whole batch.
            rows: places of the images in the batch.
        """
        if not self.noise:
            return super().perturbed(y, batch, rows)
        draws = batch.generators("noise")
        shape = (1, *y.shape[2:])
        noise = np.stack([truncated_normal(draws[row], self.noise, shape) for row in rows])
        return perturbed(y[rows], self.beta + y.new_tensor(noise))


def truncated_normal(
    draws: np.random.Generator, bound: float, shape: tuple[int, ...]
) -> np.ndarray:
    """Return random numbers of `shape`, float64: standard normal, truncated to [-bound, bound].

    They are quantiles of the normal distribution at uniform draws between those of the bounds.
    """
    from scipy.special import ndtr, ndtri

    return np.asarray(ndtri(draws.uniform(ndtr(-bound), ndtr(bound), shape)))
