"""Checkpoints of a run, written atomically; the previous one is kept."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline_src.errors import UserError
from pipeline_src.files import atomic

LAST, PREVIOUS = "last.pt", "previous.pt"
ARRAY = "__array__"
log = logging.getLogger(__name__)


def save(folder: Path, content: dict[str, Any]) -> None:
    """Write `content` (tensors and `packed` values) as the last checkpoint, and keep the one before as the previous."""
    last = folder / LAST
    with atomic(last) as temporary:
        torch.save(content, temporary)
        if last.exists():
            os.replace(last, folder / PREVIOUS)


def load(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint that can be read, None where there is none yet; files that can't be read are logged.

    Raises:
        UserError: there are checkpoints, and none can be read; weeks of training are not thrown away unasked.
    """
    files = [file for file in (folder / LAST, folder / PREVIOUS) if file.exists()]
    faults = []
    for file in files:
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:
            faults.append(" ".join(str(error).split())[:200])
            if file != files[-1]:
                log.warning("%s can't be read (%s): going back to the previous checkpoint", file, faults[-1])
    if files:
        raise UserError(
            f"{folder}: no checkpoint of this run can be read",
            found=f"{', '.join(file.name for file in files)}: {faults[0]}",
            do=f"remove {folder} to start from the beginning",
        )
    return None


def packed(value: Any, what: str) -> Any:
    """`value` in types that a checkpoint can hold: numbers, texts, None, tensors and arrays, and dicts, lists and
    tuples of them. UserError about `what` for any other type."""
    if isinstance(value, dict):
        return {packed(key, what): packed(each, f"{what}[{key!r}]") for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(packed(each, f"{what}[{i}]") for i, each in enumerate(value))
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc" and value.dtype.isnative:
        return {ARRAY: torch.from_numpy(value.copy())}
    if value is None or type(value) in (bool, int, float, str) or isinstance(value, torch.Tensor):
        return value
    raise UserError(
        f"{what} can't be saved, so a stopped run could not be resumed",
        found=f"{type(value).__module__}.{type(value).__name__}",
        expected="numbers, texts, numpy arrays, tensors, None; dicts, lists and tuples of them",
        do="keep it in such types, or let state() and restore() of the method turn it into them",
    )


def unpacked(value: Any) -> Any:
    """What was `packed`; arrays are new ones."""
    if isinstance(value, dict):
        return value[ARRAY].numpy().copy() if set(value) == {ARRAY} else {k: unpacked(v) for k, v in value.items()}
    return type(value)(map(unpacked, value)) if type(value) in (list, tuple) else value
