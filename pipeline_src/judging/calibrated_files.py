"""Calibrated maps as files: as the maps came, in format, type, shape and name."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from pipeline_src.calibrators.calibrator import Calibrator, calibrated
from pipeline_src.errors import UserError, listed
from pipeline_src.files import atomic
from pipeline_src.judging import several_classes
from pipeline_src.judging.arrays import read_map
from pipeline_src.judging.files import ARRAYS, IMAGES, Pairs, UnusableFileError, check_problems, naming

FOLDER = "maps"
NETWORK = ("SHA256SUMS", "model.safetensors")  # of an exported folder, which may have a calibrator.json of its own


def check(out: Path, inputs: tuple[Path | None, ...]) -> None:
    """Check that calibrated maps can be written into maps/ of `out`.

    Raises:
        UserError: it is one of `inputs`, or holds files that `calibrate` did not write; `out` holds a network.
    """
    folder = out / FOLDER
    if there := [name for name in NETWORK if (out / name).exists()]:
        raise UserError(
            f"--out {out} holds a network, and what calibrator.json says beside it would be replaced",
            found=" and ".join(there),
            expected="a folder of its own",
            do="give another --out; `export --calibrator` puts its calibrator beside a network",
        )
    if any(path is not None and path.resolve() == folder.resolve() for path in inputs):
        raise UserError(
            f"--out {out}: {folder} is a folder of maps or masks, and would be overwritten",
            expected="a folder of its own",
            do="give another --out",
        )
    if folder.exists() and not (out / "calibrator.json").exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            f"--out {out}: {folder} is there, and calibrate did not write it",
            found="no calibrator.json beside it",
            expected="a new folder, or one with older results of calibrate",
            do="give another --out, or delete the folder",
        )
    if foreign := [path for path in sorted(folder.rglob("*")) if not _is_folder(path) and not _is_map(path)]:
        raise UserError(
            f"--out {out}: {folder} has what calibrate did not write, and would be removed{listed(foreign)}",
            found=f"{len(foreign)} that are not maps",
            expected="calibrated maps alone",
            do="move them elsewhere, or give another --out",
        )


def check_applied(pairs: Pairs, classes: int | None) -> None:
    """Read all maps that are to be calibrated.

    Raises:
        UserError: names all that cannot be used, or are of another number of classes than the fitted ones (None: of one
            object), or whose classes do not sum to 1.
    """
    problems = []
    for pair in pairs:
        try:
            with naming(pair, pair.map):
                probability = read_map(pair.map, limit=pair.values)
                there = len(probability) if probability.ndim == 3 else None
                if there != classes:
                    raise UnusableFileError(f"{_kind(there)}; expected {_kind(classes)}, as the fitted maps")
                if classes and pair.mask is None:  # with a mask, void pixels are left out when it is scored
                    several_classes.check_sums(probability.sum(axis=0))
        except UnusableFileError as reason:
            problems.append(str(reason))
    check_problems(pairs, problems)


def _kind(classes: int | None) -> str:
    return f"a map of {classes} classes" if classes else "a map of one object, (height, width)"


def write(pairs: Pairs, calibrator: Calibrator, folder: Path) -> None:
    """Write the calibrated map of each pair under its own name, and remove what an earlier run left beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    names = set()
    for pair in pairs:
        name = pair.name(pair.map)
        _write(folder / name, pair.map, calibrated(calibrator, read_map(pair.map, limit=pair.values)))
        names.add(folder / name)
    for path in sorted(folder.rglob("*"), reverse=True):  # what a folder holds before the folder itself
        if not _is_folder(path) and path not in names:
            path.unlink()
        elif _is_folder(path) and not any(path.iterdir()):
            path.rmdir()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_map(path: Path) -> bool:
    return path.suffix.lower() in (*IMAGES, *ARRAYS) and path.is_file()


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
            np.save(temporary, _like(loaded, probability))
            return
        with loaded:
            (name,) = loaded
            np.savez_compressed(temporary, **{name: _like(loaded[name], probability)})


def _like(original: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """In the type and shape of the stored array, which may have an axis for the one channel; of decisions and of
    float16, which would move pixels to the other class, as float32."""
    dtype = probability.dtype if original.dtype in (bool, np.float16) else original.dtype
    return probability.reshape(original.shape).astype(dtype)
