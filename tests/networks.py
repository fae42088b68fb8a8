"""What any network must do, wherever it comes from."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.hooks import HistoryHook
from pipeline_src.training.loop import TrainedRun
from pipeline_src.training.models.build import build_segmentor, normalisation
from pipeline_src.training.registry import choose


def trains_and_comes_back(network: str, classes: int, folder: Path, size: int = 64) -> DenseClassifier:
    """The gradient of two images' loss reaches every parameter; what is exported predicts in the same bits."""

    def made(seed: int) -> DenseClassifier:
        torch.manual_seed(seed)
        segmentor = build_segmentor(network, False, size, classes)
        return DenseClassifier(segmentor, normalisation(network), method, ["a", "b"], classes=classes)

    method = choose("baseline", {}).method
    method.start(2, {}, classes)
    model = made(0)
    images = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    masks = torch.randint(0, classes, (2, 1, size, size), dtype=torch.uint8) * (255 if classes == 2 else 1)
    loss = model(images, mode="loss", masks=masks, index=torch.arange(2), epoch=torch.ones(2))["loss"]
    loss.backward()
    assert loss.isfinite()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.sum().isfinite(), name
    TrainedRun(model, model, HistoryHook(method, "run"), ["a", "b"]).write(folder)
    other = made(1)
    other.segmentor.load_state_dict(load_file(folder / "model.safetensors"))
    with torch.no_grad():
        one, two = (each.eval()(images) for each in (model, other))
    assert one.shape[:2] == (2, 1 if classes == 2 else classes)
    assert one.isfinite().all() and torch.equal(one, two)
    return model
