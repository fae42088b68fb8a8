"""A training method: its parameters, and the callbacks by which it changes plain training.

docs/tutorials/own-experiment.md shows how to write one; docs/theory.md has the formulas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import NonNegativeFloat, PrivateAttr

from pipeline_src.counting.bins import top_label
from pipeline_src.params.schema import Documented
from pipeline_src.rng import generator

# Importing torch takes 1.5 s, and params.yaml is checked far more often than networks are trained.
if TYPE_CHECKING:
    from torch import Tensor as Tensor

    from pipeline_src.counting.counts import Histogram
else:
    Tensor = Any


@dataclass(frozen=True)
class Batch:
    """The images of a training step, and the keys of their random draws.

    A draw depends on its key only, so a resumed run repeats it.

    Attributes:
        index: (B,) int64, places of the images in the training set.
        ids: sample ids of the images.
    """

    index: np.ndarray
    ids: list[str]
    seed: int
    epoch: int

    def generator(self, purpose: str) -> np.random.Generator:
        """Return a generator for the batch, keyed by (seed, epoch, sample ids, purpose)."""
        return generator(self.seed, self.epoch, *self.ids, purpose)

    def generators(self, purpose: str) -> list[np.random.Generator]:
        """Return a generator for each image, keyed by (seed, epoch, sample id, purpose)."""
        return [generator(self.seed, self.epoch, name, purpose) for name in self.ids]

    def uniform(self, purpose: str) -> np.ndarray:
        """Return a uniform random number in [0, 1) per image, shape (B,), keyed by `purpose`."""
        return np.array([draws.random() for draws in self.generators(purpose)])


@dataclass(frozen=True)
class Validation:
    """Results of an epoch's predictions on the validation images, pixels pooled.

    Predictions are not min-max normalized, and have the original size of the masks.

    Attributes:
        accuracy, confidence: means over pixels of being right (threshold 0.5, or the top class) and
            of the predicted class's probability, in [0, 1].
        histogram: all pixels by confidence and correctness; calibration metrics are functions of
            it. None where only the means are known.
        grey: share of pixels that are right, but that `accuracy` takes for errors because their
            masks are grey (`training.accuracy_on`).
        null: the results on object-free crops (`data/null_images.py`), for a method that trains on
            such crops.
    """

    accuracy: float
    confidence: float
    histogram: Histogram | None = None
    grey: float = 0.0
    null: Validation | None = None

    @property
    def gap(self) -> float:
        """Confidence minus accuracy on thresholded masks: above 0 for an overconfident network.

        Pixels that `accuracy` counts as errors only because their masks are grey count as right.
        """
        return self.confidence - (self.accuracy + self.grey)

    @property
    def ece(self) -> float:
        """Expected calibration error of the predicted class, with 10 equally wide bins."""
        assert self.histogram is not None
        bins = top_label(self.histogram, bins=10)
        # The excess of a bin is its summed confidences minus its number of right pixels.
        return float(np.abs(bins.excess).sum() / bins.count.sum())


class MethodEntry(Documented):
    """A method of `methods:` in params.yaml: it trains networks, or it is a post-hoc method.

    Its fields are its parameters.
    """

    # Whether the method learns alphas (a probability per training image that its label is
    # perturbed), which then get tables and figures.
    learns_alphas: ClassVar[bool] = False

    def references(self) -> list[str]:
        """Return the names of methods whose runs of the same seed are inputs of this method.

        Such runs are trained first; most methods need none.
        """
        return []


class Method(MethodEntry):
    """Plain training, and the base of all methods that train.

    A subclass overrides the callbacks in which it differs.

    The learned state is `alphas` (per training image, the probability that its label is perturbed)
    and all other attributes whose names begin with `_`: arrays, numbers, and lists and dicts of
    numbers. Logits and labels are (B, 1, H, W) for two classes, (B, K, H, W) for K (`pixels`).
    """

    # Whether `after_validation` needs results on object-free crops (null images).
    validates_null: ClassVar[bool] = False

    average_epochs: NonNegativeFloat = 0.0
    """Above 0, the averaged network, over that many epochs, is validated and becomes the run's
    network; 0: the last weights.
    """

    _alphas: np.ndarray | None = PrivateAttr(default=None)
    _classes: int = PrivateAttr(default=2)
    _references: dict[str, list[float]] = PrivateAttr(default_factory=dict)

    def start(self, n: int, references: dict[str, list[float]], classes: int = 2) -> None:
        """Prepare for training, before the first callback.

        Args:
            n: number of training images.
            references: validation accuracies by epoch of the methods that `references()` names.
            classes: K, the number of classes.
        """
        self._references = references
        self._classes = classes

    @property
    def alphas(self) -> np.ndarray | None:
        """The probability per training image that its label is perturbed, (N,) float64.

        None for a method that perturbs no label.
        """
        return self._alphas

    # Callbacks

    def inputs(self, x: Tensor, y: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the images and the labels that the network trains on, here x and y unchanged.

        Args:
            x: standardized images (B, 3, H, W).
            y: labels (B, 1, H, W) in [0, 1] for two classes, or planes (B, K, H, W).
        """
        return x, y

    def targets(self, y: Tensor, batch: Batch) -> Tensor:
        """Return the targets of the loss for labels y, here y unchanged.

        Args:
            y: labels (B, 1, H, W) in [0, 1] for two classes, or planes (B, K, H, W).

        Returns:
            A tensor whose shape broadcasts to the shape of y.
        """
        return y

    def loss(self, z: Tensor, t: Tensor) -> Tensor:
        """Return the loss of logits z against targets t, averaged over pixels and images.

        Args:
            z: logits (B, 1, H, W) for two classes, or (B, K, H, W).
            t: the result of `targets`. All planes of an ignored pixel are 0.
        """
        from pipeline_src.training.pixels import cross_entropy

        return cross_entropy(z, t)

    def image_statistic(self, z: Tensor, y: Tensor) -> Tensor | None:
        """Return a number per image (B,) from a step's logits and labels, for `after_step`.

        It lets a method learn from each image. The result None turns `after_step` off.
        """
        return None

    def after_step(self, m: np.ndarray, index: np.ndarray, epoch: int) -> None:
        """Update the method's state after a step; plain training has no state.

        Args:
            m: the `image_statistic` of the images, (B,) float64.
            index: places of the images in the training set, (B,).
            epoch: from 1.
        """

    def after_validation(self, validation: Validation, epoch: int) -> None:
        """Update the method's state after an epoch's validation; plain training has no state."""

    def history_values(self) -> dict[str, float]:
        """Return the method's own columns of history.csv after this epoch, by name; here none."""
        return {}

    # State, for checkpoints

    def state(self) -> dict[str, Any]:
        """Return all that a resumed run needs: the values of all attributes `_name`.

        Arrays and NumPy's numbers become tensors, because a checkpoint may only hold tensors,
        Python's numbers and texts.
        """
        import torch

        state = dict(self.__pydantic_private__ or {})
        for name, value in state.items():
            if isinstance(value, (np.ndarray, np.generic)):
                state[name] = torch.tensor(value)
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Set the attributes that `state` returned before the run stopped; tensors as arrays."""
        import torch

        for name, value in state.items():
            if isinstance(value, torch.Tensor):
                value = value.numpy().copy()[()]  # of a tensor without axes its number
            setattr(self, name, value)
