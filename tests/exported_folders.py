"""Exported folders of small networks that nothing trained, made without an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from project import TESTS

from pipeline_src.export import folder
from pipeline_src.export.members import Members
from pipeline_src.export.model import ExportedModel
from pipeline_src.prediction.predict import Predictor
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.models.build import build_segmentor, normalization
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
        members.append(DenseClassifier(segmentor, normalization(network), classes=classes).eval())
    return Predictor(members, method or PostHoc())


def model(predictor: Predictor, calibrator: dict[str, Any] | None = None) -> ExportedModel:
    """The module of a predictor."""
    return ExportedModel(Members(predictor).eval(), SIZE, calibrator).eval()


def write(
    out: Path, predictor: Predictor, calibrator: dict[str, Any] | None = None, onnx: bool = False, card: str = ""
) -> folder.Exported:
    """The folder of a predictor."""
    network, exported = predictor.networks[0], model(predictor, calibrator)
    program, single = folder.traced(exported)
    settings = folder.Preprocessing(
        image_size=SIZE,
        mean=network.mean.flatten().tolist(),
        std=network.std.flatten().tolist(),
        classes=network.classes,
        single=single,
    )
    return folder.write(out, exported, program, settings, {folder.CARD: card}, onnx)


def record(classes: int = 2, **changes: Any) -> dict[str, Any]:
    """The content of a calibrator.json."""
    on = {"images": 1, "pixels": 1, "nll_before": 0.1, "nll_after": 0.1}
    of = {"version": 1, "calibrator": "temperature", "classes": classes, "parameters": {"temperature": 2.0}}
    return of | {"fitted_on": on} | changes
