"""Calls of a method's callbacks: an error or a wrong result of a user's code is a UserError with file and line."""

from __future__ import annotations

import inspect
import json
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline_src.errors import UserError
from pipeline_src.training.method import Batch, Method, MethodEntry
from pipeline_src.training.user_code import is_user_code


def call(method: MethodEntry, callback: str, *arguments: Any) -> Any:
    """Return `method.callback(*arguments)`; a failure in a user's method is a UserError with file and line."""
    try:
        return getattr(method, callback)(*arguments)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        if not is_user_code(type(method)):
            raise
        file = inspect.getfile(type(method))
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        shapes = [f"{tuple(value.shape)}" for value in arguments if isinstance(value, Tensor | np.ndarray)]
        raise UserError(
            f"{full_name(method, callback)} fails" + (f" in line {lines[-1]}" if lines else ""),
            found=f"{type(error).__name__}: {error}" + (f" (argument shapes {', '.join(shapes)})" if shapes else ""),
        ) from error


def full_name(method: MethodEntry, callback: str) -> str:
    """Return, for example, `methods: my_margin.py: Margin.loss()`."""
    return f"methods: {Path(inspect.getfile(type(method))).name}: {type(method).__name__}.{callback}()"


# Methods that train: the arguments are those of the callbacks


def start(method: Method, n: int, references: dict[str, list[float]], classes: int) -> None:
    call(method, "start", n, references, classes)
    alphas = method.alphas
    valid = isinstance(alphas, np.ndarray) and alphas.shape == (n,)
    if not valid and (method.learns or alphas is not None):
        raise _wrong(method, "start", alphas, f"self._alphas as an array of one number per training image, ({n},)")


def inputs(method: Method, x: Tensor, y: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    result = call(method, "inputs", x, y, batch)
    if isinstance(result, tuple | list) and [_shape(tensor)[:2] for tensor in result] == [x.shape[:2], y.shape[:2]]:
        return result[0], result[1]
    raise _wrong(method, "inputs", result, f"images and labels as they came, {tuple(x.shape)} and {tuple(y.shape)}")


def targets(method: Method, y: Tensor, batch: Batch) -> Tensor:
    result = call(method, "targets", y, batch)
    try:
        if isinstance(result, Tensor) and torch.broadcast_shapes(result.shape, y.shape) == y.shape:
            return result
    except RuntimeError:  # no common shape
        pass
    raise _wrong(method, "targets", result, f"a tensor of the labels' shape {tuple(y.shape)}, or one that broadcasts")


def loss(method: Method, z: Tensor, t: Tensor) -> Tensor:
    result = call(method, "loss", z, t)
    if isinstance(result, Tensor) and result.ndim == 0 and (result.requires_grad or not z.requires_grad):
        return result
    raise _wrong(method, "loss", result, "a tensor of one number, computed from the logits by torch's functions")


def image_statistic(method: Method, z: Tensor, y: Tensor) -> np.ndarray | None:
    """Return the statistic of each image of a step, (B,) float64; None for a method without one."""
    result = call(method, "image_statistic", z, y)
    if result is None:
        return None
    if _shape(result) == z.shape[:1]:
        return result.detach().cpu().double().numpy()  # to the CPU first: not every accelerator has doubles
    raise _wrong(method, "image_statistic", result, f"one number per image, a tensor ({len(z)},), or None")


def history_values(method: Method, columns: dict[str, Any]) -> dict[str, float]:
    """Return the method's own columns of a history that already has `columns`."""
    values = call(method, "history_values")
    if not isinstance(values, dict) or not all(isinstance(value, int | float | np.number) for value in values.values()):
        raise _wrong(method, "history_values", values, "a dict of numbers by the names of their columns")
    if duplicates := sorted(values.keys() & columns.keys()):
        raise UserError(
            f"{full_name(method, 'history_values')} takes columns that every history has",
            found=", ".join(duplicates),
            expected=f"names other than {', '.join(columns)}",
        )
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}


# Post-hoc methods


def fit(method: MethodEntry, *arguments: Any) -> dict[str, Any]:
    """Return what a post-hoc method has learned, as values that JSON can hold."""
    values = call(method, "fit", *arguments)
    try:
        plain = json.loads(json.dumps(values, allow_nan=False, default=lambda number: number.item()))
    except (TypeError, ValueError, AttributeError, RuntimeError):  # the last: a tensor of several numbers
        plain = None
    if not isinstance(values, dict) or plain != values:  # differs by tuples and by keys that are not texts
        expected = "a dict of finite numbers, texts, and lists and dicts of them; {} where there is nothing to fit"
        raise _wrong(method, "fit", values, expected)
    return dict(plain)


def logits(method: MethodEntry, *arguments: Any) -> list[Tensor]:
    """Return the predictions of a batch that a post-hoc method averages."""
    result = call(method, "logits", *arguments)
    images = len(arguments[1])
    shapes = [_shape(z) for z in result] if isinstance(result, list | tuple) else []
    if shapes and all(len(shape) == 4 and shape[0] == images for shape in shapes):
        return list(result)
    raise _wrong(method, "logits", result, f"a list of tensors ({images}, C, h, w), one of each prediction")


def probability(method: MethodEntry, z: list[Tensor], size: tuple[int, int], fitted: dict[str, Any]) -> np.ndarray:
    """Return one image's probabilities at its original `size`, float32: (H, W) for one logit, (K, H, W) for K
    classes."""
    result = call(method, "probability", z, size, fitted)
    shape = tuple(size) if len(z[0]) == 1 else (len(z[0]), *size)
    if isinstance(result, Tensor):
        result = result.cpu().numpy()
    if not isinstance(result, np.ndarray) or result.shape != shape:
        raise _wrong(method, "probability", result, f"an array of probabilities of shape {shape}")
    low, high = float(result.min()), float(result.max())
    if not (low >= 0 and high <= 1):  # also false for NaN
        raise UserError(
            f"{full_name(method, 'probability')} returns no probabilities",
            found=f"values from {low:g} to {high:g}",
            expected="numbers in [0, 1]",
        )
    return result.astype(np.float32, copy=False)


def _shape(value: Any) -> tuple[int, ...]:
    """The shape of a tensor; that of no tensor, (-1,), for anything else."""
    return tuple(value.shape) if isinstance(value, Tensor) else (-1,)


def _wrong(method: MethodEntry, callback: str, result: Any, expected: str) -> UserError:
    return UserError(
        f"{full_name(method, callback)} returns a wrong value", found=_described(result), expected=expected
    )


def _described(value: Any) -> str:
    """Tensors and arrays by shape, other values by type and content."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}" + ("" if value.requires_grad else ", without a gradient")
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {', '.join(map(_described, value))}" if value else "nothing in it"
    return f"{type(value).__name__} {value!r}"[:200]
