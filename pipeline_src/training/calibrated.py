"""Post-hoc methods that are a calibrator (`pipeline_src/calibrators`), fitted on the validation images."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field, create_model

from pipeline_src.calibrators import options_of
from pipeline_src.training.method import Tensor
from pipeline_src.training.posthoc import PostHoc
from pipeline_src.validation import validate

if TYPE_CHECKING:  # they import scipy, which a check of params.yaml does without
    from pipeline_src.calibrators.calibrator import Calibrator
    from pipeline_src.data.store import Store
    from pipeline_src.params.schema import Experiment
    from pipeline_src.training.classifier import DenseClassifier

log = logging.getLogger(__name__)


class Calibrated(PostHoc):
    """A network and a calibrator: the adapter that makes a post-hoc method of any calibrator (`calibrated_method`).

    Its fields are also the options of the calibrator. What it fits is a `Record` of the calibrator.
    """

    fits: ClassVar[bool] = True
    calibrator_name: ClassVar[str]

    null_images: float = Field(0.0, ge=0, lt=1, description="Share of the fitted weight that object-free crops have.")

    @classmethod
    def calibrator(cls) -> type[Calibrator]:
        """The class of its calibrator."""
        from pipeline_src.calibrators.files import CALIBRATORS

        return CALIBRATORS[cls.calibrator_name]

    def fit(self, networks: list[DenseClassifier], store: Store, experiment: Experiment) -> dict[str, Any]:
        """Fit the calibrator to the validation pixels of the first network, at the original size of their masks."""
        from pipeline_src.calibrators.calibrator import fitted
        from pipeline_src.calibrators.files import Record
        from pipeline_src.training.validation_pixels import validation_pixels

        pixels = validation_pixels(networks[0], store, experiment, self.null_images)
        kind = self.calibrator()
        options = {name: getattr(self, name) for name in options_of(kind.name).model_fields}
        calibrator = fitted(kind, pixels.grouped() if kind.of_image else pixels, **options)
        for text in calibrator.warnings(pixels):
            log.warning("%s", text)
        return Record.of(calibrator, pixels).model_dump(mode="json")

    def probability(self, logits: list[Tensor], size: tuple[int, int], fitted: dict[str, Any]) -> np.ndarray:
        """The calibrated probabilities of one image. Logits are upsampled first, so that this rounds alike for all
        calibrators."""
        from pipeline_src.training.pixels import upsampled

        z = upsampled(logits[0][None], size)[0].cpu().numpy()
        return self.restored(fitted).apply(z).astype(np.float32)

    def restored(self, fitted: dict[str, Any]) -> Calibrator:
        """The calibrator that `fit` stored; UserError where its parameters are damaged."""
        return validate(self.calibrator(), fitted.get("parameters", {}), "run.json: fitted.parameters")


@cache
def calibrated_method(name: str) -> type[Calibrated]:
    """The post-hoc method of the calibrator of this name, with the calibrator's options as further fields."""
    title = "".join(word.capitalize() for word in name.split("_"))
    create: Any = create_model  # whose types allow for no two bases
    method: type[Calibrated] = create(title, __base__=(options_of(name), Calibrated), __module__=__name__)
    method.calibrator_name = name
    method.__qualname__ = f"{calibrated_method.__name__}.<locals>.{title}"
    return method
