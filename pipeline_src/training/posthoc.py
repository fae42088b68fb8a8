"""Post-hoc methods: they train nothing, and predict with the networks of a method that trains."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from pipeline_src.python_source import registered_class
from pipeline_src.rng import generator
from pipeline_src.training.method import MethodEntry, Tensor
from pipeline_src.validation import Name

if TYPE_CHECKING:  # params.yaml is checked without torch and scipy
    from pipeline_src.calibrators.calibrator import Calibrator
    from pipeline_src.calibrators.pixels import Pixels
    from pipeline_src.data.store import Store
    from pipeline_src.params.schema import Experiment
    from pipeline_src.training.classifier import DenseClassifier


class PostHoc(MethodEntry):
    """One network without a change, and the base of all post-hoc methods."""

    # Whether one run has the networks of all seeds, in the place of one run per seed.
    every_seed: ClassVar[bool] = False
    fits: ClassVar[bool] = False  # whether `fit` looks at the validation images

    of: Name = "baseline"
    """The method whose trained networks it uses."""
    weights: Literal["last", "averaged"] = "last"
    """The weights of these networks: those of the last step, or averaged over the last epochs."""

    def references(self) -> list[str]:
        """Return a list with the name of the method whose networks this method uses."""
        return [self.of]

    def fit(
        self, networks: list[DenseClassifier], store: Store, experiment: Experiment
    ) -> dict[str, Any]:
        """Return what is learned from the validation images, once per run, before its evaluation.

        Args:
            networks: the network of the run's seed, or of all seeds where `every_seed`.
            store: the validation images; None unless `fits`.

        Returns:
            Numbers and texts, and lists and dicts of them, that JSON can store.
        """
        return {}

    def logits(
        self, networks: list[DenseClassifier], x: Tensor, ids: list[str], seed: int
    ) -> list[Tensor]:
        """Return the logits of each prediction to be averaged, each (B, C, h, w).

        Args:
            x: images (B, 3, S, S) uint8.
            ids: sample ids of the images, keys of random draws.
            seed: the seed of the run, another key.
        """
        return [network(x) for network in networks]

    def probability(
        self, logits: list[Tensor], size: tuple[int, int], fitted: dict[str, Any]
    ) -> np.ndarray:
        """Return the mean probabilities of one image at its original size, float32.

        The array is (H, W) for one logit, (K, H, W) for K classes.

        Args:
            logits: the image's logits of each prediction, (C, h, w).
            size: (H, W).
            fitted: the result of `fit`.
        """
        from pipeline_src.training.pixels import probability

        # In double precision, whose mean rounds to the same float32 in any order of the networks.
        mean = np.mean([probability(z, size) for z in logits], axis=0, dtype=np.float64)
        return np.asarray(mean, np.float32)


class Calibrated(PostHoc):
    """A network and a calibrator (`pipeline_src/calibrators`) fitted to the validation images.

    `fit` returns the calibrator's `Record`.
    """

    fits: ClassVar[bool] = True
    calibrator_entry: ClassVar[str]  # of the registry of calibrators

    @classmethod
    def calibrator(cls) -> type[Calibrator]:
        """Return the class of the method's calibrator."""
        kind: type[Calibrator] = registered_class("pipeline_src.calibrators", cls.calibrator_entry)
        return kind

    def fit(
        self, networks: list[DenseClassifier], store: Store, experiment: Experiment
    ) -> dict[str, Any]:
        """Return the `Record` of a calibrator fitted to the first network's validation pixels."""
        from pipeline_src.calibrators.calibrator import Record, fitted

        pixels = validation_pixels(networks[0], store, experiment)
        calibrator = fitted(self.calibrator(), pixels)
        return Record.of(calibrator, pixels).model_dump(mode="json")

    def probability(
        self, logits: list[Tensor], size: tuple[int, int], fitted: dict[str, Any]
    ) -> np.ndarray:
        """Return the calibrated probabilities of one image, whose logits are upsampled first."""
        from pipeline_src.training.pixels import upsampled

        z = upsampled(logits[0][None], size)[0].cpu().numpy()
        return self.calibrator().model_validate(fitted["parameters"]).apply(z).astype(np.float32)


def validation_pixels(network: DenseClassifier, store: Store, experiment: Experiment) -> Pixels:
    """Return valid validation pixels with the network's logits at the original size of the masks.

    If these pixels have more than `MOST_LOGITS` logits, the same share of each image is drawn,
    keyed by the sample id.
    """
    import torch

    from pipeline_src.calibrators.pixels import MOST_LOGITS, drawn_target, image_pixels, joined
    from pipeline_src.training.batches import evaluation_batches
    from pipeline_src.training.pixels import upsampled

    total = sum(row.height * row.width for row in store.index)
    share = MOST_LOGITS / (network.classes * total)
    images = []
    for batch in evaluation_batches(store, experiment):
        with torch.inference_mode():
            logits = network(batch["inputs"])
        for z, truth, name in zip(logits, batch["truth"], batch["id"], strict=True):
            most = ceil(share * np.count_nonzero(truth < network.classes))  # 255 is ignored
            random = generator(name, "temperature")
            target, weight = drawn_target(truth, network.classes, most, random)
            resized = upsampled(z[None], truth.shape)[0].cpu().numpy()
            images.append(image_pixels(resized, target, weight))
    return joined(images)
