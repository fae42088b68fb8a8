"""A network of the user: any `nn.Module` that a function in params.yaml builds (docs/tutorials/own-experiment.md)."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from torch import Tensor, nn

from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.training.user_code import load


class _Output(nn.Identity):
    """The output of a user's network in place of a decode head: no parameters, and a weight of 1 in the loss."""

    def __init__(self, channels: int):
        super().__init__()
        self.out_channels, self.loss_decode = channels, SimpleNamespace(loss_weight=1.0)


class Network(nn.Module):
    """A user's `network` in the place of an `EncoderDecoder`: its output is the one map of a head without parameters.

    Args:
        network: normalised images (B, 3, S, S) -> logits (B, C, h, w).
        channels: C, 1 for two classes, else their number.
    """

    def __init__(self, network: nn.Module, channels: int, factory: str):
        super().__init__()
        self.network, self.factory = network, factory
        self.decode_head = _Output(channels)

    def extract_feat(self, inputs: Tensor) -> Tensor:
        """Logits (B, C, h, w); UserError where the network gives anything else."""
        z, expected = self.network(inputs), [len(inputs), self.decode_head.out_channels]
        if isinstance(z, Tensor) and z.is_floating_point() and z.ndim == 4 and list(z.shape[:2]) == expected:
            return z
        raise UserError(
            f"model.factory: the network of {self.factory} does not give one map of logits per class",
            found=f"{z.dtype} of shape {tuple(z.shape)}" if isinstance(z, Tensor) else _described(z),
            expected=f"a tensor of floats ({', '.join(map(str, expected))}, height, width) for images "
            f"{tuple(inputs.shape)}; logits, ahead of any sigmoid or softmax",
            fix="build the network with as many outputs as the function is called with, and return the one tensor",
        )


def from_factory(factory: str, channels: int) -> Network:
    """The network that `factory` (`file.py:function` or `package.module:function`), called with `channels`, builds.

    Raises:
        UserError: no such file, module or function; it fails, or gives no `nn.Module`.
    """
    code, _, name = factory.rpartition(":")
    module = load(Path(code), "model.factory") if code.endswith(".py") else _imported(code)
    function = getattr(module, name, None)
    if not callable(function):
        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UserError(
            f"model.factory: {code} has no function {name!r}",
            found=", ".join(functions) or "no function at all",
            expected=f"def {name}(channels) that returns a torch.nn.Module",
            fix=did_you_mean(name, functions),
        )
    try:
        network = function(channels)
    except (Exception, SystemExit) as error:
        raise UserError(
            f"model.factory: {factory} fails",
            found=f"{type(error).__name__}: {error}",
            expected=f"a torch.nn.Module from {name}({channels}), for {channels} logit(s) a pixel",
        ) from error
    if not isinstance(network, nn.Module):
        raise UserError(
            f"model.factory: {factory} builds no network", found=_described(network), expected="a torch.nn.Module"
        )
    return Network(network, channels, factory)


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise UserError(
            f"model.factory: the module {name} can't be imported",
            found=f"{type(error).__name__}: {error}",
            expected="a module that is installed, or below the folder in which the command runs",
            fix=f"check the import: python -c 'import {name}'; or name a file, as in `factory: my_net.py:build`",
        ) from error


def _described(value: Any) -> str:
    return f"a dict of {', '.join(map(str, value))}" if isinstance(value, dict) else type(value).__name__
