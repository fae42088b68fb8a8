"""Image-conditional temperature: one temperature per image, from what its predictions are like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline_src.calibrators import Feature
from pipeline_src.training.calibrated import Calibrated

if TYPE_CHECKING:
    from pipeline_src.calibrators.calibrator import Calibrator
    from pipeline_src.calibrators.pixels import Pixels
    from pipeline_src.data.store import Store
    from pipeline_src.params.schema import Experiment
    from pipeline_src.training.classifier import DenseClassifier


class ImageTemperature(Calibrated):
    """Where confidence equals accuracy on each of several groups of images, it does on every mixture of them; the
    entropy of an image tells the groups apart where there is no truth.

    Kind: posthoc
    Idea: A temperature per image, which depends on how unsure the network is of it.
    Formula: `z' = sign(z) abs(z)^g / T`, `log T = a + sum_j b_j x_j`, of least NLL on the validation images; `x_j` the
        image's `features`: mean predictive `entropy` in nats, predicted share of `foreground`, mean `margin`, `peak`;
        `g` fitted if `shape`, else 1; with `null_images` object-free crops count among these images
    Changes: probabilities
    Cost: none; the fit is one pass over the validation images, and one over their crops with `null_images`
    Setting: No author's. A pixel stands for a sample; `null_images` adds object-free crops of the validation images,
        truth all background, with this share of the weight.
    Source: ours, after Guo et al., ICML 2017
    """

    features: list[Feature] = Field(["entropy"], description="Features of an image on which its temperature depends.")
    shape: bool = Field(False, description="Whether a power of the logits is fitted too.")
    null_images: float = Field(0.0, ge=0, lt=1, description="Share of the fitted weight that object-free crops have.")

    @classmethod
    def calibrator(cls) -> type[Calibrator]:
        from pipeline_src.calibrators.image_temperature import ImageTemperatureCalibrator

        return ImageTemperatureCalibrator

    def pixels(self, network: DenseClassifier, store: Store, experiment: Experiment) -> Pixels:
        from pipeline_src.training.validation_pixels import validation_pixels

        return validation_pixels(network, store, experiment, self.null_images)

    def fitted(self, pixels: Pixels) -> Calibrator:
        return self.calibrator().fit(pixels.grouped(), features=self.features, shape=self.shape)
