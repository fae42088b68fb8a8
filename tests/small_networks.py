"""Factories of networks for tests of training, small enough that a step takes a few milliseconds."""

from __future__ import annotations

from torch import nn


def build(outputs: int) -> nn.Module:
    """Running statistics and dropout, at half the image's size. It begins by predicting background, so that it agrees
    with most labels of a small object from the first step on."""
    enter, leave = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, outputs, 1)
    nn.init.constant_(leave.bias, -2.0)
    return nn.Sequential(enter, nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout2d(0.1), leave)


def linear(outputs: int) -> nn.Module:
    """Logits linear in a pixel's color: cross entropy is convex in the weights."""
    return nn.Conv2d(3, outputs, 1)
