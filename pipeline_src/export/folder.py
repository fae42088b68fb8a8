"""Exported folders: the files in them, written and read."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from pipeline_src import outputs
from pipeline_src.errors import UserError
from pipeline_src.export import onnx_file
from pipeline_src.export.model import ExportedModel
from pipeline_src.files import atomic, read_sums, reading, sha256, write_sums, write_text
from pipeline_src.validation import Count, Strict, validate

MODEL, ONNX, INPUT = "model.pt2", "model.onnx", "preprocessing.json"
CALIBRATOR, CONFIG, CARD, SUMS = "calibrator.json", "config.yaml", "README.md", "SHA256SUMS"
FILES = (MODEL, ONNX, INPUT, CALIBRATOR, CONFIG, CARD, SUMS)
RESIZING = "to image_size x image_size; area average where both sides shrink or stay, else bilinear (OpenCV's)"
log = logging.getLogger(__name__)


class Preprocessing(Strict):
    """The content of preprocessing.json. All steps are inside the model; the file is information.

    Attributes:
        image_size: side of the network's square input, in pixels.
        mean, std: normalization of RGB in 0..255.
        single: whether the model takes one image at a time, because its graph depends on the number of images.
    """

    image_size: Count
    channels: str = "RGB, 0 to 255"
    resizing: str = RESIZING
    mean: list[float]
    std: list[float]
    classes: int
    class_names: list[str] = Field([])
    single: bool = False


class Exported(NamedTuple):
    """An exported folder that was read: `model` maps images (B, 3, H, W) uint8 to probabilities float32."""

    model: Callable[[Tensor], Tensor]
    settings: Preprocessing
    calibrator: str


def check(folder: Path) -> None:
    """UserError if the folder cannot be written, or has files that `export` did not write."""
    names = {path.name for path in folder.glob("[!.]*")}
    outputs.check(folder, "export", foreign=sorted(names - {*FILES} if MODEL in names else names))


def write(
    folder: Path,
    model: ExportedModel,
    program: torch.export.ExportedProgram,
    settings: Preprocessing,
    texts: Mapping[str, str],
    onnx: bool,
) -> Exported:
    """Write all files, and return the folder as it is read back.

    Args:
        program: the graph of the model, as `traced` returns it.
        texts: the content of further files by name.
        onnx: whether model.onnx is written.

    Raises:
        UserError: model.onnx differs from torch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with atomic(folder / MODEL) as temporary, open(temporary, "wb") as file:
        torch.export.save(program, file)
    write_text(folder / INPUT, json.dumps(settings.model_dump(), indent=2) + "\n")
    if model.calibrator:
        write_text(folder / CALIBRATOR, json.dumps(model.calibrator, indent=2) + "\n")
    for name, text in texts.items():
        write_text(folder / name, text)
    if onnx:
        onnx_file.write(model, folder / ONNX, settings.single)
        onnx_file.check(model, folder / ONNX, settings.single)
    write_sums(folder / SUMS, {name: sha256(folder / name) for name in FILES[:-1] if (folder / name).exists()})
    return read(folder)


def traced(model: ExportedModel) -> tuple[torch.export.ExportedProgram, bool]:
    """The graph of a model for images of any size, and whether it takes one image at a time.

    Raises:
        UserError: the network has no graph that is independent of the images.
    """

    def graph(images: int) -> torch.export.ExportedProgram:
        example = torch.randint(0, 256, (images, 3, model.size + 9, model.size + 20), dtype=torch.uint8)
        names = {0: "batch", 2: "height", 3: "width"}
        free = {axis: torch.export.Dim(name) for axis, name in names.items() if axis or images > 1}
        with torch.no_grad():
            return torch.export.export(model, (example,), dynamic_shapes=(free,))

    try:
        return graph(2), False
    except Exception as error:  # networks raise many types on tensors without content
        log.warning("the exported network takes one image at a time: %s", str(error).partition("\n")[0])
    try:
        return graph(1), True
    except Exception as error:
        raise UserError(
            "the network cannot be written as a graph of operators",
            found=f"{type(error).__name__}: " + str(error).partition("\n")[0],
            expected="a forward pass whose steps do not depend on the values of its tensors",
            fix="export another network, or predict with it here: dense-calibration predict --run RUN",
        ) from error


def read(folder: Path) -> Exported:
    """The model of an exported folder.

    Raises:
        UserError: a file is missing, can't be read, or is not the one that `export` wrote.
    """
    if missing := [name for name in (MODEL, INPUT, SUMS) if not (folder / name).is_file()]:
        raise UserError(
            f"{folder} is not an exported folder",
            found=f"no {', '.join(missing)}" if folder.is_dir() else "no such folder",
            expected="a folder that `export` wrote",
            fix="dense-calibration export --run RUN --out DIR",
        )
    expected, actual = read_sums(folder / SUMS).get(MODEL), sha256(folder / MODEL)
    if expected != actual:
        raise UserError(
            f"{folder / MODEL} is not the file that was exported",
            found=f"sha256 {actual}",
            expected=f"sha256 {expected}, as {SUMS} says",
            fix="export the run again, or copy the folder again",
        )
    with reading(f"{folder / INPUT} cannot be read", expected="JSON", fix="export the run again"):
        content = json.loads((folder / INPUT).read_text(encoding="utf-8"))
        settings = validate(Preprocessing, content, str(folder / INPUT))
        record = folder / CALIBRATOR
        calibrator = json.loads(record.read_text(encoding="utf-8"))["calibrator"] if record.is_file() else ""
    return Exported(torch.export.load(folder / MODEL).module(), settings, calibrator)


def probabilities(exported: Exported, image: np.ndarray) -> np.ndarray:
    """The probabilities of an RGB image (H, W, 3) uint8, float32: (H, W), or (K, H, W) for K classes."""
    with torch.inference_mode():
        images = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
        return exported.model(images)[0].numpy()
