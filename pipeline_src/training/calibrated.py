"""Post-hoc methods that are a calibrator (`pipeline_src/calibrators`), fitted to pixels of the validation images."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cache
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import create_model

from pipeline_src.rng import generator
from pipeline_src.training.method import Tensor
from pipeline_src.training.posthoc import PostHoc

if TYPE_CHECKING:  # they import scipy, which takes long when params.yaml is checked
    from pipeline_src.calibrators.calibrator import Calibrator
    from pipeline_src.calibrators.pixels import Pixels
    from pipeline_src.data.store import Store
    from pipeline_src.params.schema import Experiment
    from pipeline_src.training.classifier import DenseClassifier

MOST_LOGITS = 2**23  # of validation pixels are held at once, about: 64 MB
log = logging.getLogger(__name__)


class Calibrated(PostHoc):
    """A network and a calibrator: the adapter that makes a post-hoc method of any calibrator (`calibrated_method`).

    It fits a `Record` of the calibrator.
    """

    fits: ClassVar[bool] = True
    calibrator_name: ClassVar[str]

    @classmethod
    def calibrator(cls) -> type[Calibrator]:
        """Return the class of its calibrator."""
        from pipeline_src.calibrators.calibrator import calibrator_class

        return calibrator_class(cls.calibrator_name)

    def fit(self, networks: list[DenseClassifier], store: Store, experiment: Experiment) -> dict[str, Any]:
        """Fit the calibrator to the validation pixels of the first network, at the original size of their masks."""
        from pipeline_src.calibrators.calibrator import Record, fitted

        pixels = validation_pixels(networks[0], store, experiment)
        calibrator = fitted(self.calibrator(), pixels)
        for text in calibrator.warnings(pixels):
            log.warning("%s", text)
        return Record.of(calibrator, pixels).model_dump(mode="json")

    def probability(self, logits: list[Tensor], size: tuple[int, int], fitted: dict[str, Any]) -> np.ndarray:
        """Return the calibrated probabilities of one image, from logits that are upsampled first."""
        from pipeline_src.training.pixels import upsampled

        z = upsampled(logits[0][None], size)[0].cpu().numpy()
        return self.calibrator().model_validate(fitted["parameters"]).apply(z).astype(np.float32)


@cache
def calibrated_method(name: str) -> type[Calibrated]:
    """Return the post-hoc method of the calibrator of this name."""
    title = "".join(word.capitalize() for word in name.split("_"))
    create: Any = create_model  # whose types allow only one base
    method: type[Calibrated] = create(title, __base__=Calibrated, __module__=__name__)
    method.calibrator_name = name
    method.__qualname__ = f"{calibrated_method.__name__}.<locals>.{title}"
    return method


def validation_pixels(network: DenseClassifier, store: Store, experiment: Experiment) -> Pixels:
    """Return valid validation pixels with the network's logits at the original size of the masks.

    Of more than 2^23 / K pixels the same share of each image is drawn, without replacement and keyed by its id. A drawn
    pixel weighs as many as its image has per drawn one.
    """
    from pipeline_src.training.batches import evaluation_batches

    share = MOST_LOGITS / (network.classes * sum(row.height * row.width for row in store.index))
    return pixels_of(network, evaluation_batches(store, experiment, network.mean.device), share)


def pixels_of(network: DenseClassifier, batches: Iterable[dict[str, Any]], share: float) -> Pixels:
    """Return the valid pixels of `evaluation_batches`, or a `share` below 1 of each image's."""
    import torch

    from pipeline_src.calibrators.pixels import image_pixels, joined
    from pipeline_src.training.pixels import upsampled

    parts = []
    for batch in batches:
        with torch.inference_mode():
            logits = network(batch["inputs"])
        for z, truth, name in zip(logits, batch["truth"], batch["id"], strict=True):
            chosen = None
            if share < 1:
                valid = np.count_nonzero(truth < network.classes)  # 255 is ignored
                chosen = generator(name, "temperature").choice(valid, ceil(share * valid), replace=False)
            parts.append(image_pixels(upsampled(z[None], truth.shape)[0].cpu().numpy(), truth, chosen))
    return joined(parts)
