"""The accuracy A(theta_lm) that a regularizer of ASLP refers to (docs/theory.md section 3)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PrivateAttr

from pipeline_src.training.method import Validation
from pipeline_src.training.perturbation import AdaptivePerturbation


class ReferencedPerturbation(AdaptivePerturbation):
    """ASLP whose Reg depends on A(theta_lm), the validation accuracy of a reference network.

    The authors' program has the current network; their overview figure does not define theta_lm.
    """

    theta_lm: Literal["current", "best_so_far", "last_epoch", "baseline"] = Field(
        "current",
        description="The network of the reference accuracy: the current one, the run's best so "
        "far, that of the epoch before, or the same seed's baseline at that epoch.",
    )
    _accuracies: list[float] = PrivateAttr(default_factory=list)  # on validation, by epoch

    def references(self) -> list[str]:
        return ["baseline"] if self.theta_lm == "baseline" else []

    def after_validation(self, validation: Validation, epoch: int) -> None:
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
