"""Calibrators by name, and their files: calibrator.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src.calibrators.beta import BetaCalibrator
from pipeline_src.calibrators.calibrator import VERSION, Calibrator, Record
from pipeline_src.calibrators.dirichlet import DirichletCalibrator
from pipeline_src.calibrators.histogram_binning import HistogramBinningCalibrator
from pipeline_src.calibrators.image_temperature import ImageTemperatureCalibrator
from pipeline_src.calibrators.isotonic import IsotonicCalibrator
from pipeline_src.calibrators.platt import PlattCalibrator
from pipeline_src.calibrators.selective_scaling import SelectiveScalingCalibrator
from pipeline_src.calibrators.temperature import TemperatureCalibrator
from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.files import reading, sha256_without, write_text
from pipeline_src.validation import validate

ALL = (
    TemperatureCalibrator,
    PlattCalibrator,
    BetaCalibrator,
    DirichletCalibrator,
    IsotonicCalibrator,
    HistogramBinningCalibrator,
    ImageTemperatureCalibrator,
    SelectiveScalingCalibrator,
)
EXPECTED, DO = "what `calibrate` wrote (docs/calibrate.md)", "fit it again: dense-calibration calibrate"
DIGEST = "sha256"  # the key
MOST_CLASSES = 100_000  # a file's number of them is tried
CALIBRATORS: dict[str, type[Calibrator]] = {calibrator.name: calibrator for calibrator in ALL}


def named(name: str, where: str) -> type[Calibrator]:
    """The calibrator of a name; `where` is what to call the place that names it. UserError if there is none."""
    if name not in CALIBRATORS:
        names = ", ".join(CALIBRATORS)
        raise UserError(
            f"{where}: there is no calibrator of this name",
            found=name,
            expected=names,
            do=did_you_mean(name, CALIBRATORS) or "give one of these",
        )
    return CALIBRATORS[name]


def write(path: Path, record: Record | Mapping[str, Any]) -> None:
    """Write a calibrator.json, with the digest by which `read` finds an edit."""
    content = record.model_dump(mode="json") if isinstance(record, Record) else dict(record)
    write_text(path, json.dumps(content | {DIGEST: sha256_without(DIGEST, content)}, indent=2) + "\n")


def read(path: Path) -> tuple[Calibrator, Record]:
    """The calibrator in a file, and its record. A file without a digest, of an earlier version or by hand, is read.

    Raises:
        UserError: names the file; it is absent, not JSON, of another version, was edited, or has wrong parameters.
    """
    with reading(
        f"{path} is not a calibrator's file",
        expected="a calibrator.json that `calibrate` wrote",
        do="dense-calibration calibrate --pred MAPS --mask MASKS --apply MAPS --out DIR",
    ):
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
    version = content.get("version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise UserError(
            f"{path} was written by a later version of this program",
            found=f"version {version} of the file",
            expected=f"version {VERSION} (docs/calibrate.md)",
            do="update the program, or " + DO,
        )
    if (
        isinstance(content, dict)
        and DIGEST in content
        and content.pop(DIGEST) != (digest := sha256_without(DIGEST, content))
    ):
        raise UserError(
            f"{path} was altered since it was written",
            found=f"content of the {DIGEST} {digest}",
            expected=f"the content that the file's own {DIGEST} is of",
            do=f"{DO}; or, if you meant to change it, remove its line {DIGEST!r}",
        )
    record = validate(Record, content, str(path), EXPECTED, DO)
    kind = named(record.calibrator, str(path))
    calibrator = validate(kind, record.parameters, f"{path}: parameters", EXPECTED, DO)
    if wrong := _wrong(calibrator, record.classes):
        raise UserError(
            f"{path}: parameters are not those of a fitted calibrator",
            found=wrong,
            expected=f"what `calibrate` wrote for {record.classes} classes",
            do=DO,
        )
    return calibrator, record


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The keys and values of a JSON object; ValueError for a key that comes twice, of which the last would count."""
    keys = [key for key, _ in pairs]
    if repeated := sorted({key for key in keys if keys.count(key) > 1}):
        raise ValueError(f"duplicate keys: {', '.join(repeated)}")
    return dict(pairs)


def _wrong(calibrator: Calibrator, classes: int) -> str:
    """What fits no other parameter, or gives no probabilities; empty where nothing is wrong."""
    if not 2 <= classes <= MOST_CLASSES:
        return f"{classes:,} classes"
    if not calibrator.takes(classes):
        return f"{calibrator.name}, which is for {calibrator.classes} classes"
    c = 1 if classes == 2 else classes
    for name, values in calibrator:
        if isinstance(values, list) and len(values) != c:
            return f"{name} has {len(values)} entries, and not {c}"
    z = np.repeat(np.linspace(-16, 16, 101)[None, None], c, axis=0)
    z[1:] *= -0.5
    try:
        with np.errstate(all="ignore"):
            f = calibrator.apply(z)
    except ValueError as error:  # rows of a matrix that are shorter than others
        return str(error)
    return "" if np.all((f >= 0) & (f <= 1)) else "parameters so large that the probabilities are not numbers"


def read_for(path: Path, classes: int, source: str, do: str, by: str = "") -> tuple[Calibrator, Record]:
    """`read`, of a calibrator that is to be applied to predictions of so many classes.

    Args:
        source: the name of what they are of: a run, or a folder or file.
        do: what to do if it was fitted to another number of classes.
        by: the calibrator that was applied to them already, if any.

    Raises:
        UserError: as `read`; it was fitted to another number of classes, or there is a calibrator already.
    """
    if by:
        raise UserError(
            f"--calibrator {path}: the predictions are calibrated already",
            found=f"{source} by {by}",
            expected="predictions of a network without a calibrator",
            do="leave out --calibrator, or take the network alone",
        )
    calibrator, record = read(path)
    if record.classes != classes:
        raise UserError(
            f"{path} was fitted to maps of {record.classes} classes",
            found=f"{classes} classes in {source}",
            expected="as many classes as it was fitted to",
            do=do,
        )
    return calibrator, record
