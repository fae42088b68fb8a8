"""Probability maps of image files, by a run of an experiment or by an exported folder."""

from __future__ import annotations

import glob
import json
import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np

from pipeline_src import outputs
from pipeline_src.calibrators.calibrator import calibrated, read_for
from pipeline_src.data.image_io import UPRIGHT, UnreadableImageError, decode_image, read_orientation
from pipeline_src.data.pairing import IMAGE_SUFFIXES, walk
from pipeline_src.errors import UserError, listed
from pipeline_src.export import folder as exported
from pipeline_src.export import runs
from pipeline_src.files import atomic, content, sha256, write_text
from pipeline_src.logs import with_progress
from pipeline_src.pipeline.fingerprint import digest
from pipeline_src.prediction.predict import Predictor, predict_image
from pipeline_src.training.calibrated import Calibrated

RECORD = "maps.jsonl"
Format = Literal["png8", "png16", "npy"]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MapModel:
    """A model that predicts maps.

    Attributes:
        name: of the run, or of the exported folder.
        digest: digest of all that its maps depend on.
        image_size: side of the network's square input.
        calibrated: the method or calibrator that calibrates it; empty if nothing does.
    """

    name: str
    digest: str
    classes: int
    image_size: int
    predictor: Predictor
    calibrated: str = ""


def run_model(name: str) -> MapModel:
    """A run of an experiment, with its settings."""
    run = runs.find(name)
    predictor, settings = run.predictor(), run.experiment.settings
    calibrated_by = run.method if isinstance(predictor.method, Calibrated) else ""
    return MapModel(run.name, run.digest, run.experiment.facts.classes, settings.image_size, predictor, calibrated_by)


def folder_model(folder: Path) -> MapModel:
    """An exported folder, on the CPU."""
    config, predictor, calibrator = exported.read(folder)
    name, files = folder.resolve().name, sha256(folder / exported.SUMS)
    return MapModel(name, files, config.classes, config.image_size, predictor, calibrator)


def predict(
    model: MapModel, images: str, out: Path, format: Format | None = None, calibrator: Path | None = None
) -> tuple[int, int]:
    """Write the probability map of each image, at its original size; returns the numbers of images and of new maps.

    Args:
        images: a folder or a pattern.
        out: folder of the maps. Maps of the same image and model are kept.
        format: by default png16 for maps of one object, npy for those of several classes.
        calibrator: a calibrator.json, fitted to maps of this model, that is applied to them.

    Raises:
        UserError: names all images that cannot be used, or the option that does not fit; nothing is written then.
    """
    form: Format = format or ("png16" if model.classes == 2 else "npy")
    if model.classes > 2 and form != "npy":
        raise UserError(
            "maps of several classes cannot be PNG files",
            found=f"--format {form}, {model.classes} classes",
            expected="npy, an array (classes, height, width)",
            fix="--format npy",
        )
    applied = None
    if calibrator:
        fix = "fit one to maps of this model: dense-calibration calibrate"
        applied, _ = read_for(calibrator, model.classes, model.name, fix, model.calibrated)
    files = find_images(images)
    digests = [model.digest, form, sha256(calibrator) if calibrator else None]
    maps = MapFolder(out, model.name, digest(digests), form)
    maps.check(files)
    check_images(files)
    missing = [file for file in files if not maps.has(file)]
    if len(missing) < len(files):
        log.info("%d of %d maps exist already", len(files) - len(missing), len(files))
    for file in with_progress(missing, len(missing)):
        f = predict_image(model.predictor, decode_image(content(file.path)), model.image_size, file.name)
        maps.write(file, calibrated(applied, f) if applied else f)
    maps.finish()
    return len(files), len(missing)


class ImageFile(NamedTuple):
    """An image, and the name of its map: its place below the folder of images, without a suffix."""

    path: Path
    name: str


def find_images(images: str) -> list[ImageFile]:
    """Find the images of a folder, at any depth, or those that a pattern such as `photos/*.jpg` matches, by name.

    Raises:
        UserError: there are none, or two would have the same map.
    """
    folder = Path(images)
    if folder.is_dir():
        top, paths = folder, [*walk(folder)]
    else:  # the folder above the first part with a wildcard
        top = next((path for path in folder.parents if not glob.has_magic(str(path))), Path())
        paths = [path for name in glob.glob(images, recursive=True) if not (path := Path(name)).is_dir()]
    image_paths = sorted(path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES)
    if not image_paths:
        raise UserError(
            f"--images {images}: there are no images",
            found=f"{len(paths)} files of other kinds" if paths else f"nothing in {folder.absolute()}",
            expected=f"a folder, or a pattern in quotes as 'photos/*.jpg': {', '.join(sorted(IMAGE_SUFFIXES))}",
        )
    by_name = defaultdict(list)
    for path in image_paths:
        by_name[path.relative_to(top).with_suffix("").as_posix()].append(path)
    if shared := [", ".join(map(str, several)) for several in by_name.values() if len(several) > 1]:
        raise UserError(
            f"--images {images}: images would have the same map{listed(shared)}",
            expected="one image of each name, regardless of its suffix",
            fix="rename them, or choose by a pattern: --images 'DIR/*.png'",
        )
    return [ImageFile(path, name) for name, (path,) in by_name.items()]


