"""What a post-hoc method is: it trains nothing, and predicts with the networks of a method that does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline_src.training.method import Block, Tensor
from pipeline_src.validation import Name

if TYPE_CHECKING:  # as in method.py: params.yaml is checked without torch
    from pipeline_src.data.store import Store
    from pipeline_src.params.schema import Experiment
    from pipeline_src.training.classifier import DenseClassifier


class PostHoc(Block):
    """One network as it is, and the base of every post-hoc method: a subclass overrides what it does differently."""

    every_seed: ClassVar[bool] = False  # one run made of the networks of all seeds, instead of one run per seed
    fits: ClassVar[bool] = False  # whether `fit` looks at the validation images

    of: Name = Field("baseline", description="The method whose trained networks it uses.")
    weights: Literal["last", "averaged"] = Field(
        "last", description="The weights of these networks: those of the last step, or averaged over the last epochs."
    )

    def references(self) -> list[str]:
        return [self.of]

    def fit(self, networks: list[DenseClassifier], store: Store, experiment: Experiment) -> dict[str, Any]:
        """Once per run, before it is evaluated: what is learned from the validation images: a dict of
        numbers and texts, and of lists and dicts of them, as JSON can hold.

        Args:
            networks: one of the run's seed, or of all seeds where `every_seed`.
            store: the validation images.
        """
        return {}

    def logits(self, networks: list[DenseClassifier], x: Tensor, ids: list[str], seed: int) -> list[Tensor]:
        """The predictions that are averaged: images x (B, 3, S, S) uint8 -> logits, each (B, C, h, w)."""
        return [network(x) for network in networks]

    def probability(self, logits: list[Tensor], size: tuple[int, int], fitted: dict[str, Any]) -> np.ndarray:
        """One image's predictions (C, h, w) -> the mean of their probabilities at its original `size`, float32: (H, W)
        for one logit, (K, H, W) for K classes. `fitted` is what `fit` gave."""
        from pipeline_src.training.classifier import probability

        # In double precision, whose sum rounds to the same float32 in any order of the networks.
        total = sum(probability(z, size).astype(np.float64) for z in logits)
        return (total / len(logits)).astype(np.float32)
