"""Post-hoc methods: they train nothing, and predict with the networks of a method that trains."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from pipeline_src.files import Content
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
    """The predictions of one trained network, unchanged, and the base of all post-hoc methods."""

    # Whether there is one run with the networks of all seeds, instead of one run per seed.
    every_seed: ClassVar[bool] = False
    fits: ClassVar[bool] = False  # whether `fit` needs the validation images

    of: Name = "baseline"
    """The method whose trained networks it uses."""
    weights: Literal["last", "averaged"] = "last"
    """The weights of these networks: those of the last step, or averaged over the last epochs."""

    def references(self) -> list[str]:
        """Return the names of methods whose runs must come first: the one with the networks."""
        return [self.of]

    def fit(self, networks: list[DenseClassifier], store: Store, experiment: Experiment) -> Content:
        """Return what is learned from the validation images, here nothing.

        It is called once per run, before the evaluation; `probability` gets the result.

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
        """Return the logits of each prediction whose probabilities are averaged, each (B, C, h, w).

        Here every network makes one prediction.

        Args:
            x: images (B, 3, S, S) uint8.
            ids: sample ids of the images, keys of random draws.
            seed: the seed of the run, another key.
        """
        return [network(x) for network in networks]

    def probability(
        self, logits: list[Tensor], size: tuple[int, int], fitted: Content
    ) -> np.ndarray:
        """Return the mean probabilities of one image at its original size, float32.

        The array is (H, W) for one logit, (K, H, W) for K classes.

        Args:
            logits: the image's logits of each prediction, (C, h, w).
            size: (H, W).
            fitted: the result of `fit`.
        """
        from pipeline_src.training.pixels import probability

        # In double precision, so the mean rounds to the same float32 in any order of the networks.
        mean = np.mean([probability(z, size) for z in logits], axis=0, dtype=np.float64)
        return np.asarray(mean, np.float32)


class Calibrated(PostHoc):
    """A network and a calibrator (`pipeline_src/calibrators`) fitted to the validation images.

    What `fit` returns is the calibrator's `Record`: its name, its parameters and facts of the fit.
    A subclass per calibrator sets `calibrator_entry`.
    """

    fits: ClassVar[bool] = True
    calibrator_entry: ClassVar[str]  # "module:class" in the registry of calibrators

    @classmethod
    def calibrator(cls) -> type[Calibrator]:
        """Return the class of the method's calibrator, which is imported only here (scipy)."""
        return registered_class("pipeline_src.calibrators", cls.calibrator_entry)

    def fit(self, networks: list[DenseClassifier], store: Store, experiment: Experiment) -> Content:
        """Return the `Record` of a calibrator that is fitted to the network's validation pixels.

        Args:
            networks: one network.
            store: the validation images.
        """
        from pipeline_src.calibrators.calibrator import Record, fitted

        pixels = validation_pixels(networks[0], store, experiment)
        calibrator = fitted(self.calibrator(), pixels)
        return Record.of(calibrator, pixels).model_dump(mode="json")

    def probability(
        self, logits: list[Tensor], size: tuple[int, int], fitted: Content
    ) -> np.ndarray:
        """Return the calibrated probabilities of one image at its original `size`, float32.

        The logits are upsampled first: a calibrator is fitted to logits of that size.

        Args:
            logits: one prediction, (C, h, w), because a calibrator has one network.
            size: (H, W).
            fitted: the result of `fit`, which has the calibrator's `parameters`.
        """
        from pipeline_src.training.pixels import upsampled

        z = upsampled(logits[0][None], size)[0].cpu().numpy()
        return self.calibrator().model_validate(fitted["parameters"]).apply(z).astype(np.float32)


def validation_pixels(network: DenseClassifier, store: Store, experiment: Experiment) -> Pixels:
    """Return the validation pixels that are not ignored, with the network's logits and labels.

    The logits are upsampled to the original size of the masks. If the images have more than
    `MOST_LOGITS` / K pixels, the same share of the pixels of each image is drawn, keyed by the
    sample id. So the memory of the fit is limited.
    """
    import torch

    from pipeline_src.calibrators.pixels import MOST_LOGITS, drawn_target, image_pixels, joined
    from pipeline_src.training.batches import evaluation_batches
    from pipeline_src.training.pixels import upsampled

    total = sum(row.height * row.width for row in store.index)
    share = MOST_LOGITS / (network.classes * total)  # above 1 all pixels are taken
    images = []
    for batch in evaluation_batches(store, experiment):
        with torch.inference_mode():
            logits = network(batch["inputs"])
        for z, truth, name in zip(logits, batch["truth"], batch["id"], strict=True):
            most = ceil(share * np.count_nonzero(truth < network.classes))  # 255 is ignored
            # The word in the key is the same for every calibrator: all are fitted to equal pixels.
            random = generator(name, "temperature")
            target, weight = drawn_target(truth, network.classes, most, random)
            resized = upsampled(z[None], truth.shape)[0].cpu().numpy()
            images.append(image_pixels(resized, target, weight))
    return joined(images)
