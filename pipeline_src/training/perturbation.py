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
    """A method that perturbs the label of an image with a probability alpha, the image's level.

    `beta` is the strength of the perturbation.

    Cross entropy against such labels is the paper's self-calibrating binary cross entropy (SC-BCE),
    for K classes SC-CE.
    """

    beta: float
    _alphas: np.ndarray  # (N,) the levels of all training images

    def levels(self, batch: Batch) -> np.ndarray:
        """Return the alphas of a batch, (B,): the probability of each label to be perturbed."""
        return self._alphas.take(batch.index)

    def perturbed(self, y: Tensor, batch: Batch, rows: Sequence[int]) -> Tensor:
        """Return the perturbed labels p(y, beta) of some images of a batch.

        A subclass may also draw noise for `batch`.

        Args:
            y: labels (B, C, H, W) of the whole batch.
            rows: places of the images in the batch.
        """
        return perturbed(y[rows], self.beta)

    def targets(self, y: Tensor, batch: Batch) -> Tensor:
        """Return the labels y, with those of randomly drawn images perturbed.

        Image i has the label y where Z = 0 and p(y, beta) where Z = 1, for Z ~ Bernoulli(alpha_i).
        """
        rows = np.flatnonzero(batch.uniform("Z") < self.levels(batch)).tolist()
        targets = y.clone()
        if rows:
            targets[rows] = self.perturbed(y, batch, rows)
        return targets


class AdaptivePerturbation(Perturbing):
    """ASLP, a learned probability alpha per training image that its label is perturbed.

    Alpha climbs the loss that the network descends:

    alpha_i <- clip(alpha_i + eta (m_i / beta + lam Reg_i)),   m_i = mean((2y - 1) z)

    The margin m_i is the mean over the pixels of image i, with logits z and labels y. So the image
    is perturbed more where the network agrees with its label confidently; Reg limits that. A
    subclass defines Reg.
    """

    learns_alphas: ClassVar[bool] = True
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
        """Set the alphas of all n images to 0: training starts without perturbation.

        Args:
            references: validation accuracies by epoch of other methods, for some subclasses.
        """
        super().start(n, references, classes)
        self._alphas = np.zeros(n)

    def targets(self, y: Tensor, batch: Batch) -> Tensor:
        """Return randomly perturbed labels or, in the expected form, the mean of such labels.

        The expected form trains on the same mean label without the noise of the draws.
        """
        if self.form == "expected":
            return expected(y, self.beta, self.levels(batch))
        return super().targets(y, batch)

    def reg(self, alpha: np.ndarray) -> np.ndarray | float:
        """Return the regularizer of images with levels `alpha` (B,), which a subclass defines.

        It lowers a level where it is below 0, and raises it where it is above 0.
        """
        raise NotImplementedError

    def shortfall(self, alpha: np.ndarray) -> np.ndarray:
        """Return 1 minus the confidence of the expected label at levels `alpha` (B,).

        Perturbation moves a share beta of a label to other classes, with probability alpha.
        """
        return self.beta * alpha

    def image_statistic(self, z: Tensor, y: Tensor) -> Tensor:
        """Return the margin of each image, (B,): how confidently logits agree with labels."""
        from pipeline_src.training.pixels import mean_margin

        return mean_margin(z, y)

    def after_step(self, m: np.ndarray, index: np.ndarray, epoch: int) -> None:
        """Move the alphas of a step's images by their margins m (B,), and clip them to [0, bound).

        Alphas stay 0 through the first `start_epoch` epochs.

        Args:
            index: places of the images in the training set, (B,).
        """
        if epoch <= self.start_epoch:
            return
        alpha = self.stepped(self._alphas[index], m)
        # An alpha at the bound falls back by 0.01, as in the authors' program.
        alpha = np.where(alpha >= self.bound, self.highest, alpha)
        self._alphas[index] = np.maximum(alpha, 0.0)

    def stepped(self, alpha: np.ndarray, m: np.ndarray) -> np.ndarray:
        """Return the alphas (B,) of images with margins m (B,) after a step, before the clip.

        Alpha climbs the loss that the network descends: m / beta is the loss's slope by alpha, up
        to a positive factor. `reg` holds it back.
        """
        return alpha + self.eta * (m / self.beta + self.lam * self.reg(alpha))

    @property
    def bound(self) -> float:
        """The alpha at which the class of the expected label would change.

        There the confidence of the expected label, 1 - beta alpha, is 1 / K. As a probability,
        alpha is at most 1.
        """
        return min(1.0, (self._classes - 1) / (self._classes * self.beta))

    @property
    def highest(self) -> float:
        """The alpha to which one at the bound falls back: 0.01 below it, as in the authors'
        program.
        """
        return max(0.0, self.bound - 0.01)


class ReferencedPerturbation(AdaptivePerturbation):
    """ASLP whose regularizer depends on the validation accuracy of a reference network, theta_lm.

    The authors' program has the current network; their overview figure does not define theta_lm.
    """

    theta_lm: Literal["current", "best_so_far", "last_epoch", "baseline"] = "current"
    """The network of the reference accuracy: the current one, the run's best so far, that of the
    epoch before, or the same seed's baseline at that epoch.
    """
    _accuracies: list[float] = PrivateAttr(default_factory=list)  # on validation, by epoch

    def references(self) -> list[str]:
        """Return the methods whose runs must come first: the baseline, if it is theta_lm."""
        return ["baseline"] if self.theta_lm == "baseline" else []

    def after_validation(self, validation: Validation, epoch: int) -> None:
        """Store the validation accuracy of the epoch, for `reference_accuracy`."""
        # A new list, because a state that was saved before holds the old one.
        self._accuracies = [*self._accuracies, validation.accuracy]

    @property
    def reference_accuracy(self) -> float:
        """The validation accuracy of the reference network after the last epoch, in [0, 1]."""
        if self.theta_lm == "best_so_far":
            return max(self._accuracies)
        if self.theta_lm == "last_epoch":
            return self._accuracies[-2:][0]  # the first epoch has none before it
        if self.theta_lm == "baseline":  # at the same epoch
            return self._references["baseline"][len(self._accuracies) - 1]
        return self._accuracies[-1]


def perturbed(y: Tensor, beta: float | Tensor) -> Tensor:
    """Return labels y that move a share beta of their mass equally to the other classes.

    p(y, beta) = (1 - beta) y + beta (1 - y) / (K - 1), outside [0, 1] for beta > 1. For one logit
    (K = 2) the formula is (1 - 2 beta) y + beta.

    Args:
        y: labels (B, 1, H, W), or planes (B, K, H, W) that are all 0 on ignored pixels.
        beta: one share, or one per pixel.
    """
    if y.shape[1] == 1:
        return (1 - 2 * beta) * y + beta
    # The sum of the planes is 1, and 0 on ignored pixels, which so stay 0.
    return (1 - beta) * y + beta * (y.sum(1, keepdim=True) - y) / (y.shape[1] - 1)


def expected(y: Tensor, beta: float, alpha: np.ndarray) -> Tensor:
    """Return the mean of labels that are perturbed with the probabilities alpha (B,).

    Of image i it is y + alpha_i (p(y, beta) - y), for labels y (B, C, H, W).
    """
    level = y.new_tensor(alpha).view(-1, 1, 1, 1)
    return y + level * (perturbed(y, beta) - y)
