"""The registry of calibrators, and the calibrator of a file.

A new calibrator is a file in this folder and an entry here (docs/contributing/extending.md); it is
also a post-hoc method. An entry names the module and the class, because their imports need scipy,
which takes long.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipeline_src.errors import UserError, check_name
from pipeline_src.files import reading
from pipeline_src.python_source import registered_class
from pipeline_src.validation import validate

if TYPE_CHECKING:
    from pipeline_src.calibrators.calibrator import Calibrator, Record

PACKAGE = "pipeline_src.calibrators"
# Name of each calibrator -> its module in `PACKAGE`, and its class.
CALIBRATORS = MappingProxyType(
    {
        "temperature": "temperature:TemperatureCalibrator",
        "platt": "platt:PlattCalibrator",
        "beta": "beta:BetaCalibrator",
        "isotonic": "isotonic:IsotonicCalibrator",
        "histogram_binning": "histogram_binning:HistogramBinningCalibrator",
        "image_temperature": "image_temperature:ImageTemperatureCalibrator",
        "vector": "vector:VectorCalibrator",
        "dirichlet": "dirichlet:DirichletCalibrator",
    }
)
# Parts of errors about a file calibrator.json: what is expected, and what the user can do.
EXPECTED = "what `calibrate` wrote (docs/tutorials/saved-maps.md)"
FIX = "fit it again: dense-calibration calibrate"


def calibrator_entry(name: str, where: str = "calibrator") -> str:
    """Return the registry's entry of a calibrator, "module:class".

    Args:
        where: the file or option that gives the name, for the error.

    Raises:
        UserError: there is no calibrator of this name.
    """
    problem = f"{where}: there is no calibrator of this name"
    check_name(name, CALIBRATORS, problem, found=name, fix="give one of these")
    return CALIBRATORS[name]


def calibrator_class(name: str, where: str = "calibrator") -> type[Calibrator]:
    """Return the class of a calibrator, which is imported only when it is asked for.

    Args:
        where: the file or option that gives the name, for the error.

    Raises:
        UserError: there is no calibrator of this name.
    """
    return registered_class(PACKAGE, calibrator_entry(name, where))


def read_calibrator(
    path: Path, classes: int, source: str, fix: str, calibrated_by: str = ""
) -> tuple[Calibrator, Record]:
    """Return the calibrator of a file calibrator.json, and the file's content.

    Args:
        classes: number of classes of the predictions that it is to be applied to.
        source: what predicts: the name of a run or folder.
        fix: what to do if the calibrator was fitted to another number of classes.
        calibrated_by: the calibrator that was applied to the predictions already, if any.

    Raises:
        UserError: names the file, which is absent, damaged, altered or of another kind; it was
            fitted to another number of classes, or the predictions are calibrated already.
    """
    from pipeline_src.calibrators.calibrator import Record

    if calibrated_by:
        raise UserError(
            f"--calibrator {path}: the predictions are calibrated already",
            found=f"{source} by {calibrated_by}",
            fix="leave out --calibrator, or use the network without its calibrator",
        )
    with reading(f"{path} is not a calibrator's file", expected=EXPECTED, fix=FIX):
        content = json.loads(path.read_text(encoding="utf-8"))
    record = validate(Record, content, str(path), EXPECTED, FIX)
    # A record is written with a digest of its values: other values have another digest.
    if content != json.loads(record.file_text()):
        raise UserError(
            f"{path} was altered, or an earlier version wrote it",
            found="values without their digest",
            fix=FIX,
        )
    chosen = calibrator_class(record.calibrator, where=str(path))
    calibrator = validate(chosen, record.parameters, f"{path}: parameters", EXPECTED, FIX)
    if record.classes != classes:
        raise UserError(
            f"{path} was fitted to maps of {record.classes} classes",
            found=f"{classes} classes in {source}",
            fix=fix,
        )
    return calibrator, record
