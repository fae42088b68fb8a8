"""ASLP_CL, closed-loop label perturbation (docs/theory.md section 6).

Each training image has a probability alpha that its label is perturbed. The mean of the alphas
rises until the network's confidence and accuracy agree.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat, PrivateAttr, model_validator

from pipeline_src.training.method import Validation
from pipeline_src.training.perturbation import AdaptivePerturbation


class ASLPCL(AdaptivePerturbation):
    """ASLP whose target level B follows C - A, the confidence minus the accuracy of the network on
    the validation images. In ASLP_MC the target level is 1 - A.

    The target level is the wanted mean of beta alpha_i over all images, that is 1 minus the mean
    confidence of the perturbed labels. At B = 0 no label is perturbed, as in the baseline. Between
    0 and the highest level that the alphas can reach, B stops moving only where C = A.

    In each step the alphas move by the margins of their images, and are then shifted together
    (projected) until the mean of beta alpha_i is B again. So the margins determine only which
    images have more than the mean alpha.

    Kind: ours
    Idea: One alpha per image, driven until the network's own confidence equals its accuracy.
    Formula: `B <- B + gain (C - A)`, `alpha_i <- alpha_i + eta ((m_i - mean m) / beta + lam (B -
        beta alpha_i))`, projected on mean `beta alpha_i = B`
    Source: ours, after ASLP_MC
    """

    lam: PositiveFloat = 100.0
    """Pull of each alpha to the target level; the spread of alphas falls with it."""
    gain: float = Field(0.3, gt=0, lt=1)
    """Share of the gap by which the target level moves after an epoch."""
    form: Literal["drawn", "expected"] = "expected"
    """`drawn` perturbs by chance, as ASLP does."""
    _target_level: float = PrivateAttr(default=0.0)  # B
    _margins: np.ndarray  # the last m of each training image, (N,); NaN before the first

    @model_validator(mode="after")
    def _does_not_overshoot(self) -> ASLPCL:
        """Return the method after checking that a step moves no alpha past its target level."""
        # The share of its distance to the target level that an alpha goes in a step: the step size
        # eta times the weight lam of the distance, which is measured in beta alpha.
        pull = self.eta * self.lam * self.beta
        if pull > 1:
            raise ValueError(f"eta lam beta is {pull:g}; above 1 alpha overshoots its target level")
        return self

    def start(self, n: int, references: dict[str, list[float]], classes: int = 2) -> None:
        """Set all alphas to 0, and the last margins of all n images to NaN: not measured yet.

        Args:
            references: not used; validation accuracies of other methods.
        """
        super().start(n, references, classes)
        self._margins = np.full(n, np.nan)

    def reg(self, alpha: np.ndarray) -> np.ndarray:
        """Return B - beta alpha of images with levels alpha (B,), positive below the target level.

        It pulls each alpha to the target level B, where other methods of ASLP have 1 - A.
        """
        return self._target_level - self.shortfall(alpha)

    def after_step(self, m: np.ndarray, index: np.ndarray, epoch: int) -> None:
        """Store the margins of a step; move its images' alphas, and project all alphas.

        The projection restores the mean of the alphas that the target level asks for. Alphas stay 0
        through the first `start_epoch` epochs.

        Args:
            m: margins of the step's images, (B,).
            index: places of the images in the training set, (B,).
        """
        self._margins[index] = m
        if epoch <= self.start_epoch:
            return
        # Margins relative to the mean only order the images: B alone sets the mean alpha.
        self._alphas[index] = self.stepped(self._alphas[index], m - np.nanmean(self._margins))
        self._project()

    def after_validation(self, validation: Validation, epoch: int) -> None:
        """Move the target level by a share of the gap C - A, and project all alphas to it.

        An overconfident network (C > A) gets labels that are perturbed more.
        """
        if epoch < self.start_epoch:
            return
        self._target_level = self.moved(self._target_level, validation.gap)
        self._project()

    def moved(self, target_level: float, gap: float) -> float:
        """Return a target level after an epoch that ended with a gap C - A.

        It moves by the share `gain` of the gap, within the range that the alphas can reach.
        """
        # Beyond this limit no alpha could follow, and B would first have to come back to act again.
        highest = self.beta * self.highest
        return float(np.clip(target_level + self.gain * gap, 0.0, highest))

    def _project(self) -> None:
        """Shift the alphas until the mean of beta alpha_i equals the target level B."""
        self._alphas = projected(self._alphas, self._target_level / self.beta, self.highest)

    def history_values(self) -> dict[str, float]:
        """Return the target level B, in the column `mark`, its name in published histories."""
        return {"mark": self._target_level}


def projected(alpha: np.ndarray, mean: float, highest: float) -> np.ndarray:
    """Return the alphas (N,) in [0, highest] with a given mean that are nearest to `alpha`.

    All alphas are shifted by one number, then clipped; a root finder determines the number. It
    takes half a millisecond for 10,000 images.

    Args:
        mean: in [0, highest].
    """
    from scipy.optimize import brentq

    def shifted(shift: float) -> np.ndarray:
        """Return the alphas after adding `shift` and clipping."""
        return np.clip(alpha + shift, 0.0, highest)

    least = -alpha.max()  # all alphas become 0
    most = highest - alpha.min()  # all alphas become `highest`
    mean = min(mean, shifted(most).mean())  # larger only by rounding
    return shifted(brentq(lambda shift: shifted(shift).mean() - mean, least, most))
