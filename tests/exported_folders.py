"""Exported folders of small networks that nothing trained, made without an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from small_networks import SMALL

from pipeline_src.calibrators.calibrator import Record
from pipeline_src.export import folder
from pipeline_src.prediction.predict import Predictor
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.posthoc import PostHoc
from pipeline_src.training.registry import calibrated_method

SIZE = 32


def predictor(
    classes: int = 2,
    networks: int = 1,
    method: PostHoc | None = None,
    network: str = SMALL,
    fitted: dict[str, Any] | None = None,
) -> Predictor:
    """Networks with drawn weights, in evaluation mode, whose logits are far from 0; `fitted` as by `record`."""
    members = []
    for seed in range(networks):
        torch.manual_seed(seed)
        member = DenseClassifier(network, classes).eval()
        *_, weight, bias = member.parameters()  # of the last convolution
        weight.data.mul_(5)
        bias.data.zero_()
        members.append(member)
    if fitted:
        return Predictor(members, calibrated_method("temperature")(), fitted=fitted)
    return Predictor(members, method or PostHoc())


def write(out: Path, predictor: Predictor, half: bool = False) -> tuple[folder.Config, Predictor]:
    """The folder of a predictor."""
    out.mkdir(parents=True, exist_ok=True)
    classes = predictor.networks[0].classes
    names = [f"class {k}" for k in range(classes)]
    provenance = {"run": "a/b/seed0", "method": {"entry": "b"}}
    config = folder.Config(image_size=SIZE, classes=classes, class_names=names, provenance=provenance)
    folder.write_folder(out, predictor, config, half)
    return folder.read_folder(out)


def record(classes: int = 2, **changes: Any) -> dict[str, Any]:
    """What a run has of its calibrator."""
    on = {"images": 1, "pixels": 1, "nll_before": 0.1, "nll_after": 0.1}
    of = {"version": 1, "calibrator": "temperature", "classes": classes, "parameters": {"temperature": 2.0}}
    return of | {"fitted_on": on} | changes


def file_text(classes: int = 2) -> str:
    """The content of a calibrator.json."""
    return Record.model_validate(record(classes)).file_text()
