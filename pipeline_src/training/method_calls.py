"""The moments of a method as training calls them: what a user's code raises or returns wrongly is told in words."""

from __future__ import annotations

import inspect
import math
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline_src.errors import UserError
from pipeline_src.training.method import Batch, Block, Method
from pipeline_src.training.user_code import is_of_user


def call(method: Block, moment: str, *given: Any) -> Any:
    """What `method.moment(*given)` returns; where a user's method fails in it, a UserError with file and line."""
    try:
        return getattr(method, moment)(*given)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        if not is_of_user(type(method)):
            raise
        file = inspect.getfile(type(method))
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        shapes = [f"{tuple(value.shape)}" for value in given if isinstance(value, Tensor | np.ndarray)]
        raise UserError(
            f"{where(method, moment)} fails" + (f" in line {lines[-1]}" if lines else ""),
            found=f"{type(error).__name__}: {error}" + (f" (given shapes {', '.join(shapes)})" if shapes else ""),
        ) from error


def where(method: Block, moment: str) -> str:
    """`methods: my_margin.py: Margin.loss()`"""
    return f"methods: {Path(inspect.getfile(type(method))).name}: {type(method).__name__}.{moment}()"


def start(method: Method, n: int, references: dict[str, list[float]], classes: int) -> None:
    call(method, "start", n, references, classes)
    alphas = method.alphas
    right = isinstance(alphas, np.ndarray) and alphas.shape == (n,)
    if not right and (method.learns or alphas is not None):
        raise _wrong(method, "start", alphas, f"self._alphas as an array of one number per training image, ({n},)")


def inputs(method: Method, x: Tensor, y: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    found = call(method, "inputs", x, y, batch)
    shapes = [_shape(each) for each in found] if isinstance(found, tuple | list) else []
    if len(shapes) == 2 and all(
        s and len(s) == 4 and s[:2] == old[:2] for s, old in zip(shapes, (x.shape, y.shape), strict=True)
    ):
        return found
    raise _wrong(method, "inputs", found, f"images and labels as they came, {tuple(x.shape)} and {tuple(y.shape)}")


def targets(method: Method, y: Tensor, batch: Batch) -> Tensor:
    found = call(method, "targets", y, batch)
    if _broadcasts(_shape(found), y.shape):
        return found
    raise _wrong(method, "targets", found, f"a tensor of the labels' shape {tuple(y.shape)}, or one that broadcasts")


def loss(method: Method, z: Tensor, t: Tensor) -> Tensor:
    found = call(method, "loss", z, t)
    if _shape(found) == () and (found.requires_grad or not z.requires_grad):
        return found
    raise _wrong(method, "loss", found, "a tensor of one number, computed from the logits by torch's functions")


def agreement(method: Method, z: Tensor, y: Tensor) -> np.ndarray | None:
    """(B,) float64, or None."""
    found = call(method, "agreement", z, y)
    if found is None:
        return None
    if _shape(found) == z.shape[:1]:
        return found.detach().cpu().double().numpy()  # to the CPU first: not every accelerator has doubles
    raise _wrong(method, "agreement", found, f"one number per image, a tensor ({len(z)},), or None")


def course(method: Method, taken: dict[str, Any]) -> dict[str, float]:
    """The method's own columns of a history that has the columns `taken`."""
    found = call(method, "course")
    if not isinstance(found, dict) or not all(isinstance(value, int | float | np.number) for value in found.values()):
        raise _wrong(method, "course", found, "a dict of numbers by the names of their columns")
    if twice := sorted(found.keys() & taken.keys()):
        raise UserError(
            f"{where(method, 'course')} takes columns that every history has",
            found=", ".join(twice),
            expected=f"names other than {', '.join(taken)}",
        )
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in found.items()}


def fit(method: Block, *given: Any) -> dict[str, float]:
    """What a post-hoc method has learned, as plain numbers."""
    found = call(method, "fit", *given)
    if not isinstance(found, dict) or not all(isinstance(value, int | float | np.number) for value in found.values()):
        raise _wrong(method, "fit", found, "a dict of numbers by name, {} where there is nothing to fit")
    if not all(math.isfinite(value) for value in found.values()):
        raise _wrong(method, "fit", found, "finite numbers")
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in found.items()}


def logits(method: Block, *given: Any) -> list[Tensor]:
    """The predictions of a batch that a post-hoc method averages."""
    found = call(method, "logits", *given)
    images = len(given[1])
    if isinstance(found, list | tuple) and found and all(len(_shape(z) or ()) == 4 and len(z) == images for z in found):
        return list(found)
    raise _wrong(method, "logits", found, f"a list of tensors ({images}, C, h, w), one of each prediction")


def probability(method: Block, z: list[Tensor], size: tuple[int, int], fitted: dict[str, float]) -> np.ndarray:
    """One image's probabilities at its original `size`, float32: (H, W) for one logit, (K, H, W) for K classes."""
    found = call(method, "probability", z, size, fitted)
    channels = len(z[0])
    shape = tuple(size) if channels == 1 else (channels, *size)
    if isinstance(found, Tensor):
        found = found.cpu().numpy()
    if not isinstance(found, np.ndarray) or found.shape != shape:
        raise _wrong(method, "probability", found, f"an array of probabilities of shape {shape}")
    low, high = float(found.min()), float(found.max())
    if not (low >= 0 and high <= 1):  # false for NaN too
        raise UserError(
            f"{where(method, 'probability')} gives no probabilities",
            found=f"values from {low:g} to {high:g}",
            expected="numbers in [0, 1]",
        )
    return found.astype(np.float32, copy=False)


def _wrong(method: Block, moment: str, found: Any, expected: str) -> UserError:
    return UserError(f"{where(method, moment)} does not give what it should", found=told(found), expected=expected)


def told(value: Any) -> str:
    """A value as an error shows it: tensors and arrays by shape, other things by what they are."""
    if isinstance(value, Tensor):
        detached = "" if value.requires_grad else ", without a gradient"
        return f"a tensor of shape {tuple(value.shape)}{detached}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {', '.join(map(told, value))}" if value else "nothing in it"
    return f"{type(value).__name__} {value!r}"[:200]


def _shape(value: Any) -> torch.Size | None:
    return value.shape if isinstance(value, Tensor) else None


def _broadcasts(shape: torch.Size | None, to: torch.Size) -> bool:
    try:
        return shape is not None and torch.broadcast_shapes(shape, to) == to
    except RuntimeError:
        return False
