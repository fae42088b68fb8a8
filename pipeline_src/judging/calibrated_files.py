"""Calibrated maps as files: as the maps came, in format, type, shape and name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import cv2
import numpy as np
from numpy.lib import format as npy

from pipeline_src import outputs
from pipeline_src.calibrators.calibrator import Calibrator, calibrated
from pipeline_src.errors import UserError
from pipeline_src.files import atomic, overlong
from pipeline_src.judging import several_classes
from pipeline_src.judging.arrays import read_map
from pipeline_src.judging.files import ARRAYS, IMAGES, Pairs, UnusableFileError, check_problems, naming

CALIBRATOR, FOLDER, SCORES = "calibrator.json", "maps", "scores.json"


def check(out: Path, inputs: tuple[Path | None, ...]) -> None:
    """`outputs.check` of a folder for a calibrator and calibrated maps; maps/ may hold nothing else."""
    outputs.check(out, "calibrate", below=[out / FOLDER], inputs=inputs, foreign=_foreign(out))


def _foreign(out: Path) -> Iterator[Path]:
    if os.path.lexists(out / FOLDER) and not (out / FOLDER).is_dir():
        yield out / FOLDER
    is_ours = (out / CALIBRATOR).exists()
    for path in sorted((out / FOLDER).rglob("*")):
        is_folder = path.is_dir() and not path.is_symlink()
        if not (is_ours and (is_folder or (path.suffix.lower() in (*IMAGES, *ARRAYS) and path.is_file()))):
            yield path


def check_applied(pairs: Pairs, classes: int | None) -> None:
    """Read all maps that are to be calibrated.

    Raises:
        UserError: names all that cannot be used, or are of another number of classes than the fitted ones (None: of one
            object), or whose classes do not sum to 1, or whose names are too long.
    """
    problems = []
    for pair in pairs:
        try:
            with naming(pair, pair.map):
                if reason := overlong(pair.map.name):
                    raise UnusableFileError(reason)
                probability = read_map(pair.map, limit=pair.values, several=classes is not None)
                there = len(probability) if probability.ndim == 3 else None
                if classes and there and there != classes:
                    several_classes.check_classes_first(probability)
                if there != classes:
                    raise UnusableFileError(f"{_kind(there)}; expected {_kind(classes)}, as the fitted maps")
                if classes and pair.mask is None:  # with a mask, void pixels are left out when it is scored
                    several_classes.check_sums(probability.sum(axis=0))
        except UnusableFileError as error:
            problems.append(str(error))
    check_problems(pairs, problems)


def _kind(classes: int | None) -> str:
    return f"a map of {classes} classes" if classes else "a map of one object, (height, width)"


def write(pairs: Pairs, calibrator: Calibrator, folder: Path, several: bool = False) -> None:
    """Write the calibrated map of each pair, of `several` classes or of one object, under its own name."""
    folder.mkdir(parents=True, exist_ok=True)
    for pair in pairs:
        probability = read_map(pair.map, limit=pair.values, several=several)
        _write(folder / pair.name(pair.map), pair.map, calibrated(calibrator, probability))


def _write(path: Path, original: Path, probability: np.ndarray) -> None:
    with atomic(path) as temporary:
        if path.suffix.lower() not in ARRAYS:
            encoded, data = cv2.imencode(path.suffix.lower(), probability)
            if not encoded:
                raise UserError(f"{path} cannot be written as {path.suffix}", do="save the maps as .png or .npy")
            temporary.write_bytes(data.tobytes())
            return
        loaded = np.load(original, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            with open(temporary, "wb") as file:  # to a name that ends in .NPY numpy appends .npy
                np.save(file, _like(loaded, probability))
            return
        with loaded:
            (name,) = loaded
            # As numpy.savez_compressed, for which an array may not be called `file`.
            with (
                ZipFile(temporary, "w", ZIP_DEFLATED) as archive,
                archive.open(f"{name}.npy", "w", force_zip64=True) as member,
            ):
                npy.write_array(member, _like(loaded[name], probability), allow_pickle=False)


def _like(original: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """In the type and shape of the stored array, which may have an axis for the one channel; of decisions and of
    float16, which would move pixels to the other class, as float32."""
    dtype = probability.dtype if original.dtype in (bool, np.float16) else original.dtype
    return probability.reshape(original.shape).astype(dtype)
