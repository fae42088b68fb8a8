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
from pipeline_src.export.standalone import ExportedModel
from pipeline_src.files import atomic
from pipeline_src.logs import quiet

OPSET = 18
NEEDED = ("onnx", "onnxscript", "onnxruntime")
INPUT, OUTPUT = "images", "probabilities"
LOGGERS = ("torch.onnx", "onnxscript", "onnx_ir")  # of the exporter
TOLERANCE = 1e-5  # of probabilities, between onnxruntime and torch


def check_installed() -> None:
    """UserError where a library is missing that writes or runs ONNX."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise UserError(
            "model.onnx needs libraries that are not installed",
            found=f"no {', '.join(missing)}",
            expected=", ".join(NEEDED),
            do=f"python -m pip install {' '.join(NEEDED)}, or leave the file out: --no-onnx",
        )


def write(model: ExportedModel, file: Path, description: str) -> None:
    """Write a model. Number, height and width of the images are free; of a network that takes one at a time, the number
    is 1."""
    check_installed()
    import onnx

    size, single = model.settings["image_size"], model.settings["single"]
    images = torch.randint(0, 256, (1 if single else 2, 3, size + 9, size + 20), dtype=torch.uint8)
    names = {0: "batch", 2: "height", 3: "width"}
    free = {axis: name for axis, name in names.items() if axis or not single}
    with quiet(*map(logging.getLogger, LOGGERS)), warnings.catch_warnings(action="ignore"), torch.no_grad():
        program = torch.onnx.export(
            model,
            (images,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=(free,),
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    _remove_traces(proto)
    proto.doc_string = description
    with atomic(file) as temporary:
        onnx.save(proto, str(temporary))


def differences(model: ExportedModel, file: Path, images: torch.Tensor) -> np.ndarray:
    """How far the probabilities of images (B, 3, H, W) by onnxruntime are from those by torch."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (actual,) = session.run([OUTPUT], {INPUT: images.numpy()})
    with torch.inference_mode():
        expected = model(images).numpy()
    return np.abs(actual - expected)


def _remove_traces(proto: Any) -> None:
    """Take out texts that name lines of code and folders of this machine."""
    graphs = [proto.graph, *proto.functions]
    for graph in graphs:
        for node in graph.node:
            node.ClearField("doc_string")
            del node.metadata_props[:]
        del graph.metadata_props[:]
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info, *proto.graph.initializer):
        del value.metadata_props[:]
        value.ClearField("doc_string")
