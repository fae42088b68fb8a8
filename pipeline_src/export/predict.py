"""Probability maps of image files, by a run of an experiment or by an exported folder."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from pipeline_src import outputs
from pipeline_src.calibrators.calibrator import calibrated
from pipeline_src.calibrators.registry import read_calibrator
from pipeline_src.data.image_io import UnreadableImageError, check_pixels, decode_image, is_turned
from pipeline_src.data.pairing import IMAGE_SUFFIXES, walk
from pipeline_src.errors import UserError, few, listed
from pipeline_src.export import Format, runs
from pipeline_src.export import folder as exported
from pipeline_src.files import (
    Content,
    atomic,
    check_folder,
    composed,
    read_bytes,
    reading,
    sha256,
)
from pipeline_src.pipeline.fingerprint import digest
from pipeline_src.prediction.predict import Predictor, predict_image
from pipeline_src.training.posthoc import Calibrated

# A file in each folder of maps. It has the name of their model, a digest of all that the maps
# depend on except the images, and the SHA-256 of each image by name.
RECORD = "maps.json"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MapModel:
    """A model that predicts maps, from a run of an experiment or an exported folder.

    Attributes:
        name: name of the run, or of the exported folder.
        digest: digest of all that its maps depend on.
        image_size: side of the network's square input, in pixels.
        predictor: the networks, and the post-hoc method that uses them.
        calibrated: the method or calibrator that calibrates it; empty if nothing does.
    """

    name: str
    digest: str
    classes: int
    image_size: int
    predictor: Predictor
    calibrated: str = ""


def run_model(name: str) -> MapModel:
    """Return the model of the run `name`, such as `demo/aslp_cl/seed0`, on its device."""
    run = runs.find(name)
    predictor = run.predictor()
    return MapModel(
        name=run.name,
        digest=run.digest,
        classes=run.experiment.facts.classes,
        image_size=run.experiment.settings.image_size,
        predictor=predictor,
        calibrated=run.method if isinstance(predictor.method, Calibrated) else "",
    )


def folder_model(folder: Path) -> MapModel:
    """Return the model of an exported folder, on the CPU."""
    config, predictor = exported.read_folder(folder)
    return MapModel(
        name=folder.resolve().name,
        digest=sha256(folder / exported.SUMS),
        classes=config.classes,
        image_size=config.image_size,
        predictor=predictor,
        calibrated=predictor.fitted.get("calibrator", ""),
    )


def predict(
    model: MapModel,
    images: Path,
    out: Path,
    format: Format | None = None,
    calibrator: Path | None = None,
) -> tuple[int, int]:
    """Write the probability map of each image, at its original size.

    Returns the number of images, and the number of maps that were written. A call continues an
    earlier one that stopped, and replaces the maps of images that have changed since.

    Args:
        images: a folder with images at any depth.
        out: folder of the maps. Maps that it has of the same images are kept; a warning names
            those of other images.
        format: by default png16 for maps of one object, npy for those of several classes.
        calibrator: a calibrator.json, fitted to maps of this model, that is applied to them.

    Raises:
        UserError: names all images that cannot be used, or the option that does not fit; nothing is
            written then.
    """
    # Check the options.
    if format is None:
        format = "png16" if model.classes == 2 else "npy"
    if model.classes > 2 and format != "npy":
        raise UserError(
            "maps of several classes cannot be PNG files",
            found=f"--format {format}, {model.classes} classes",
            expected="npy, an array (classes, height, width)",
            fix="--format npy",
        )
    applied = None
    if calibrator:
        fix = "fit one to maps of this model: dense-calibration calibrate"
        applied, _ = read_calibrator(
            calibrator,
            model.classes,
            source=model.name,
            fix=fix,
            calibrated_by=model.calibrated,
        )

    # Find the images, and check that all of them and the folder `out` can be used.
    files = find_images(images)
    if (out / RECORD).exists() and images.resolve() in out.resolve().parents:
        # `out` lies below `images`: its PNG maps of an earlier call are no images.
        for name, path in list(files.items()):
            if path.resolve().is_relative_to(out.resolve()):
                del files[name]
    settings_digest = digest([model.digest, format, sha256(calibrator) if calibrator else None])
    suffix = "npy" if format == "npy" else "png"
    maps = {name: out / f"{name}.{suffix}" for name in files}
    earlier = _check_out(out, settings_digest, files.values(), maps.values())
    digests = check_images(files)

    # Remove altered maps, and those of images that have changed, before the record has their new
    # digests. Earlier versions recorded neither images nor maps.
    images_before = earlier.get("images", {})
    maps_before = earlier.get("maps", {})
    for name, path in maps.items():
        altered = name in maps_before and path.exists() and sha256(path) != maps_before[name]
        if altered or digests[name] != images_before.get(name):
            path.unlink(missing_ok=True)

    # Write the maps that do not exist yet.
    record = {"model": model.name, "digest": settings_digest, "images": digests}
    record["maps"] = maps_before  # the old digest of a new map makes a call after a stop write it
    others = sorted(maps_before.keys() - maps.keys())
    if others:
        log.warning("%s also has maps of other images than %s: %s", out, images, few(others))
    outputs.write_result(out / RECORD, record)
    missing = [name for name, path in maps.items() if not path.exists()]
    for name in track(missing, "Predict maps", console=Console(stderr=True), transient=True):
        image = decode_image(files[name].read_bytes())
        probability = predict_image(model.predictor, image, model.image_size, name)
        if applied:
            probability = calibrated(applied, probability)
        write_map(maps[name], probability, format)
    record["maps"] = {name: sha256(path) for name, path in maps.items()}
    outputs.write_result(out / RECORD, record)
    return len(files), len(missing)


def _check_out(
    out: Path, settings_digest: str, files: Collection[Path], maps: Collection[Path]
) -> Content:
    """Return the content of `RECORD` of earlier maps in the folder `out`, empty without one.

    Args:
        settings_digest: digest of model, format and calibrator.
        files: the images; no map may be written into their folders.
        maps: the files of the maps.

    Raises:
        UserError: the maps cannot be written into `out`, such as where it has maps of another
            model, format or calibrator.
    """
    earlier: Content = {}
    # Without a record, nothing tells which model the existing maps are of.
    foreign: list[object] = [path for path in maps if path.exists()]
    if (out / RECORD).exists():
        foreign = []
        with reading(f"{out / RECORD} cannot be read", expected="JSON", fix="give another --out"):
            earlier = json.loads((out / RECORD).read_bytes())
            if earlier["digest"] != settings_digest:
                foreign = [f"maps of {earlier['model']}, or another format or calibrator"]
    outputs.check_output(
        out,
        "predict",
        below={path.parent for path in maps},
        inputs={path.parent / "*" for path in files},  # maps may lie in a subfolder of images
        foreign=foreign,
    )
    return earlier


def write_map(path: Path, probability: np.ndarray, format: Format) -> None:
    """Write a probability map, (H, W) or (K, H, W) in [0, 1], as a PNG or npy file.

    PNG maps are rounded to the nearest of 256 or 65536 levels. The level of 0.5 is rounded up, so
    rounding moves no pixel to the other class.
    """
    with atomic(path) as temporary:
        if format == "npy":
            np.save(temporary, probability.astype(np.float32))
        else:
            dtype = np.dtype("uint8" if format == "png8" else "uint16")
            levels = np.rint(probability.astype(np.float64) * np.iinfo(dtype).max).astype(dtype)
            temporary.write_bytes(cv2.imencode(".png", levels)[1].tobytes())


def find_images(folder: Path) -> dict[str, Path]:
    """Return the images of a folder, at any depth, by their relative path without suffix.

    The map of an image has the same path with another suffix, so two images may not differ only in
    their suffix.

    Raises:
        UserError: there is no folder or no image, or two would have the same map.
    """
    check_folder(folder)
    by_name = defaultdict(list)
    for path in sorted(walk(folder)):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            name = path.relative_to(folder).with_suffix("").as_posix()
            by_name[composed(name)].append(path)
    if not by_name:
        raise UserError(
            f"--images {folder}: there are no images",
            found="other files",
            expected=f"a folder with files that end in {', '.join(sorted(IMAGE_SUFFIXES))}",
        )
    shared = [", ".join(map(str, paths)) for paths in by_name.values() if len(paths) > 1]
    if shared:
        raise UserError(
            f"--images {folder}: images would have the same map{listed(shared)}",
            expected="one image of each name, regardless of its suffix",
        )
    return {name: path for name, (path,) in by_name.items()}


def check_images(files: Mapping[str, Path]) -> dict[str, str]:
    """Return the SHA-256 of all images by name, after a check that they can be decoded, before the
    first one is predicted.

    A warning tells of images with an EXIF orientation, which is not applied.

    Raises:
        UserError: names all images that cannot be used.
    """
    digests = {}
    problems = []
    turned = []
    for name, path in files.items():
        try:
            data = read_bytes(path)
            digests[name] = hashlib.sha256(data).hexdigest()
            check_pixels(data)
            if is_turned(data):
                turned.append(path)
            decode_image(data)
        except (OSError, UnreadableImageError) as error:
            problems.append(f"{path} {error}")
    if problems:
        raise UserError(
            f"{len(problems)} of {len(files)} images cannot be used{listed(problems)}",
            expected="whole image files, of 8 or 16 bits a channel",
            fix="replace or remove them",
        )
    if turned:
        log.warning(
            "%d images, such as %s, have an EXIF orientation, "
            "which is not applied to them and their maps",
            len(turned),
            turned[0],
        )
    return digests
