"""Weights that come from an address: what is told of them, and what mmengine says of them for nothing."""

from __future__ import annotations

import logging
import warnings

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.runner.checkpoint import load_state_dict

from pipeline_src.params.schema import Model
from pipeline_src.training.models import pretrained

PAPER = Model(config="resnet50_aslp")
NAME = "resnet50-0676ba61.pth"


def test_the_digest_of_those_that_are_here_is_in_the_log(offline, monkeypatch, caplog):
    (offline / NAME).write_bytes(b"")
    monkeypatch.setattr(pretrained, "sha256", lambda file: f"0676ba61{file.stat().st_size:056}")
    with caplog.at_level(logging.INFO):
        pretrained.check(PAPER)
    assert f"{NAME}, sha256 0676ba61{0:056}" in caplog.text


@pytest.fixture
def quieted():
    with warnings.catch_warnings():
        pretrained.leave_out_noise()
        yield
    MMLogger.get_current_instance().removeFilter(pretrained._matters)


@pytest.mark.parametrize(
    ("more", "less", "told"),
    [
        (("fc.weight", "fc.bias"), (), False),
        (("classifier.6.bias",), (), False),
        (("layer9.weight",), (), True),
        (("fc.weight", "layer9.weight"), (), True),
        (("fc.weight",), ("bias",), True),
    ],
)
def test_weights_that_no_backbone_has_are_no_warning(quieted, monkeypatch, more, less, told):
    logger, records = MMLogger.get_current_instance(), []
    monkeypatch.setattr(logger, "callHandlers", records.append)
    module = torch.nn.Linear(1, 1)
    weights = {name: tensor for name, tensor in module.state_dict().items() if name not in less}
    load_state_dict(module, weights | dict.fromkeys(more, torch.zeros(1)), strict=False, logger="current")
    assert bool(records) == told


def test_ddps_advice_on_an_argument_that_mmengine_needs_is_left_out(quieted):
    with warnings.catch_warnings(record=True) as caught:
        warnings.warn(
            "`broadcast_buffers` is deprecated. Use `forward_sync_buffers` instead.", FutureWarning, stacklevel=1
        )
        warnings.warn("another", FutureWarning, stacklevel=1)
    assert [str(warning.message) for warning in caught] == ["another"]
