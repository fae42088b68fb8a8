"""Exported folders: one network as a graph of torch, its calibrator, its configuration and a model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline_src import outputs
from pipeline_src.calibrators.calibrator import Record
from pipeline_src.errors import UserError
from pipeline_src.export import runs
from pipeline_src.files import sha256, write_text
from pipeline_src.prediction.predict import Predictor, predict_image
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.posthoc import Calibrated, PostHoc
from pipeline_src.training.registry import calibrated_method
from pipeline_src.validation import Count, Strict

MODEL, CONFIG, CALIBRATOR, CARD, SUMS = (
    "model.pt2",
    "config.json",
    "calibrator.json",
    "README.md",
    "SHA256SUMS",
)
FILES = (MODEL, CONFIG, CALIBRATOR, CARD, SUMS)
TOLERANCE = 1e-5  # of probabilities, between the folder and the run
CARD_TEXT = """# {run}

A network for dense (per-pixel) classification, trained with the method `{method}` of the experiment `{experiment}`.
{calibration}

```python
import cv2
import torch

model = torch.export.load("model.pt2").module()
image = cv2.cvtColor(cv2.imread("photo.jpg"), cv2.COLOR_BGR2RGB)
shrink = cv2.INTER_AREA if min(image.shape[:2]) >= {size} else cv2.INTER_LINEAR
x = torch.from_numpy(cv2.resize(image, ({size}, {size}), interpolation=shrink))
with torch.inference_mode():
    z = model(x.permute(2, 0, 1)[None])  # (B, 3, {size}, {size}) uint8 -> logits (B, {channels}, h, w)
    z = torch.nn.functional.interpolate(z, image.shape[:2], mode="bilinear")
    probabilities = {activation}
```

`dense-calibration predict --weights FOLDER --images DIR --out MAPS` does the same for many images{and_calibrator}.

- Classes, from 0: {classes}.
- Calibration holds for images like the validation images. Under distribution shift confidence can be wrong by more.
- `config.json` has the experiment, the seed and the fingerprints of the training in full.
- The weights were made from the datasets of the experiment, and perhaps from pretrained weights: respect their terms.
"""


class Config(Strict):
    """The content of config.json.

    Attributes:
        image_size: side of the network's square input, in pixels.
        provenance: the run, its method, seed, fingerprints and experiment.
    """

    image_size: Count
    classes: int
    class_names: list[str]
    provenance: dict[str, Any]


class ExportedNetwork(nn.Module):
    """Images (B, 3, S, S) uint8, RGB -> logits (B, C, h, w) in full precision."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: DenseClassifier):
        super().__init__()
        self.segmentor = network.segmentor.to(memory_format=torch.contiguous_format)
        self.register_buffer("mean", network.mean)
        self.register_buffer("std", network.std)

    def forward(self, images: Tensor) -> Tensor:
        x = (images.float() - self.mean) / self.std
        z: Tensor = self.segmentor(x, mode="tensor")
        return z


def export(name: str, out: Path) -> None:
    """Write the run `name` into the folder `out`, whose earlier export it replaces at the end.

    Raises:
        UserError: the run does not exist, or is not one network and a calibrator; nothing is
            written then.
    """
    names = {path.name for path in out.glob("[!.]*")}
    outputs.check_output(
        out, "export", foreign=sorted(names - {*FILES} if MODEL in names else names)
    )
    run = runs.find(name)
    predictor, graph = run.predictor(), run.experiment
    for network in predictor.networks:
        network.cpu().amp = "off"
    provenance = {
        "run": run.name,
        "method": {"entry": run.method, **graph.methods[run.method].method.model_dump(mode="json")},
        "seed": run.seed,
        "fingerprints": [job.fingerprint for job in run.jobs],
        "experiment": graph.settings.model_dump(mode="json"),
    }
    facts, size = graph.facts, graph.settings.image_size
    names_of_classes = list(facts.class_names) or ["background", "object"]
    config = Config(
        image_size=size, classes=facts.classes, class_names=names_of_classes, provenance=provenance
    )
    with outputs.staged(out, SUMS, FILES[:-1]) as new:
        write_folder(new, predictor, config)
        _check(read_folder(new)[1], predictor, size)


