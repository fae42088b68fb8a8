"""Exported folders of small networks that nothing trained, made without an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from project import TESTS

from pipeline_src.export import folder, graph
from pipeline_src.export.members import Members, tensor_name
from pipeline_src.export.standalone import ExportedModel
from pipeline_src.prediction.predict import Predictor
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.models.build import build_segmentor, normalisation
from pipeline_src.training.posthoc import PostHoc

SIZE = 32
FACTORY = f"{TESTS / 'small_networks.py'}:build"


def predictor(classes: int = 2, networks: int = 1, method: PostHoc | None = None, network: str = FACTORY) -> Predictor:
    """Networks with drawn weights, in evaluation mode, whose logits are far from 0."""
    members = []
    for seed in range(networks):
        torch.manual_seed(seed)
        segmentor = build_segmentor(network, False, SIZE, classes)
        *_, weight, bias = segmentor.parameters()  # of the last convolution
        weight.data.mul_(5)
        bias.data.zero_()
        members.append(DenseClassifier(segmentor, normalisation(network), classes=classes).eval())
    return Predictor(members, method or PostHoc())


def write(
    out: Path, of: Predictor, calibrator: dict[str, Any] | None = None, onnx: bool = False, card: str = ""
) -> ExportedModel:
    """The folder of a predictor."""
    classes, number = of.networks[0].classes, len(of.networks)
    written = graph.written_out(
        Members(of).eval(), SIZE, 1 if classes == 2 else classes, lambda name: tensor_name(name, number)
    )
    settings = folder.Preprocessing(
        image_size=SIZE,
        mean=of.networks[0].mean.flatten().tolist(),
        std=of.networks[0].std.flatten().tolist(),
        classes=classes,
        single=written.single,
    )
    return folder.write(out, written, settings, calibrator, {folder.CARD: card}, {"run": "test"}, onnx)


def record(classes: int = 2, **changes: Any) -> dict[str, Any]:
    """The content of a calibrator.json."""
    on = {"images": 1, "pixels": 1, "nll_before": 0.1, "nll_after": 0.1}
    of = {"version": 1, "calibrator": "temperature", "classes": classes, "parameters": {"temperature": 2.0}}
    return of | {"fitted_on": on} | changes
