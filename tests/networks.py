"""What any network must do, wherever it comes from."""

from __future__ import annotations

from pathlib import Path

import torch

from pipeline_src.training.checkpoint import load_network, save_network
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.models.build import build_segmentor, normalization
from pipeline_src.training.registry import choose


def trains_and_comes_back(network: str, classes: int, folder: Path, size: int = 64) -> DenseClassifier:
    """The gradient of two images' loss reaches every parameter; the saved network predicts bit-identically."""

    def build(seed: int) -> DenseClassifier:
        torch.manual_seed(seed)
        segmentor = build_segmentor(network, False, size, classes)
        return DenseClassifier(segmentor, normalization(network), method, ["a", "b"], classes=classes)

    method = choose("baseline", {}).method
    method.start(2, {}, classes)
    model, other = build(0), build(1)
    images = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    masks = torch.randint(0, classes, (2, 1, size, size), dtype=torch.uint8) * (255 if classes == 2 else 1)
    loss = model(images, mode="loss", masks=masks, index=torch.arange(2), epoch=torch.ones(2))["loss"]
    loss.backward()
    assert loss.isfinite()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.sum().isfinite(), name
    save_network(folder / "model.safetensors", model.segmentor, {})
    load_network(folder / "model.safetensors", other.segmentor, network)
    with torch.no_grad():
        logits, loaded = model.eval()(images), other.eval()(images)
    assert logits.shape[:2] == (2, 1 if classes == 2 else classes)
    assert logits.isfinite().all() and torch.equal(logits, loaded)
    return model
