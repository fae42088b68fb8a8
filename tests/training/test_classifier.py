"""The training step of a network with an auxiliary head."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.method import Method


class Head(nn.Module):
    """The same logit for each pixel; `weight` is that of its loss."""

    def __init__(self, logit: float, weight: float):
        super().__init__()
        self.out_channels, self.loss_decode = 1, SimpleNamespace(loss_weight=weight)
        self.logit = nn.Parameter(torch.tensor(logit))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.logit.expand(len(features), 1, 4, 4)


class Segmentor(nn.Module):
    def __init__(self, decode: Head, auxiliary: Head):
        super().__init__()
        self.decode_head, self.auxiliary_head = decode, auxiliary

    def extract_feat(self, x: torch.Tensor) -> torch.Tensor:
        return x


class Plain(Method):
    """The loss is the mean logit, the statistic that of each image."""

    def loss(self, z, t):
        return z.mean()

    def image_statistic(self, z, y):
        return z.mean((1, 2, 3))


def test_an_auxiliary_head_counts_by_its_weight_in_the_loss_and_for_nothing_else():
    """The weight is relative to that of the decode head: 1 + 0.8 / 2 of 10."""
    segmentor = Segmentor(Head(1.0, 2.0), Head(10.0, 0.8))
    model = DenseClassifier(segmentor, ([0.0] * 3, [1.0] * 3), Plain(), ["a", "b"])
    images, masks = torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    loss = model(images, mode="loss", masks=masks, index=torch.tensor([1, 0]), epoch=torch.ones(2))["loss"]
    loss.backward()
    assert float(loss.detach()) == pytest.approx(5)
    assert [float(head.logit.grad) for head in (segmentor.decode_head, segmentor.auxiliary_head)] == pytest.approx(
        [1, 0.4]
    )
    statistic, index = model.image_statistic
    assert statistic.tolist() == [1, 1] and index.tolist() == [1, 0]
