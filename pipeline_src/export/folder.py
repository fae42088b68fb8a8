"""Exported folders: what is in them, written and read."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline_src import outputs
from pipeline_src.calibrators import files as calibrators
from pipeline_src.errors import UserError
from pipeline_src.export import graph, onnx_file, standalone
from pipeline_src.export.graph import Written
from pipeline_src.export.standalone import ExportedModel
from pipeline_src.files import atomic, read_sums, reading, sha256, write_sums, write_text
from pipeline_src.training.network_file import METADATA
from pipeline_src.training.posthoc import PostHoc
from pipeline_src.validation import Count, Strict, validate

HERE = Path(__file__).parent
WEIGHTS, NETWORK, PREPROCESSING, CALIBRATOR = "model.safetensors", "network.py", "preprocessing.json", "calibrator.json"
ONNX, CONFIG, CARD, SUMS = "model.onnx", "config.yaml", "README.md", "SHA256SUMS"
PREDICTS = (WEIGHTS, NETWORK, PREPROCESSING, CALIBRATOR)  # what probabilities depend on
COPIED = {"model.py": Path(standalone.__file__), "load.py": HERE / "load.py"}
ATTRIBUTES = ".gitattributes"
UNCHANGED = "* -text\n"  # git leaves line ends as they are, also with core.autocrlf
SUMMED = (*PREDICTS, *COPIED, ATTRIBUTES, ONNX)
FILES = (*SUMMED, SUMS, CONFIG, CARD)
RESIZING = "to image_size x image_size; area average where both sides shrink or stay, else bilinear (OpenCV's)"


class Preprocessing(Strict):
    """The content of preprocessing.json.

    Attributes:
        image_size: side of the network's square input.
        mean, std: by which the network itself normalises RGB in 0..255; as information.
        single: whether the network takes one image at a time.
    """

    image_size: Count
    channels: str = "RGB, 0 to 255"
    resizing: str = RESIZING
    mean: list[float]
    std: list[float]
    classes: int
    class_names: list[str] = Field([])
    single: bool = False


def check(folder: Path) -> None:
    """Check that a folder can be written.

    Raises:
        UserError: it is a file, cannot be written, or has files that `export` did not write.
    """
    outputs.check(folder, "export", foreign=_foreign(folder))


def _foreign(folder: Path) -> Iterator[str]:
    there = {path.name for path in folder.glob("*")}
    yield from sorted(there - {*FILES} or (there if not {WEIGHTS, NETWORK} <= there else ()))


def write(
    folder: Path,
    written: Written,
    settings: Preprocessing,
    calibrator: Mapping[str, Any] | None,
    texts: Mapping[str, str],
    facts: Mapping[str, Any],
    onnx: bool,
) -> ExportedModel:
    """Write all files of a folder but `texts`' into it, and these; returns the model as it is read from there.

    Args:
        texts: further files by name.
        facts: of the run, in JSON's types, for the metadata of model.safetensors.
        onnx: whether it has a model.onnx.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.cpu().contiguous().clone() for name, tensor in written.tensors.items()}
    with atomic(folder / WEIGHTS) as temporary:
        save_file(tensors, temporary, {METADATA: json.dumps(facts)})
    write_text(folder / NETWORK, written.source)
    write_text(folder / PREPROCESSING, json.dumps(settings.model_dump(), indent=2) + "\n")
    if calibrator:
        calibrators.write(folder / CALIBRATOR, calibrator)
    for name, source in COPIED.items():
        shutil.copyfile(source, folder / name)
    for name, text in {**texts, ATTRIBUTES: UNCHANGED}.items():
        write_text(folder / name, text)
    model = read(folder, hashed=False)
    if onnx:
        onnx_file.write(model, folder / ONNX, f"{facts['run']}: RGB images of any size -> probabilities of that size")
        check_onnx(model, folder / ONNX)
    write_sums(folder / SUMS, {name: sha256(folder / name) for name in SUMMED if (folder / name).exists()})
    return model


def check_onnx(model: ExportedModel, file: Path) -> None:
    """UserError where the file gives other probabilities than torch on drawn images."""
    draws = np.random.default_rng(0)
    size = model.settings["image_size"]
    for number, height, width in ((1, size, size), (1 if model.settings["single"] else 2, 2 * size + 5, size + 30)):
        images = torch.from_numpy(draws.integers(0, 256, (number, 3, height, width), dtype=np.uint8))
        worst = float(onnx_file.differences(model, file, images).max())
        if worst > onnx_file.TOLERANCE:
            raise UserError(
                f"{file} differs from torch",
                found=f"probabilities that differ by {worst:.2g}",
                expected=f"at most {onnx_file.TOLERANCE:g}",
                do="leave it out: --no-onnx",
            )


