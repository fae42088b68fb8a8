"""Probability maps of images, by a run of an experiment or by an exported folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline_src.calibrators.calibrator import calibrated, read_for
from pipeline_src.errors import UserError
from pipeline_src.export import folder as exported
from pipeline_src.export import image_files, runs
from pipeline_src.export.image_files import ImageFile
from pipeline_src.export.map_folder import Format, MapFolder
from pipeline_src.files import sha256
from pipeline_src.logs import with_progress
from pipeline_src.params.schema import LIMITS
from pipeline_src.pipeline import networks
from pipeline_src.pipeline.fingerprint import digest
from pipeline_src.prediction.predict import predict as predictions
from pipeline_src.training.calibrated import Calibrated

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MapSource:
    """A model that predicts maps.

    Attributes:
        name: of the run, or of the exported folder.
        digest: digest of all that its maps depend on.
        batch_size: images that are predicted together.
        maps: image files -> their probabilities float32, (H, W) or (K, H, W), in that order.
        calibrated: the method or file that calibrates it; empty if nothing does.
    """

    name: str
    digest: str
    classes: int
    batch_size: int
    maps: Callable[[Sequence[ImageFile]], Iterator[np.ndarray]]
    calibrated: str = ""


def predict(
    source: MapSource,
    images: str,
    out: Path,
    format: Format | None = None,
    calibrator: Path | None = None,
    max_pixels: int = LIMITS.pixels,
) -> tuple[int, int]:
    """Write the probability map of each image, at its original size; returns the numbers of images and of new maps.

    Args:
        images: a folder or a pattern.
        out: folder of the maps. Maps of the same image and model are kept.
        format: by default png16 for maps of one object, npy for those of several classes.
        calibrator: a calibrator.json, fitted to maps of this model, that is applied to them.
        max_pixels: the largest number of pixels of an image.

    Raises:
        UserError: names all images that cannot be used, or the option that does not fit; nothing is written then.
    """
    form: Format = format or ("png16" if source.classes == 2 else "npy")
    if source.classes > 2 and form != "npy":
        raise UserError(
            "maps of several classes cannot be PNG files",
            found=f"--format {form}, {source.classes} classes",
            expected="npy, an array (classes, height, width)",
            fix="--format npy",
        )
    applied = None
    if calibrator:
        fix = "fit one to maps of this model: dense-calibration calibrate"
        applied, _ = read_for(calibrator, source.classes, source.name, fix, source.calibrated)
    files = image_files.find_images(images)
    digests = [source.digest, form, sha256(calibrator) if calibrator else None]
    maps = MapFolder(out, source.name, digest(digests), form)
    maps.check(files)
    image_files.check_images(files, max_pixels)
    maps.record.touch()
    missing = {file.name for file in files if not maps.has(file)}
    if len(missing) < len(files):
        log.info("%d of %d maps exist already", len(files) - len(missing), len(files))
    # In whole batches of the list, since the last bits of a prediction depend on its batch.
    size = source.batch_size
    batches = [files[start : start + size] for start in range(0, len(files), size)]
    inputs = [file for batch in batches if missing & {file.name for file in batch} for file in batch]
    for file, probability in with_progress(zip(inputs, source.maps(inputs), strict=True), len(inputs)):
        if file.name in missing:
            maps.write(file, calibrated(applied, probability) if applied else probability)
    maps.finish()
    return len(files), len(missing)


def run_source(name: str) -> MapSource:
    """A run of an experiment, with its settings."""
    run = runs.find(name)
    settings, predictor = networks.settings(run.evaluation), run.predictor()

    def maps(files: Sequence[ImageFile]) -> Iterator[np.ndarray]:
        # The store has everything that a prediction reads from one.
        store = image_files.ImageStore(files, settings.image_size)
        return (probability for probability, *_ in predictions(predictor, store, settings))  # type: ignore[arg-type]

    calibrated_by = run.method if isinstance(predictor.method, Calibrated) else ""
    classes, batch_size = run.experiment.facts.classes, settings.evaluation.batch_size
    return MapSource(run.name, run.digest, classes, batch_size, maps, calibrated_by)


def folder_source(folder: Path) -> MapSource:
    """An exported folder, on the CPU."""
    network = exported.read(folder)

    def maps(files: Sequence[ImageFile]) -> Iterator[np.ndarray]:
        return (exported.probabilities(network, image_files.read_image(file)) for file in files)

    name, model = folder.resolve().name, sha256(folder / exported.MODEL)
    return MapSource(name, model, network.settings.classes, 1, maps, network.calibrator)
