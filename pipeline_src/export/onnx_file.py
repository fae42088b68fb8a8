"""A model as an ONNX file: from images of any size and number to probabilities, in one graph."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline_src.errors import UserError
from pipeline_src.export.model import ExportedModel, probability
from pipeline_src.files import atomic
from pipeline_src.logs import quiet

OPSET = 18
NEEDED = ("onnx", "onnxscript", "onnxruntime")
INPUT, OUTPUT = "images", "probabilities"
LOGITS = "logits"  # an inner value of the graph, not an output
LOGGERS = ("torch.onnx", "onnxscript", "onnx_ir")  # loggers of the exporter
TOLERANCE = 1e-5  # largest difference of probabilities between ONNX Runtime and torch


def check_installed() -> None:
    """UserError if a library that writes or runs ONNX is missing."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise UserError(
            "model.onnx needs libraries that are not installed",
            found=f"no {', '.join(missing)}",
            expected=", ".join(NEEDED),
            fix=f"python -m pip install {' '.join(NEEDED)}, or leave the file out: --no-onnx",
        )


def write(model: ExportedModel, file: Path, single: bool) -> None:
    """Write a model for images of any height and width, and for any number of images unless `single`."""
    check_installed()
    import onnx

    images = torch.randint(0, 256, (1 if single else 2, 3, model.size + 9, model.size + 20), dtype=torch.uint8)
    names = {0: "batch", 2: "height", 3: "width"}
    free = {axis: name for axis, name in names.items() if axis or not single}
    with quiet(*map(logging.getLogger, LOGGERS)), warnings.catch_warnings(action="ignore"), torch.no_grad():
        program = torch.onnx.export(
            _WithLogits(model),
            (images,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT, LOGITS],
            dynamic_shapes=(free,),
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    _remove_traces(proto)
    del proto.graph.output[1]  # the value keeps its name
    with atomic(file) as temporary:
        onnx.save(proto, str(temporary))


class _WithLogits(torch.nn.Module):
    """Images -> probabilities and logits."""

    def __init__(self, model: ExportedModel):
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z = self.model.logits(images)
        return self.model.calibrated(z), z


def differences(model: ExportedModel, file: Path, images: torch.Tensor) -> np.ndarray:
    """Absolute differences between ONNX Runtime and torch for images (B, 3, H, W): of probabilities before the
    calibrator, and of calibrated probabilities of the same logits. The last bit of a logit can change a calibrated
    probability by much more."""
    import onnx
    import onnxruntime

    proto = onnx.load(str(file))
    proto.graph.output.append(onnx.ValueInfoProto(name=LOGITS))
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    actual, z = map(torch.from_numpy, session.run([OUTPUT, LOGITS], {INPUT: images.numpy()}))
    with torch.inference_mode():
        plain, calibrated = probability(z) - probability(model.logits(images)), actual - model.calibrated(z)
    return np.abs(np.concatenate([plain.flatten().numpy(), calibrated.flatten().numpy()]))


def check(model: ExportedModel, file: Path, single: bool) -> None:
    """UserError if the file gives other probabilities than torch on random images."""
    rng = np.random.default_rng(0)
    for number, height, width in (
        (1, model.size, model.size),
        (1 if single else 2, 2 * model.size + 5, model.size + 30),
    ):
        images = torch.from_numpy(rng.integers(0, 256, (number, 3, height, width), dtype=np.uint8))
        worst = float(differences(model, file, images).max())
        if worst > TOLERANCE:
            raise UserError(
                f"{file} differs from torch",
                found=f"probabilities that differ by {worst:.2g}",
                expected=f"at most {TOLERANCE:g}",
                fix="leave it out: --no-onnx",
            )


def _remove_traces(proto: Any) -> None:
    """Remove texts that name lines of code and folders of this machine."""
    graphs = [proto.graph, *proto.functions]
    for graph in graphs:
        for node in graph.node:
            node.ClearField("doc_string")
            del node.metadata_props[:]
        del graph.metadata_props[:]
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info, *proto.graph.initializer):
        del value.metadata_props[:]
        value.ClearField("doc_string")
