"""What any network must do, wherever it comes from."""

from __future__ import annotations

from pathlib import Path

import torch

from pipeline_src.training.checkpoint import load_network, save_network
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.models.build import build_segmentor, normalization


def trains_and_comes_back(network: str, classes: int, folder: Path, size: int = 64) -> DenseClassifier:
    """The gradient of two images' logits reaches every parameter; the saved network predicts bit-identically."""

    def build(seed: int) -> DenseClassifier:
        torch.manual_seed(seed)
        return DenseClassifier(build_segmentor(network, False, classes), normalization(network), classes=classes)

    model, other = build(0), build(1)
    images = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    sum(weight * z.square().mean() for z, weight in model.weighted_logits(model.normalized(images))).backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.sum().isfinite(), name
    save_network(folder / "model.safetensors", model.segmentor)
    load_network(folder / "model.safetensors", other.segmentor, network)
    with torch.no_grad():
        logits, loaded = model.eval()(images), other.eval()(images)
    assert logits.shape[:2] == (2, 1 if classes == 2 else classes)
    assert logits.isfinite().all() and torch.equal(logits, loaded)
    return model