def check_images(files: Sequence[ImageFile]) -> None:
    """Read the headers of all images; UserError names all that cannot be used."""
    problems, turned = [], []
    for file in files:
        try:
            turned += [file.path] if read_orientation(content(file.path)) != UPRIGHT else []
        except (OSError, UnreadableImageError) as error:
            problems.append(f"{file.path} {error}")
    if problems:
        raise UserError(
            f"{len(problems)} of {len(files)} images cannot be used{listed(problems)}",
            expected="whole image files, of 8 or 16 bits a channel",
            fix="replace them, or choose others by a pattern: --images 'DIR/*.png'",
        )
    if turned:
        text = "%d images, such as %s, have an EXIF orientation, which is not applied to them and their maps"
        log.warning(text, len(turned), turned[0])


class MapFolder:
    """A folder of maps with a record of their sources, from which an interrupted prediction resumes.

    Args:
        folder: folder of the maps and their record.
        model: name of the run or exported folder.
        digest: digest of the model, its calibrator and the format.
        format: PNG with 8 or 16 bits, or float32 in .npy.

    Attributes:
        lines: of each map `map` (its file), `model`, `digest`, and `image` (SHA-256).
    """

    def __init__(self, folder: Path, model: str, digest: str, format: Format):
        self.folder, self.model, self.digest, self.format = folder, model, digest, format
        self.record, self.suffix = folder / RECORD, ".npy" if format == "npy" else ".png"
        self.lines: dict[str, dict[str, str]] = {}
        text = self.record.read_text(encoding="utf-8", errors="replace") if self.record.is_file() else ""
        for line in text.splitlines():
            with suppress(ValueError, LookupError, TypeError):  # cut off by a kill: its map is predicted again
                values = json.loads(line)
                self.lines[values["map"]] = values

    def name(self, image: ImageFile) -> str:
        """The file of an image's map, relative to the folder."""
        return f"{image.name}{self.suffix}"

    def check(self, images: Sequence[ImageFile]) -> None:
        """UserError if the folder has other files, or maps of another model or with another suffix."""
        files = [self.folder / self.name(image) for image in images]
        stale = [name for name in sorted(self.lines) if not name.endswith(self.suffix)]
        outputs.check(
            self.folder,
            "predict",
            below={file.parent for file in files},
            inputs={image.path.parent for image in images},
            model=self.model,
            others=sorted({line["model"] for line in self.lines.values()} - {self.model}),
            foreign=stale if self.record.exists() else [file for file in files if file.exists()],
        )

    def has(self, image: ImageFile) -> bool:
        """Whether the folder has the map of an image by this model."""
        name = self.name(image)
        line = self.lines.get(name, {})
        current = line.get("digest") == self.digest and (self.folder / name).is_file()
        return current and line.get("image") == sha256(image.path)

    def write(self, image: ImageFile, probability: np.ndarray) -> None:
        """Write a map, (H, W) or (K, H, W) in [0, 1], and its line of the record.

        Integer maps are rounded to the nearest level, halves up at 0.5: rounding moves no pixel to the other class.
        """
        name = self.name(image)
        with atomic(self.folder / name) as temporary:
            if self.format == "npy":
                np.save(temporary, probability.astype(np.float32))
            else:
                kind: type[np.unsignedinteger[Any]] = np.uint8 if self.format == "png8" else np.uint16
                levels = np.rint(probability.astype(np.float64) * np.iinfo(kind).max).astype(kind)
                temporary.write_bytes(cv2.imencode(".png", levels)[1].tobytes())
        self.lines[name] = {"map": name, "model": self.model, "digest": self.digest, "image": sha256(image.path)}
        with open(self.record, "a", encoding="utf-8") as record:
            record.write(f"\n{json.dumps(self.lines[name], ensure_ascii=False)}")  # after a line that was cut off

    def finish(self) -> None:
        """Write the record in the order of names: an interrupted prediction ends in the same bytes."""
        lines = (json.dumps(line, ensure_ascii=False) for _, line in sorted(self.lines.items()))
        write_text(self.record, "".join(f"{line}\n" for line in lines))
