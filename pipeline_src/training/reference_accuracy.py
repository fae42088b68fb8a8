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
        description="The network of the reference accuracy: the current one, the run's best so far, "
        "that of the epoch before, or the same seed's baseline at that epoch.",
    )
    _accuracy: float = PrivateAttr(default=0.0)
    _previous: float = PrivateAttr(default=0.0)
    _best: float = PrivateAttr(default=0.0)
    _of_baseline: float = PrivateAttr(default=0.0)
    _baseline: list[float] = PrivateAttr(default_factory=list)

    def references(self) -> list[str]:
        return ["baseline"] if self.theta_lm == "baseline" else []

    def start(self, n: int, references: dict[str, list[float]], classes: int = 2) -> None:
        super().start(n, references, classes)
        self._baseline = references.get("baseline", [])

    def after_validation(self, validation: Validation, epoch: int) -> None:
        self._previous = self._accuracy or validation.accuracy  # the first epoch has none before it
        self._accuracy = validation.accuracy
        self._best = max(self._best, self._accuracy)
        if self.theta_lm == "baseline":
            self._of_baseline = self._baseline[epoch - 1]

    @property
    def reference_accuracy(self) -> float:
        """A(theta_lm) after the last epoch, in [0, 1]."""
        readings = {
            "current": self._accuracy,
            "best_so_far": self._best,
            "last_epoch": self._previous,
            "baseline": self._of_baseline,
        }
        return readings[self.theta_lm]
