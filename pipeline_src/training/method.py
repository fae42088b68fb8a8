"""A training method: its parameters, callbacks and state (docs/tutorials/own-experiment.md, docs/theory.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, PrivateAttr

from pipeline_src.rng import generator
from pipeline_src.validation import Strict

if TYPE_CHECKING:  # importing torch takes 1.5 s, and params.yaml is checked far more often than networks are trained
    from torch import Tensor as Tensor

    from pipeline_src.counting.score_histogram import ScoreHistogram
else:
    Tensor = Any


@dataclass(frozen=True)
class Batch:
    """The images of a step: `index` (B,) int64 into the training set, their `ids`, and the keys of their draws."""

    index: np.ndarray
    ids: list[str]
    seed: int
    epoch: int

    def generator(self, *purpose: int | str) -> np.random.Generator:
        """Draws of the whole batch, keyed by (seed, epoch, the ids in it, purpose)."""
        return generator(self.seed, self.epoch, *self.ids, *purpose)

    def generators(self, purpose: str) -> list[np.random.Generator]:
        """Draws of each image, keyed by (seed, epoch, its id, purpose)."""
        return [generator(self.seed, self.epoch, name, purpose) for name in self.ids]

    def uniform(self, purpose: str) -> np.ndarray:
        """One number in [0, 1) per image, shape (B,)."""
        return np.array([draws.random() for draws in self.generators(purpose)])


@dataclass(frozen=True)
class Validation:
    """An epoch's predictions on the validation images: original mask size, `raw`, all pixels pooled.

    Attributes:
        accuracy, confidence: means over pixels of being right (threshold 0.5, or the top class) and of the predicted
            class's probability, in [0, 1].
        histogram: all pixels by confidence, exactly: what calibration metrics are functions of.
        grey: share of pixels that are right, but that `accuracy` takes for errors because their masks are grey
            (`training.accuracy_on`).
        null: the same for object-free crops (`data/null_images.py`), for a method that trains on such.
    """

    accuracy: float
    confidence: float
    histogram: ScoreHistogram | None = None
    grey: float = 0.0
    null: Validation | None = None

    @property
    def gap(self) -> float:
        """Confidence minus accuracy on thresholded masks: above 0 where the network is over-confident."""
        return self.confidence - (self.accuracy + self.grey)


class MethodEntry(Strict):
    """An entry of `methods:` in params.yaml: its fields are its parameters."""

    learns: ClassVar[bool] = False  # whether it learns alphas, which then get tables and figures

    def references(self) -> list[str]:
        """Methods whose runs of the same seed this one needs as an input (most need none)."""
        return []


class Method(MethodEntry):
    """Plain training, and the base of every method that trains: a subclass overrides the callbacks in which it differs.

    The learned state is `alphas` (one perturbation level per training image, keyed by sample id in what is saved) and
    all other attributes whose names begin with `_`. Tensors have the shapes of `pixels`, for one logit or K classes.
    """

    validates_null: ClassVar[bool] = False  # whether `after_validation` is to know of null images

    average_epochs: float = Field(
        0.0,
        ge=0,
        description="Above 0, the averaged network, over that many epochs, is validated and becomes the run's network; "
        "0: the last weights.",
    )

    _alphas: np.ndarray | None = PrivateAttr(default=None)
    _classes: int = PrivateAttr(default=2)

    def start(self, n: int, references: dict[str, list[float]], classes: int = 2) -> None:
        """Before the first epoch: `n` training images of `classes` classes, and per referenced method its validation
        accuracies by epoch."""
        self._alphas, self._classes = None, classes

    @property
    def alphas(self) -> np.ndarray | None:
        """Perturbation level per training image, shape (N,) float64; None for a method without."""
        return self._alphas

    # Callbacks

    def inputs(self, x: Tensor, y: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The network's images and labels, from x (B, 3, H, W) normalized and y as in `pixels`."""
        return x, y

    def targets(self, y: Tensor, batch: Batch) -> Tensor:
        """The targets of the loss: labels y -> a tensor of that shape, or one that broadcasts."""
        return y

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        """Loss of logits z against targets t, averaged over pixels and images."""
        from pipeline_src.training.pixels import cross_entropy

        return cross_entropy(z, t)

    def image_statistic(self, z: Tensor, y: Tensor) -> Tensor | None:
        """A number per image (B,) from the step's logits and labels, for `after_step`; None where none is needed."""
        return None

    def after_step(self, m: np.ndarray, index: np.ndarray, epoch: int) -> None:
        """After the optimizer's step: `m` (B,) float64 is the `image_statistic` of the images `index` (B,). Epochs
        count from 1."""

    def after_validation(self, validation: Validation, epoch: int) -> None:
        """After an epoch's validation."""

    def history_values(self) -> dict[str, float]:
        """The method's own columns of history.csv, by name: their values after this epoch."""
        return {}

    # State, for checkpoints

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs, in types that `checkpoint.packed` takes: every attribute `_name`, declared as a
        PrivateAttr or not."""
        undeclared = {name: value for name, value in vars(self).items() if name.startswith("_")}
        return (self.__pydantic_private__ or {}) | undeclared

    def restore(self, state: dict[str, Any]) -> None:
        """Set what `state` gave."""
        for name, value in state.items():
            if name.startswith("_"):  # what a subclass adds under other names, it restores itself
                setattr(self, name, value)


class Perturbing(Method):
    """SC-BCE, and SC-CE for K classes (docs/theory.md section 2): images are perturbed as a whole, by their alpha."""

    beta: float
    form: Literal["drawn", "expected"] = "drawn"
    _alphas: np.ndarray = PrivateAttr(default_factory=lambda: np.zeros(0))

    def perturbed(self, y: Tensor, batch: Batch, rows: Sequence[int]) -> Tensor:
        """The perturbed label p(y, beta) of the images `rows` of a batch."""
        return perturbed(y[rows], self.beta)

    def levels(self, batch: Batch) -> np.ndarray:
        """The alphas (B,) of a batch."""
        return self._alphas[batch.index]

    def targets(self, y: Tensor, batch: Batch) -> Tensor:
        """One draw Z ~ Bernoulli(alpha_i) per image and visit: y where Z = 0, p(y, beta) where Z = 1. In the expected
        form Z is replaced by its mean."""
        alpha = self.levels(batch)
        if self.form == "expected":
            return expected(y, self.beta, alpha)
        drawn = batch.uniform("Z") < alpha
        if not drawn.any():
            return y
        t = y.clone()
        rows = drawn.nonzero()[0].tolist()
        t[rows] = self.perturbed(y, batch, rows)
        return t


def perturbed(y: Tensor, beta: float | Tensor) -> Tensor:
    """The perturbed label p(y, beta) = (1 - beta) y + beta (1 - y) / (K - 1); outside [0, 1] for beta > 1, never
    clamped.

    For one logit (K = 2) that is (1 - 2 beta) y + beta. Ignored pixels stay so.
    """
    if y.shape[1] == 1:
        return (1 - 2 * beta) * y + beta
    return (1 - beta) * y + beta * (y.sum(1, keepdim=True) - y) / (y.shape[1] - 1)


def expected(y: Tensor, beta: float, alpha: np.ndarray) -> Tensor:
    """y + alpha_i (p(y, beta) - y) for alpha (B,): the label's expectation; y itself, bit for bit, where alpha is 0."""
    level = y.new_tensor(alpha).view(-1, 1, 1, 1)
    return y + level * (perturbed(y, beta) - y)
