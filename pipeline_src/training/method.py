"""What a method of training is: parameters, and what it does at four moments (docs/method.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import PrivateAttr

from pipeline_src.params.schema import Strict
from pipeline_src.training.draws import generator

if TYPE_CHECKING:  # importing torch takes 1.5 s, and params.yaml is checked far more often than networks are trained
    from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Which images a step sees: `index` (B,) int64 into the training set, their `ids`, and the keys of their draws."""

    index: np.ndarray
    ids: list[str]
    seed: int
    epoch: int

    def uniform(self, purpose: str) -> np.ndarray:
        """One number in [0, 1) per image, shape (B,), keyed by (seed, epoch, sample id, purpose)."""
        return np.array([generator(self.seed, self.epoch, name, purpose).random() for name in self.ids])


class Method(Strict):
    """Plain training, and the base of every method: a subclass overrides the moments at which it differs.

    The fields of a subclass are its parameters, one block of params.yaml. Its learned state is `alphas` (one
    perturbation level per training image, keyed by sample id in what is saved) and whatever `state` adds.
    """

    learns: ClassVar[bool] = False  # whether it learns alphas, which then get tables and figures
    _alphas: np.ndarray | None = PrivateAttr(default=None)

    def references(self) -> list[str]:
        """Methods whose runs of the same seed this one needs as an input (most need none)."""
        return []

    def start(self, n: int, references: dict[str, list[float]]) -> None:
        """Before the first epoch: `n` training images, and per referenced method its validation accuracies by epoch."""
        self._alphas = None

    @property
    def alphas(self) -> np.ndarray | None:
        """Perturbation level per training image, shape (N,) float64; None for a method without."""
        return self._alphas

    # The four moments

    def targets(self, y: Tensor, batch: Batch) -> Tensor:
        """What the network is trained towards: y (B, 1, H, W) in [0, 1] -> targets of that shape, or one that
        broadcasts."""
        return y

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        """Loss of logits z (B, 1, H, W) against targets t, averaged over pixels and images."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(z, t.expand_as(z))

    def agreement(self, z: Tensor, y: Tensor) -> Tensor | None:
        """What `after_step` wants to know of the step's own logits, one number per image (B,); None if nothing."""
        return None

    def after_step(self, m: np.ndarray, index: np.ndarray, epoch: int) -> None:
        """After the optimiser's step: `m` (B,) float64 from `agreement` for the images `index` (B,). Epochs count
        from 1."""

    def after_validation(self, accuracy: float, epoch: int) -> None:
        """After an epoch's validation: its pixel accuracy in [0, 1] (original mask size, raw, threshold 0.5)."""

    # State, for checkpoints

    def state(self) -> dict[str, Any]:
        """All that a resumed run must know, of plain types and arrays."""
        return {"alphas": self._alphas}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self._alphas = state["alphas"]


class Perturbing(Method):
    """SC-BCE (docs/method.md section 2): with probability alpha_i an image's whole mask is perturbed for this step."""

    beta: float

    def perturbed(self, y: Tensor) -> Tensor:
        """The perturbed label p(y, beta) = (1 - 2 beta) y + beta; outside [0, 1] for beta > 1, and never clamped."""
        return (1 - 2 * self.beta) * y + self.beta

    def targets(self, y: Tensor, batch: Batch) -> Tensor:
        """One draw Z ~ Bernoulli(alpha_i) per image and visit: y where Z = 0, p(y, beta) where Z = 1."""
        drawn = batch.uniform("Z") < self._alphas[batch.index]
        if not drawn.any():
            return y
        t = y.clone()
        rows = drawn.nonzero()[0].tolist()
        t[rows] = self.perturbed(y[rows])
        return t
