"""The networks of a run as one module, and the calibrator of its post-hoc method."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pipeline_src.errors import UserError
from pipeline_src.export.model import CALIBRATORS
from pipeline_src.prediction.predict import Predictor
from pipeline_src.training.calibrated import Calibrated
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.methods.mc_dropout import MCDropout
from pipeline_src.training.models.build import Network, logits
from pipeline_src.training.posthoc import PostHoc


class Members(nn.Module):
    """x (B, 3, S, S) float32, RGB in 0..255 -> the predictions that a method averages, in full precision."""

    def __init__(self, predictor: Predictor):
        super().__init__()
        self.method = predictor.method
        self.members = nn.ModuleList(_MemberNetwork(network) for network in predictor.networks)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.method.logits(list(self.members), x, [], 0))  # type: ignore[arg-type]


class _MemberNetwork(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, network: DenseClassifier):
        super().__init__()
        self.segmentor = network.segmentor.to(memory_format=torch.contiguous_format)
        self.register_buffer("mean", network.mean)
        self.register_buffer("std", network.std)

    def forward(self, x: Tensor) -> Tensor:
        x = (x.float() - self.mean) / self.std
        if isinstance(self.segmentor, Network):  # whose check, len(x), would make the number of images a constant
            return self.segmentor.network(x)
        return logits(self.segmentor, x)


def calibrator_of(predictor: Predictor, method: str) -> dict[str, Any] | None:
    """The fitted calibrator as the content of calibrator.json; None if the method only averages probabilities.

    Raises:
        UserError: the method does more than to average networks and to calibrate.
    """
    kind = type(predictor.method)
    if isinstance(predictor.method, Calibrated):
        if predictor.fitted.get("calibrator") in CALIBRATORS:
            return predictor.fitted
        reason = "its calibrator has no export: it depends on the whole image, or is not one of the package's"
    elif isinstance(predictor.method, MCDropout):
        reason = "its passes are drawn at random"
    elif kind.probability is not PostHoc.probability:
        reason = f"{kind.__name__}.probability() cannot be traced"
    else:
        return None
    raise UserError(
        f"{method} cannot be exported",
        found=reason,
        expected="networks, the mean of their probabilities, and a calibrator of single pixels",
        fix=f"export the run of {predictor.method.of}, or predict here: dense-calibration predict --run RUN",
    )
