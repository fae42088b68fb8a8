"""Post-hoc methods: they train nothing, and predict with the networks of a method that trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline_src.training.method import MethodEntry, Tensor
from pipeline_src.validation import Name

if TYPE_CHECKING:  # as in method.py: params.yaml is checked without torch
    from pipeline_src.data.store import Store
    from pipeline_src.params.schema import Experiment
    from pipeline_src.training.classifier import DenseClassifier


class PostHoc(MethodEntry):
    """One network without a change, and the base of every post-hoc method, whose subclasses override methods."""

    every_seed: ClassVar[bool] = False  # one run made of the networks of all seeds, instead of one run per seed
    fits: ClassVar[bool] = False  # whether `fit` looks at the validation images

    of: Name = Field("baseline", description="The method whose trained networks it uses.")
    weights: Literal["last", "averaged"] = Field(
        "last", description="The weights of these networks: those of the last step, or averaged over the last epochs."
    )

    def references(self) -> list[str]:
        """The method whose networks it uses."""
        return [self.of]

    def fit(self, networks: list[DenseClassifier], store: Store, experiment: Experiment) -> dict[str, Any]:
        """Learn from the validation images, once per run, before the run is evaluated.

        Args:
            networks: the network of the run's seed, or of all seeds where `every_seed`.
            store: the validation images.

        Returns:
            Numbers and texts, and lists and dicts of them, that JSON can store.
        """
        return {}

    def logits(self, networks: list[DenseClassifier], x: Tensor, ids: list[str], seed: int) -> list[Tensor]:
        """Return the predictions to be averaged: images x (B, 3, S, S) uint8 -> logits, each (B, C, h, w)."""
        return [network(x) for network in networks]

    def probability(self, logits: list[Tensor], size: tuple[int, int], fitted: dict[str, Any]) -> np.ndarray:
        """Average the probabilities of one image at its original size.

        Args:
            logits: predictions (C, h, w).
            size: (H, W).
            fitted: the result of `fit`.

        Returns:
            float32, (H, W) for one logit, (K, H, W) for K classes.
        """
        from pipeline_src.training.classifier import probability

        # In double precision, whose sum rounds to the same float32 in any order of the networks.
        total = np.sum([probability(z, size).astype(np.float64) for z in logits], axis=0)
        return np.asarray(total / len(logits), np.float32)
