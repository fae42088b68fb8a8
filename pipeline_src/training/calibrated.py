"""Post-hoc methods that are a calibrator (`pipeline_src/calibrators`), fitted on the validation images."""

from __future__ import annotations

import logging
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pipeline_src.training.method import Tensor
from pipeline_src.training.posthoc import PostHoc
from pipeline_src.validation import validate

if TYPE_CHECKING:  # they import scipy, which a check of params.yaml does without
    from pipeline_src.calibrators.calibrator import Calibrator
    from pipeline_src.calibrators.pixels import Pixels
    from pipeline_src.data.store import Store
    from pipeline_src.params.schema import Experiment
    from pipeline_src.training.classifier import DenseClassifier

log = logging.getLogger(__name__)


class Calibrated(PostHoc):
    """The base of these methods: a subclass names its calibrator. What is fitted is its `Record`."""

    fits: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def calibrator(cls) -> type[Calibrator]:
        """The calibrator's class."""

    def fit(self, networks: list[DenseClassifier], store: Store, experiment: Experiment) -> dict[str, Any]:
        from pipeline_src.calibrators.calibrator import Record

        pixels = self.pixels(networks[0], store, experiment)
        calibrator = self.fitted(pixels)
        for text in calibrator.warnings(pixels):
            log.warning("%s", text)
        return Record.of(calibrator, pixels).model_dump(mode="json")

    def pixels(self, network: DenseClassifier, store: Store, experiment: Experiment) -> Pixels:
        """What is fitted to."""
        from pipeline_src.training.validation_pixels import validation_pixels

        return validation_pixels(network, store, experiment)

    def fitted(self, pixels: Pixels) -> Calibrator:
        """The calibrator of pixels, with the method's parameters."""
        return self.calibrator().fit(pixels.pooled())

    def probability(self, logits: list[Tensor], size: tuple[int, int], fitted: dict[str, Any]) -> np.ndarray:
        from pipeline_src.training.pixels import upsampled

        # At the original size: before, the upsampling would round differently for each calibrator.
        z = upsampled(logits[0][None], size)[0].cpu().numpy()
        return self.restored(fitted).apply(z).astype(np.float32)

    def restored(self, fitted: dict[str, Any]) -> Calibrator:
        """The calibrator of what `fit` gave; UserError where that is damaged."""
        return validate(self.calibrator(), fitted.get("parameters", {}), "run.json: fitted.parameters")
