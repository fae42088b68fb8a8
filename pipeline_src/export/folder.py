"""Exported folders of trained networks, which other programs use without this package.

A folder has a network as a graph of torch, its calibrator, configuration, model card and digests.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jinja2 import StrictUndefined, Template
from torch import Tensor, nn
from torch.func import functional_call

from pipeline_src import outputs
from pipeline_src.calibrators.calibrator import Record
from pipeline_src.errors import UserError, listed
from pipeline_src.export import runs
from pipeline_src.files import Content, reading, sha256, write_text
from pipeline_src.prediction.predict import Predictor, predict_image
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.posthoc import Calibrated, PostHoc
from pipeline_src.training.registry import calibrated_method
from pipeline_src.validation import Count, Strict

# The files of an exported folder.
MODEL = "model.pt2"
CONFIG = "config.json"
CALIBRATOR = "calibrator.json"
CARD = "README.md"
SUMS = "SHA256SUMS"
FILES = (MODEL, CONFIG, CALIBRATOR, CARD, SUMS)
TOLERANCE = 1e-5  # the largest accepted difference of probabilities between a folder and its run
HALF_TOLERANCE = 0.02  # the same for a folder with weights in half precision


class Config(Strict):
    """The content of config.json.

    Attributes:
        image_size: side of the network's square input, in pixels.
        provenance: the run, its method, seed, fingerprints and experiment.
    """

    image_size: Count
    classes: int
    class_names: list[str]
    provenance: Content


class ExportedNetwork(nn.Module):
    """A trained network as it is exported: RGB images (B, 3, S, S) uint8 -> logits (B, C, h, w).

    It computes in full precision, and standardizes the images itself.

    Args:
        half: whether weights with several axes, of convolutions and linear layers, are stored in
            half precision. All other numbers stay in full precision: they are few, and running
            variances are too small for half.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: DenseClassifier, half: bool = False):
        """Copy the segmentor of `network`, and the mean and standard deviation of its inputs."""
        super().__init__()
        segmentor = deepcopy(network.segmentor)
        self.segmentor = segmentor.to(memory_format=torch.contiguous_format)
        # Biases and statistics of batch norm have one axis.
        for weights in self.segmentor.parameters():
            if half and weights.ndim > 1:
                weights.data = weights.data.half()
        self.register_buffer("mean", network.mean)
        self.register_buffer("std", network.std)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, C, h, w) of images (B, 3, S, S) uint8.

        The weights, which may be stored in half precision, are converted to float32 first.
        """
        weights = {}
        for name, values in self.segmentor.state_dict(keep_vars=True).items():
            weights[name] = values.float() if values.is_floating_point() else values
        standardized = (images.float() - self.mean) / self.std
        # `mode` makes a segmentor of mmsegmentation return its logits.
        logits: Tensor = functional_call(self.segmentor, weights, standardized, {"mode": "tensor"})
        return logits


def export(name: str, out: Path, half: bool = False) -> None:
    """Write the network of the run `name` into the folder `out`.

    The new files are read and compared with the run before they replace those of an earlier export.

    Args:
        name: such as `demo/aslp_cl/seed0`.
        out: may hold an earlier export, and no other files.
        half: whether the weights are stored in half precision: half the size, and probabilities
            that differ by up to `HALF_TOLERANCE` from those of the run.

    Raises:
        UserError: the run does not exist, or is not one network and a calibrator; nothing is
            written then.
    """
    foreign = {path.name for path in out.glob("[!.]*")}
    if MODEL in foreign:  # an earlier export, whose files may be replaced
        foreign -= set(FILES)
    outputs.check_output(out, "export", foreign=sorted(foreign))
    run = runs.find(name)
    predictor = run.predictor()
    experiment = run.experiment
    for network in predictor.networks:
        network.cpu().amp = "off"  # on the CPU in full precision, as the exported graph computes
    method = experiment.methods[run.method].method.model_dump(mode="json")
    provenance = {
        "run": run.name,
        "method": {"entry": run.method} | method,
        "seed": run.seed,
        "fingerprints": [job.fingerprint for job in run.jobs],
        "experiment": experiment.settings.model_dump(mode="json"),
    }
    config = Config(
        image_size=experiment.settings.image_size,
        classes=experiment.facts.classes,
        class_names=list(experiment.facts.class_names) or ["background", "object"],
        provenance=provenance,
    )
    # At the end, files of an earlier export are removed, and SUMS arrives last.
    with outputs.staged(out, SUMS, FILES[:-1]) as new:
        write_folder(new, predictor, config, half=half)
        _, exported = read_folder(new)
        _check_predictions(
            exported, predictor, config.image_size, HALF_TOLERANCE if half else TOLERANCE
        )


def write_folder(folder: Path, predictor: Predictor, config: Config, half: bool = False) -> None:
    """Write all files of an exported folder: graph, configuration, calibrator, card and digests.

    Args:
        predictor: a network and, for a calibrated run, its calibrator.
        half: whether weights are stored in half precision.

    Raises:
        UserError: the network cannot be written as a graph.
    """
    program = traced(predictor.networks[0], config.image_size, half)
    record = predictor.fitted if isinstance(predictor.method, Calibrated) else None
    with open(folder / MODEL, "wb") as file:
        torch.export.save(program, file)
    outputs.write_result(folder / CONFIG, config.model_dump())
    if record:
        write_text(folder / CALIBRATOR, Record.model_validate(record).file_text())
    write_text(folder / CARD, card(config, record))
    write_text(folder / SUMS, "\n".join(_digests(folder)) + "\n")


def _digests(folder: Path) -> list[str]:
    """Return the lines of `SUMS`, as the program sha256sum writes and checks them: the digests of
    all other files of an exported folder.
    """
    lines = []
    for name in FILES[:-1]:
        if (folder / name).exists():
            lines.append(f"{sha256(folder / name)}  {name}")
    return lines


def traced(network: DenseClassifier, size: int, half: bool = False) -> torch.export.ExportedProgram:
    """Return a network as a graph of torch's operators, for any number of images.

    Args:
        size: side of the network's square input, in pixels.
        half: whether weights are stored in half precision.

    Raises:
        UserError: the network cannot be written as a graph.
    """
    example = torch.zeros(2, 3, size, size, dtype=torch.uint8)
    shape = {0: torch.export.Dim("batch")}
    problem = reading(
        "the network cannot be written as a graph of operators",
        expected="a forward pass whose steps depend neither on the values of its tensors nor on "
        "their number",
        fix="export another network, or predict with it here: dense-calibration predict --run RUN",
    )
    with problem, torch.no_grad():
        module = ExportedNetwork(network, half).eval()
        return torch.export.export(module, (example,), dynamic_shapes=(shape,))


def card(config: Config, record: Content | None) -> str:
    """Return the model card, README.md of an exported folder, from the template card.md.j2.

    Args:
        record: content of calibrator.json; None without a calibrator.
    """
    text = Path(__file__).with_name("card.md.j2").read_text(encoding="utf-8")
    template = Template(text, undefined=StrictUndefined, keep_trailing_newline=True)
    return str(template.render(config=config, record=record))


def read_folder(folder: Path) -> tuple[Config, Predictor]:
    """Return the configuration of an exported folder, and its network with its calibrator.

    The network is on the CPU. The files that `export` writes are checked against `SUMS` first.

    Raises:
        UserError: a file is missing, or is not the one that `export` wrote.
    """
    if not (folder / SUMS).is_file():
        raise UserError(
            f"{folder} is not an exported folder",
            found=f"no {SUMS}" if folder.is_dir() else "no such folder",
            expected="a folder that `export` wrote",
            fix="dense-calibration export --run RUN --out DIR",
        )
    recorded = (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    changed = set(_digests(folder)) ^ set(recorded)
    if changed:
        names = {line.partition("  ")[2] for line in changed}
        raise UserError(
            f"files of {folder} are not as they were exported:{listed(sorted(names))}",
            expected=f"the files that {SUMS} lists, with their SHA-256",
            fix="export the run again, or copy the folder again",
        )
    config = Config.model_validate_json((folder / CONFIG).read_bytes())
    method = PostHoc()
    fitted = {}
    if (folder / CALIBRATOR).is_file():
        record = Record.model_validate_json((folder / CALIBRATOR).read_bytes())
        fitted = record.model_dump(mode="json")
        method = calibrated_method(record.calibrator)()
    network: Any = torch.export.load(folder / MODEL).module()
    return config, Predictor([network], method, fitted=fitted)


def _check_predictions(exported: Predictor, run: Predictor, size: int, tolerance: float) -> None:
    """Raise a UserError if an exported folder predicts other probabilities than its run.

    They are compared on an image of random pixels that is not square, unlike the network's input. A
    folder holds one network, so the check also finds runs of several, such as ensembles.

    Args:
        size: side of the network's square input, in pixels.
        tolerance: the largest difference that is accepted.
    """
    image = np.random.default_rng(0).integers(0, 256, (size + 9, size + 20, 3), dtype=np.uint8)
    actual = predict_image(exported, image, size, "image")
    expected = predict_image(run, image, size, "image")
    difference = float(np.abs(actual - expected).max())
    if difference > tolerance:
        raise UserError(
            "the exported network would differ from the run",
            found=f"probabilities that differ by {difference:.2g}",
            expected="a run that is one network, and perhaps a calibrator of the package",
            fix="export the run of each network, or predict with the run itself: "
            "dense-calibration predict --run RUN",
        )