def write_folder(folder: Path, predictor: Predictor, config: Config) -> None:
    """Write all files of an exported folder; UserError where the network has no graph."""
    program = traced(predictor.networks[0], config.image_size)
    record = predictor.fitted if isinstance(predictor.method, Calibrated) else None
    with open(folder / MODEL, "wb") as file:
        torch.export.save(program, file)
    write_text(folder / CONFIG, json.dumps(config.model_dump(), indent=2) + "\n")
    if record:
        write_text(folder / CALIBRATOR, Record.model_validate(record).file_text())
    write_text(folder / CARD, card(config, record))
    names = [name for name in FILES[:-1] if (folder / name).exists()]
    write_text(
        folder / SUMS, "".join(f"{sha256(folder / name)}  {name}\n" for name in names)
    )  # as of sha256sum


def traced(network: DenseClassifier, size: int) -> torch.export.ExportedProgram:
    """Return the graph of a network for any number of images; UserError where it has none."""
    example = torch.zeros(2, 3, size, size, dtype=torch.uint8)
    try:
        with torch.no_grad():
            module = ExportedNetwork(network).eval()
            return torch.export.export(
                module, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},)
            )
    except Exception as error:  # networks raise many types on tensors without content
        raise UserError(
            "the network cannot be written as a graph of operators",
            found=f"{type(error).__name__}: " + str(error).partition("\n")[0],
            expected="a forward pass whose steps depend neither on the values of its tensors nor on their number",
            fix="export another network, or predict with it here: dense-calibration predict --run RUN",
        ) from error


def card(config: Config, record: dict[str, Any] | None) -> str:
    """Return the model card (README.md); `record` is the content of calibrator.json."""
    provenance, single = config.provenance, config.classes == 2
    calibration = "Its probabilities are those of the network, without a calibrator."
    if record:
        fitted_on = record["fitted_on"]
        calibration = (
            f"Its calibrator, `{record['calibrator']}`, was fitted to {fitted_on['images']:,} validation images "
            "(`calibrator.json`); the code below leaves it out."
        )
    return CARD_TEXT.format(
        run=provenance["run"],
        method=provenance["method"]["entry"],
        experiment=provenance["run"].partition("/")[0],
        calibration=calibration,
        size=config.image_size,
        channels=1 if single else config.classes,
        activation="z.sigmoid()[0, 0]" if single else "z.softmax(1)[0]",
        and_calibrator=", and calibrates them" if record else "",
        classes=", ".join(config.class_names),
    )


def read_folder(folder: Path) -> tuple[Config, Predictor]:
    """Read an exported folder: its configuration, and a predictor on the CPU.

    Raises:
        UserError: a file is missing, or is not the one that `export` wrote.
    """
    if missing := [name for name in (MODEL, CONFIG, SUMS) if not (folder / name).is_file()]:
        raise UserError(
            f"{folder} is not an exported folder",
            found=f"no {', '.join(missing)}" if folder.is_dir() else "no such folder",
            expected="a folder that `export` wrote",
            fix="dense-calibration export --run RUN --out DIR",
        )
    for line in (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines():
        expected, _, name = line.partition("  ")
        if not (folder / name).is_file() or sha256(folder / name) != expected:
            raise UserError(
                f"{folder / name} is not the file that was exported",
                expected=f"sha256 {expected}, as {SUMS} says",
                fix="export the run again, or copy the folder again",
            )
    config = Config.model_validate_json((folder / CONFIG).read_bytes())
    method, fitted = PostHoc(), {}
    if (folder / CALIBRATOR).is_file():
        fitted = Record.model_validate_json((folder / CALIBRATOR).read_bytes()).model_dump(
            mode="json"
        )
        method = calibrated_method(fitted["calibrator"])()
    network: Any = torch.export.load(folder / MODEL).module()
    return config, Predictor([network], method, fitted=fitted)


def _check(exported: Predictor, run: Predictor, size: int) -> None:
    """Raise a UserError if the folder predicts other probabilities than the run."""
    image = np.random.default_rng(0).integers(0, 256, (size + 9, size + 20, 3), dtype=np.uint8)
    actual, expected = (
        predict_image(predictor, image, size, "image") for predictor in (exported, run)
    )
    if (difference := float(np.abs(actual - expected).max())) > TOLERANCE:
        raise UserError(
            "the exported network would differ from the run",
            found=f"probabilities that differ by {difference:.2g}",
            expected="a run that is one network, and perhaps a calibrator of the package",
            fix="export the run of each network, or predict with the run itself: dense-calibration predict --run RUN",
        )
