"""Label perturbation (docs/theory.md sections 2 and 3).

With probability alpha, an image is trained on its perturbed label p(y, beta) in place of y: for one
object (1 - 2 beta) y + beta (`perturbed`). Alpha is the level of an image, fixed or learned; beta
is the strength of the perturbation, the same for all. Images are perturbed as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat, PrivateAttr

from pipeline_src.training.method import Batch, Method, Tensor, Validation
from pipeline_src.validation import Count


class Perturbing(Method):
    """A method with a level alpha per image.

    It has the self-calibrating binary cross entropy (SC-BCE) as its loss; SC-CE for K classes.
    """

    beta: float
    _alphas: np.ndarray  # (N,) the levels of all training images

    def levels(self, batch: Batch) -> np.ndarray:
        """Return the alphas (B,) of a batch."""
        return self._alphas.take(batch.index)

    def perturbed(self, y: Tensor, batch: Batch, rows: Sequence[int]) -> Tensor:
        """Return the perturbed label p(y, beta) of the images `rows` of a batch."""
        return perturbed(y[rows], self.beta)

    def targets(self, y: Tensor, batch: Batch) -> Tensor:
        """Return y where Z = 0 and p(y, beta) where Z = 1, Z ~ Bernoulli(alpha_i) per image."""
        rows = np.flatnonzero(batch.uniform("Z") < self.levels(batch)).tolist()
        targets = y.clone()
        if rows:
            targets[rows] = self.perturbed(y, batch, rows)
        return targets


class AdaptivePerturbation(Perturbing):
    """ASLP: one alpha per training image, which climbs the loss that the network descends:

    alpha_i <- clip(alpha_i + eta (m_i / beta + lam Reg_i)),   m_i = mean((2y - 1) z)

    The image is perturbed more where the network agrees with its label confidently; Reg limits
    that. A subclass defines Reg.
    """

    learns: ClassVar[bool] = True
    beta: PositiveFloat = 1.0
    """Strength of the perturbation, in the released program's convention (its default: 2)."""
    eta: PositiveFloat = 0.002
    """Step size of alpha."""
    lam: NonNegativeFloat = 2000.0
    """Weight of the regularizer Reg."""
    start_epoch: Count = 5
    """Alpha stays 0 through the first so many epochs."""
    form: Literal["drawn", "expected"] = "drawn"
    """`expected` is ours: no draw, each label is perturbed by its alpha at every visit
    (section 3.5).
    """

    def start(self, n: int, references: dict[str, list[float]], classes: int = 2) -> None:
        """Set the level of all images to 0; `references` are as of `Method.start`."""
        super().start(n, references, classes)
        self._alphas = np.zeros(n)

    def targets(self, y: Tensor, batch: Batch) -> Tensor:
        """Return randomly perturbed labels or, in the expected form, the mean of such labels."""
        if self.form == "expected":
            return expected(y, self.beta, self.levels(batch))
        return super().targets(y, batch)

    def reg(self, alpha: np.ndarray) -> np.ndarray | float:
        """Return Reg of images with levels `alpha` (B,); it lowers a level where it is below 0."""
        raise NotImplementedError

    def shortfall(self, alpha: np.ndarray) -> np.ndarray:
        """Return 1 minus the confidence of the expected label at levels `alpha` (B,), for any K."""
        return self.beta * alpha

    def image_statistic(self, z: Tensor, y: Tensor) -> Tensor:
        """Return the mean margins m_i, (B,)."""
        from pipeline_src.training.pixels import mean_margin

        return mean_margin(z, y)

    def after_step(self, m: np.ndarray, index: np.ndarray, epoch: int) -> None:
        """Move the alphas of a step's images by their margins m, and clip them to [0, bound).

        Alphas stay 0 through the first `start_epoch` epochs.
        """
        if epoch <= self.start_epoch:
            return
        alpha = self.stepped(self._alphas[index], m)
        # An alpha at the bound falls back by 0.01, as in the authors' program.
        alpha = np.where(alpha >= self.bound, self.highest, alpha)
        self._alphas[index] = np.maximum(alpha, 0.0)

    def stepped(self, alpha: np.ndarray, m: np.ndarray) -> np.ndarray:
        """Return the alphas (B,) of images with margins m (B,) after a step, before the clip."""
        return alpha + self.eta * (m / self.beta + self.lam * self.reg(alpha))

    @property
    def bound(self) -> float:
        """The alpha at which the class of the expected label would change."""
        return (self._classes - 1) / (self._classes * self.beta)

    @property
    def highest(self) -> float:
        """The largest alpha that a step can reach."""
        return self.bound - 0.01


class ReferencedPerturbation(AdaptivePerturbation):
    """ASLP whose Reg depends on A(theta_lm), the validation accuracy of a reference network.

    The authors' program has the current network; their overview figure does not define theta_lm.
    """

    theta_lm: Literal["current", "best_so_far", "last_epoch", "baseline"] = "current"
    """The network of the reference accuracy: the current one, the run's best so far, that of the
    epoch before, or the same seed's baseline at that epoch.
    """
    _accuracies: list[float] = PrivateAttr(default_factory=list)  # on validation, by epoch

    def references(self) -> list[str]:
        """Return the baseline if its accuracy is the reference, else no method."""
        return ["baseline"] if self.theta_lm == "baseline" else []

    def after_validation(self, validation: Validation, epoch: int) -> None:
        """Store the validation accuracy of the epoch."""
        # A new list, because a state that was saved before holds the old one.
        self._accuracies = [*self._accuracies, validation.accuracy]

    @property
    def reference_accuracy(self) -> float:
        """A(theta_lm) after the last epoch, in [0, 1]."""
        if self.theta_lm == "best_so_far":
            return max(self._accuracies)
        if self.theta_lm == "last_epoch":
            return self._accuracies[-2:][0]  # the first epoch has none before it
        if self.theta_lm == "baseline":
            return self._references["baseline"][len(self._accuracies) - 1]
        return self._accuracies[-1]


def perturbed(y: Tensor, beta: float | Tensor) -> Tensor:
    """Return p(y, beta) = (1 - beta) y + beta (1 - y) / (K - 1), outside [0, 1] for beta > 1.

    For one logit (K = 2) the formula is (1 - 2 beta) y + beta. Ignored pixels stay ignored.
    """
    if y.shape[1] == 1:
        return (1 - 2 * beta) * y + beta
    return (1 - beta) * y + beta * (y.sum(1, keepdim=True) - y) / (y.shape[1] - 1)


def expected(y: Tensor, beta: float, alpha: np.ndarray) -> Tensor:
    """Return the expectation y + alpha_i (p(y, beta) - y), for alpha (B,); y where alpha is 0."""
    level = y.new_tensor(alpha).view(-1, 1, 1, 1)
    return y + level * (perturbed(y, beta) - y)
