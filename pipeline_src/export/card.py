"""The model card: README.md of an exported folder, with the metadata that model hubs read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline_src.analysis.estimate import estimate
from pipeline_src.analysis.facts import ROLES
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.export.folder import CALIBRATOR, CONFIG, INPUT, MODEL, ONNX, SUMS, Preprocessing
from pipeline_src.export.onnx_file import OPSET
from pipeline_src.metrics.registry import METRICS, SUMMARY

TAGS = ["image-segmentation", "calibration", "uncertainty"]
CONTENT = {
    MODEL: "the model, from images to probabilities, as a program of torch.export",
    ONNX: f"the same as ONNX, opset {OPSET}",
    INPUT: "size, channels and normalization of the input, classes: information, all of it is inside the model",
    CALIBRATOR: "the calibrator, and the pixels that it was fitted to",
    SUMS: "the SHA-256 of these files, for `sha256sum --check`",
    CONFIG: "the experiment, method and network in full",
}


@dataclass(frozen=True)
class Card:
    """What a card tells.

    Attributes:
        run: the name of the run.
        summary: a sentence on network and method.
        settings: of its input.
        calibrator: the content of calibrator.json, if there is one.
        fitted_to: the images that it was fitted to.
        training: further facts by name.
        measured: test set -> role and the measurement of this run.
        limits: sentences.
        data: of all sets that were used `name`, `use` and `terms`.
        members: number of networks.
        bins: of the ECE.
        onnx: whether there is a model.onnx.
        pretrained: whether training started from weights of others; None where that is not known.
    """

    run: str
    summary: str
    settings: Preprocessing
    calibrator: Mapping[str, Any] | None
    fitted_to: str
    training: Mapping[str, str]
    measured: Mapping[str, tuple[str, Measurement]]
    limits: Sequence[str]
    data: Sequence[Mapping[str, str]]
    members: int
    bins: int
    onnx: bool
    pretrained: bool | None

    def text(self) -> str:
        """The file's content."""
        absent = {CALIBRATOR: not self.calibrator, ONNX: not self.onnx}
        templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        metrics = [name for name in SUMMARY if any(name in result.points for _, result in self.measured.values())]
        context = vars(self) | {
            "front_matter": yaml.safe_dump(self.metadata(), sort_keys=False, allow_unicode=True),
            "opset": OPSET,
            "titles": [METRICS[name].column for name in metrics],
            "results": [
                {
                    "part": part,
                    "role": ROLES[role],
                    "images": result.size,
                    "texts": [_text(result, name) for name in metrics],
                }
                for part, (role, result) in self.measured.items()
            ],
            "files": {name: text for name, text in CONTENT.items() if not absent.get(name)},
        }
        return templates.get_template("card.md.j2").render(context)

    def metadata(self) -> dict[str, Any]:
        """The front matter: licence, tags, and `model-index` with each number and its interval."""
        results = [
            {
                "task": {"type": "image-segmentation"},
                "dataset": {"name": part, "type": part, "args": {"role": ROLES[role]}},
                "metrics": [metric for name in SUMMARY if (metric := _metric(result, name))],
            }
            for part, (role, result) in self.measured.items()
        ]
        return {
            "license": "other",
            "license_name": "terms-of-the-training-data",
            "license_link": "README.md",
            "library_name": "pytorch",
            "pipeline_tag": "image-segmentation",
            "tags": [*TAGS, *(["onnx"] if self.onnx else [])],
            **({"model-index": [{"name": self.run, "results": results}]} if results else {}),
        }


def of_seed(measured: Measurement, seed: int) -> Measurement:
    """Return the numbers of one seed's network, for the metrics of a card."""
    names = {*SUMMARY, *(METRICS[name].decided_by for name in SUMMARY)} & set(measured.points)
    points, values = (
        {name: measured.of_seeds(table[name], [seed]) for name in names} for table in (measured.points, measured.values)
    )
    return replace(measured, seeds=[seed], points=points, values=values, of_all_seeds=False)


def _text(measured: Measurement, name: str) -> str:
    estimated = estimate(name, (measured, 1.0))
    return METRICS[name].text(estimated.value, low=estimated.low, high=estimated.high) if estimated else "undefined"


def _metric(measured: Measurement, name: str) -> dict[str, Any] | None:
    """A number as `model-index` has it; None where it is undefined."""
    estimated = estimate(name, (measured, 1.0))
    if estimated is None or estimated.value != estimated.value:
        return None
    ends = [estimated.low, estimated.high]
    interval = {"interval_95": [float(f"{end:.6g}") for end in ends]} if ends[0] == ends[0] else {}
    return {
        "type": name,
        "name": METRICS[name].title,
        "value": float(f"{estimated.value:.6g}"),
        **({"args": interval} if interval else {}),
    }
