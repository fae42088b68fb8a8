"""Temperature scaling (Guo et al., On Calibration of Modern Neural Networks, ICML 2017): one number for all logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline_src.training.calibrated import Calibrated
from pipeline_src.training.method import Tensor
from pipeline_src.training.posthoc import PostHoc

if TYPE_CHECKING:
    from pipeline_src.calibrators.calibrator import Calibrator
    from pipeline_src.calibrators.pixels import Pixels


class Temperature(Calibrated):
    """Probabilities of z / T, where T minimises the NLL of all valid validation pixels pooled, as ECE pools them.

    The NLL is that of logits upsampled to the original mask size. The class of a pixel stays what it was, but for
    logits so near 0 (within 6e-8, or 6e-8 T) that their probability rounds to 0.5.

    Kind: posthoc
    Idea: One number, fitted on the validation images, divides all logits.
    Formula: `f = sigmoid(z / T)`, `T` of least NLL on the validation images
    Changes: probabilities
    Cost: none; the fit is one pass over the validation images
    Setting: The authors' criterion, NLL on the validation set. Ours: a pixel stands for a sample.
    Source: Guo et al., ICML 2017
    """

    @classmethod
    def calibrator(cls) -> type[Calibrator]:
        from pipeline_src.calibrators.temperature import TemperatureCalibrator

        return TemperatureCalibrator

    # Pixels not grouped, and float32: the bits of published results.

    def fitted(self, pixels: Pixels) -> Calibrator:
        return self.calibrator().fit(pixels)

    def probability(self, logits: list[Tensor], size: tuple[int, int], fitted: dict[str, Any]) -> np.ndarray:
        from pipeline_src.training.pixels import upsampled

        temperature = self.restored(fitted).temperature
        scaled = [upsampled(z[None], size)[0] / temperature for z in logits]
        return PostHoc.probability(self, scaled, size, fitted)
