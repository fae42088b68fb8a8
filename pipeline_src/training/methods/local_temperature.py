"""Local temperature scaling (Ding, Han, Liu, Niethammer, ICCV 2021): a temperature per pixel, by a small network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from pipeline_src.rng import generator, torch_seed
from pipeline_src.training.posthoc import PostHoc
from pipeline_src.validation import Count

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pipeline_src.data.store import Store
    from pipeline_src.params.schema import Experiment
    from pipeline_src.training.classifier import DenseClassifier


class LocalTemperature(PostHoc):
    """Keeps the class of every pixel. It needs the image, so `calibrate` of saved maps does not offer it.

    Kind: posthoc
    Idea: A temperature per pixel, from the logits around it and from the image.
    Formula: `f = softmax(z / T(z, x))`, `T` a tree of gated 5 x 5 convolutions, of least NLL on the validation images
    Setting: The authors' tree: four leaves and their gates from the logits, one leaf from the image. Ours: `T = exp` of
        its root, which starts at 1 (theirs: a ReLU from 2); random initial gates; 10 epochs of Adam at 0.01 in batches
        of `evaluation.batch_size` and the last state (theirs: 200 epochs at 1e-4 in batches of 4, the best state).
    Source: Ding et al., ICCV 2021
    """

    fits: ClassVar[bool] = True

    epochs: Count = Field(10, description="Passes over the validation images.")
    rate: float = Field(0.01, gt=0, description="Learning rate of Adam.")

    def fit(self, networks: list[DenseClassifier], store: Store, experiment: Experiment) -> dict[str, Any]:
        import torch

        from pipeline_src.training.batches import evaluation_batches

        images: list[tuple[Tensor, Tensor, Tensor]] = []
        for batch in evaluation_batches(store, experiment, networks[0].mean.device):
            with torch.no_grad():
                z = networks[0](batch["inputs"])
            truths = [torch.from_numpy(truth.astype(np.int64)).to(z.device) for truth in batch["truth"]]
            images += zip(z, batch["inputs"], truths, strict=True)
        model = tree(images[0][0].shape[0]).to(images[0][0].device)
        optimizer = torch.optim.Adam(model.parameters(), self.rate)
        classes, size = networks[0].classes, experiment.evaluation.batch_size
        pixels = sum(int((truth < classes).sum()) for *_, truth in images)
        nll_before = _nll(model, images, classes) / pixels
        for epoch in range(self.epochs):
            order = generator("local_temperature", epoch).permutation(len(images))
            for start in range(0, len(order), size):
                optimizer.zero_grad()
                for z, x, truth in [images[i] for i in order[start : start + size].tolist()]:
                    loss = _loss(model, z, x, truth, classes) * (len(images) / (size * pixels))
                    if loss.requires_grad:
                        loss.backward()
                optimizer.step()
        nll_after = _nll(model, images, classes) / pixels
        weights = {name: tensor.tolist() for name, tensor in model.state_dict().items()}
        return {
            "images": len(images),
            "pixels": pixels,
            "nll_before": nll_before,
            "nll_after": nll_after,
            "weights": weights,
        }

    def logits(self, networks: list[DenseClassifier], x: Tensor, ids: list[str], seed: int) -> list[Tensor]:
        """The prediction, and the images for `probability`."""
        return [networks[0](x), x]

    def probability(self, logits: list[Tensor], size: tuple[int, int], fitted: dict[str, Any]) -> np.ndarray:
        import torch

        model = tree(len(logits[0])).to(logits[0].device)
        model.load_state_dict({name: torch.tensor(value) for name, value in fitted["weights"].items()})
        return super().probability([scaled(model, logits[0], logits[1], size)], size, fitted)


def tree(channels: int) -> nn.ModuleDict:
    """The network: leaves and gates from the logits and a leaf from the image. Leaves start at 0, where T is 1, gates
    at small keyed weights: with weights of 0 all leaves would stay alike."""
    import torch
    from torch import nn

    names = ["leaf1", "leaf2", "leaf3", "leaf4", "gate1", "gate2", "gate3", "gate4"]
    convolutions = {name: _convolution(channels) for name in names} | {"image": _convolution(3)}
    draws = torch.Generator().manual_seed(torch_seed("local_temperature"))
    for name, convolution in convolutions.items():
        for parameter in convolution.parameters():
            nn.init.zeros_(parameter)
        if name.startswith("gate"):
            nn.init.normal_(convolution.weight, std=0.01, generator=draws)
    return nn.ModuleDict(convolutions)


def _convolution(channels: int) -> nn.Conv2d:
    from torch import nn

    return nn.Conv2d(channels, 1, kernel_size=5, padding=4, padding_mode="reflect", dilation=2)


def scaled(model: nn.ModuleDict, z: Tensor, x: Tensor, size: tuple[int, ...]) -> Tensor:
    """Logits (C, h, w) and image (3, S, S) uint8 -> logits / T at the original `size`, (C, H, W)."""
    from pipeline_src.training.pixels import upsampled

    near = upsampled(z[None], x.shape[-2:])
    gate = {k: model[f"gate{k}"](near).sigmoid() for k in (1, 2, 3, 4)}
    left = gate[1] * model["leaf1"](near) + (1 - gate[1]) * model["leaf2"](near)
    right = gate[2] * model["leaf3"](near) + (1 - gate[2]) * model["leaf4"](near)
    both = gate[3] * left + (1 - gate[3]) * right
    root = gate[4] * both + (1 - gate[4]) * model["image"](x[None].float() / 255 - 0.5)
    return upsampled(z[None], size)[0] / upsampled(root, size)[0].clamp(-4, 4).exp()


def _loss(model: nn.ModuleDict, z: Tensor, x: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Summed NLL of the valid pixels of an image."""
    from torch.nn import functional as F

    valid = truth < classes
    z = scaled(model, z, x, tuple(truth.shape))[:, valid]
    if len(z) == 1:
        return F.binary_cross_entropy_with_logits(z[0], truth[valid].float(), reduction="sum")
    return F.cross_entropy(z.T, truth[valid], reduction="sum")


def _nll(model: nn.ModuleDict, images: list[tuple[Tensor, Tensor, Tensor]], classes: int) -> float:
    import torch

    with torch.no_grad():
        return sum(float(_loss(model, *image, classes)) for image in images)