def read(folder: Path, hashed: bool = True) -> ExportedModel:
    """The model of an exported folder. Its own Python files are not imported: of network.py torch's operators are run,
    if it has nothing else. One that is being written is not `hashed` yet.

    Raises:
        UserError: a file is missing, can't be read, or is not what `export` wrote.
    """
    needed = (WEIGHTS, NETWORK, PREPROCESSING, *([SUMS] if hashed else []))
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{folder} is not an exported folder",
            found=f"no {', '.join(missing)}" if folder.is_dir() else "no such folder",
            expected="a folder that `export` wrote",
            do="dense-calibration export --run RUN --out DIR",
        )
    file, again = folder / PREPROCESSING, "export the run again"
    with reading(f"{file} cannot be read", expected="JSON", do=again):
        content = json.loads(file.read_text(encoding="utf-8"))
    settings = validate(Preprocessing, content, str(file))
    record = None
    if (folder / CALIBRATOR).exists():
        _, fitted = calibrators.read_for(folder / CALIBRATOR, settings.classes, str(file), again)
        record = fitted.model_dump(mode="json")
    network = graph.run(graph.check(folder / NETWORK))
    whole = "a whole file of safetensors"
    with reading(f"{folder / WEIGHTS} can't be read", expected=whole, do=again, also=SafetensorError):
        tensors = load_file(folder / WEIGHTS)
    if hashed:
        _check_sums(folder)
    model = ExportedModel(network, tensors, settings.model_dump(), record).eval()
    _try(model, folder)
    return model


def _try(model: ExportedModel, folder: Path) -> None:
    """UserError where the weights are not those of the network, or its classes not those of preprocessing.json."""
    size, classes = model.settings["image_size"], model.settings["classes"]
    try:
        with torch.inference_mode():
            channels = {z.shape[1] for z in model.logits(torch.zeros(1, 3, size, size))}
        problem = "" if channels == {1 if classes == 2 else classes} else f"logits of {max(channels)} channels"
    except Exception as error:  # whatever torch makes of tensors that are missing or of other shapes
        problem = f"{type(error).__name__}: {error}"
    if problem:
        raise UserError(
            f"{folder / WEIGHTS} does not go with {NETWORK} and {PREPROCESSING}",
            found=problem,
            expected=f"the weights of this network, for {classes} classes and images of {size} x {size}",
            do="export the run again",
        )


def _check_sums(folder: Path) -> None:
    """UserError where a file that predicts is not what was exported."""
    exported = read_sums(folder / SUMS)
    actual = {name: sha256(folder / name) for name in PREDICTS if (folder / name).exists()}
    if altered := [name for name in PREDICTS if exported.get(name) != actual.get(name)]:
        again = "export the run again, or copy the folder again"
        if all(_has_other_line_ends(folder / name, exported.get(name)) for name in altered):
            again = f"git changed its line ends: check it out with core.autocrlf=false, or with its {ATTRIBUTES}"
        raise UserError(
            f"{folder / altered[0]} is not the file that was exported",
            found=f"sha256 {actual.get(altered[0], 'of nothing: the file is missing')}",
            expected=f"sha256 {exported.get(altered[0], 'of nothing: the folder had no such file')}, as {SUMS} says",
            do=again,
        )


def _has_other_line_ends(file: Path, exported: str | None) -> bool:
    """Whether a file is the exported one with CRLF in the place of LF."""
    if file.name == WEIGHTS or not file.is_file():
        return False
    return hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest() == exported


class Member(NamedTuple):
    """A model in the place of a `Predictor`'s networks; `mean` is a tensor on its device."""

    model: ExportedModel
    mean: Tensor

    @classmethod
    def of(cls, model: ExportedModel) -> Member:
        return cls(model, next(model.buffers()))


class Exported(PostHoc):
    """What predicts with it: `Predictor([Member.of(model)], Exported(), fitted={"model": model})`."""

    def logits(self, networks: list[Any], x: Tensor, ids: list[str], seed: int) -> list[Tensor]:
        return networks[0].model.logits(x.float())

    def probability(self, logits: list[Tensor], size: tuple[int, int], fitted: dict[str, Any]) -> np.ndarray:
        return fitted["model"].probabilities([z[None] for z in logits], size)[0].cpu().numpy()
