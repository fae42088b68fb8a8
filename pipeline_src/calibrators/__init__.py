"""Post-hoc calibrators: functions that map the predictions of a trained network to better calibrated probabilities.

Each is one class in one file, a `calibrator.Calibrator`. It is fitted to the `pixels.Pixels` of validation images,
applied to the logits of an image, and stored as a small readable file (`files`). Names and options stand here, where
they are known without importing scipy.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from pipeline_src.validation import Strict

NAMES = (
    "temperature",
    "platt",
    "beta",
    "dirichlet",
    "isotonic",
    "histogram_binning",
    "image_temperature",
    "selective_scaling",
)

# A number that describes the predictions for one image, without its ground truth.
Feature = Literal["entropy", "foreground", "margin", "peak"]


class FitOptions(Strict):
    """The options of a calibrator that a user sets before the fit; most calibrators have none."""


class ImageTemperatureOptions(FitOptions):
    """The choices for image-conditional temperature."""

    features: list[Feature] = Field(["entropy"], description="Features of an image on which its temperature depends.")
    shape: bool = Field(False, description="Whether a power of the logits is fitted too.")

    @field_validator("features")
    @classmethod
    def _once(cls, features: list[Feature]) -> list[Feature]:
        if len(set(features)) < len(features):
            raise ValueError("a feature is repeated")
        return features


OPTIONS: dict[str, type[FitOptions]] = {"image_temperature": ImageTemperatureOptions}


def options_of(name: str) -> type[FitOptions]:
    """The options of the calibrator of this name."""
    return OPTIONS.get(name, FitOptions)
