"""Calibrators by name, and the files that hold a fitted one: calibrator.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, Self

from pipeline_src.calibrators.beta import BetaCalibrator
from pipeline_src.calibrators.calibrator import Calibrator, nll, uncalibrated
from pipeline_src.calibrators.dirichlet import DirichletCalibrator
from pipeline_src.calibrators.histogram_binning import HistogramBinningCalibrator
from pipeline_src.calibrators.image_temperature import ImageTemperatureCalibrator
from pipeline_src.calibrators.isotonic import IsotonicCalibrator
from pipeline_src.calibrators.pixels import Pixels
from pipeline_src.calibrators.platt import PlattCalibrator
from pipeline_src.calibrators.selective_scaling import SelectiveScalingCalibrator
from pipeline_src.calibrators.temperature import TemperatureCalibrator
from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.files import reading
from pipeline_src.validation import Strict, validate

CLASSES: tuple[type[Calibrator], ...] = (
    TemperatureCalibrator,
    PlattCalibrator,
    BetaCalibrator,
    DirichletCalibrator,
    IsotonicCalibrator,
    HistogramBinningCalibrator,
    ImageTemperatureCalibrator,
    SelectiveScalingCalibrator,
)
CALIBRATORS = {calibrator.name: calibrator for calibrator in CLASSES}  # in the order of `calibrators.NAMES`
VERSION = 1  # of calibrator.json
EXPECTED, DO = "what `calibrate` wrote (docs/tutorials/saved-maps.md)", "fit it again: dense-calibration calibrate"


class FittedOn(Strict):
    """The data of a fit: number of images and pixels, and the NLL of the pixels in nats."""

    images: int
    pixels: int
    nll_before: float
    nll_after: float


class Record(Strict):
    """A stored calibrator: the content of calibrator.json, and of a post-hoc method's run.json."""

    version: Literal[1]  # VERSION
    calibrator: str
    classes: int
    parameters: dict[str, Any]
    fitted_on: FittedOn

    @classmethod
    def of(cls, calibrator: Calibrator, pixels: Pixels) -> Self:
        """The record of a calibrator that was fitted to these pixels."""
        fitted_on = FittedOn(
            images=pixels.number,
            pixels=round(pixels.weights.sum()),
            nll_before=nll(uncalibrated(pixels), pixels),
            nll_after=nll(calibrator.of_pixels(pixels), pixels),
        )
        return cls(
            version=VERSION,
            calibrator=calibrator.name,
            classes=pixels.classes,
            parameters=calibrator.model_dump(mode="json"),
            fitted_on=fitted_on,
        )


def named(name: str, where: str) -> type[Calibrator]:
    """The calibrator of a name. UserError, which begins with `where` the name stands, if there is none."""
    if name not in CALIBRATORS:
        raise UserError(
            f"{where}: there is no calibrator of this name",
            found=name,
            expected=", ".join(CALIBRATORS),
            fix=did_you_mean(name, CALIBRATORS) or "give one of these",
        )
    return CALIBRATORS[name]


def read(path: Path) -> tuple[Calibrator, Record]:
    """The calibrator in a file, and its record.

    Raises:
        UserError: names the file, which is absent, not JSON, of another version, or has wrong parameters.
    """
    with reading(f"{path} is not a calibrator's file", expected=EXPECTED, fix=DO):
        content = json.loads(path.read_text(encoding="utf-8"))
    record = validate(Record, content, str(path), EXPECTED, DO)
    kind = named(record.calibrator, str(path))
    kind.check_classes(record.classes)
    calibrator = validate(kind, record.parameters, f"{path}: parameters", EXPECTED, DO)
    return calibrator, record


def read_for(path: Path, classes: int, source: str, fix: str, by: str = "") -> tuple[Calibrator, Record]:
    """`read` a calibrator that is to be applied to predictions of so many classes.

    Args:
        source: what predicts: the name of a run, folder or file.
        fix: what to do if the calibrator was fitted to another number of classes.
        by: the calibrator that was applied to the predictions already, if any.

    Raises:
        UserError: as `read`; it was fitted to another number of classes, or the predictions are calibrated already.
    """
    if by:
        raise UserError(
            f"--calibrator {path}: the predictions are calibrated already",
            found=f"{source} by {by}",
            expected="predictions of a network without a calibrator",
            fix="leave out --calibrator, or use the network without its calibrator",
        )
    calibrator, record = read(path)
    if record.classes != classes:
        raise UserError(
            f"{path} was fitted to maps of {record.classes} classes",
            found=f"{classes} classes in {source}",
            expected="as many classes as it was fitted to",
            fix=fix,
        )
    return calibrator, record
