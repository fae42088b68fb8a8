"""Files of a run: the checkpoints that it resumes from, and its trained network."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline_src.errors import UserError
from pipeline_src.files import atomic

ARRAY = "__array__"
NAME = re.compile(r"epoch(\d+)\.pt")
RETRAIN = "re-train it: remove the file, then start the command again"
log = logging.getLogger(__name__)


# Checkpoints


def save(folder: Path, epoch: int, content: dict[str, Any]) -> None:
    """Write `content` (tensors and `packed` values) as the checkpoint of `epoch`, and keep the last two."""
    with atomic(folder / f"epoch{epoch}.pt") as temporary:
        torch.save(content, temporary)
    for old, file in checkpoints(folder).items():
        if old not in (epoch, epoch - 1):
            file.unlink()


def load(folder: Path) -> dict[str, Any] | None:
    """Return the content of the newest undamaged checkpoint; None without one. A warning names each damaged file."""
    for file in checkpoints(folder).values():
        try:
            with ZipFile(file) as archive:
                if record := archive.testzip():  # torch.load does not compare check sums
                    raise BadZipFile(f"{record} is damaged")
            return dict(torch.load(file, map_location="cpu", weights_only=True))
        except Exception as error:  # damaged files fail in many ways
            log.warning("%s: %s; the run continues without it", file, " ".join(str(error).split())[:200])
    return None


def checkpoints(folder: Path) -> dict[int, Path]:
    """Return the checkpoint files by epoch, the newest first."""
    named = {int(match[1]): file for file in folder.glob("*.pt") if (match := NAME.fullmatch(file.name))}
    return dict(sorted(named.items(), reverse=True))


def packed(value: Any, name: str) -> Any:
    """Return `value` in types that `torch.load` reads with `weights_only`: numbers, texts, None, tensors, arrays (as
    tensors), and dicts, lists and tuples of them.

    Raises:
        UserError: names the value `name` that has another type.
    """
    if isinstance(value, dict):
        return {packed(key, name): packed(item, f"{name}[{key!r}]") for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(packed(item, f"{name}[{i}]") for i, item in enumerate(value))
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        return {ARRAY: torch.from_numpy(value.copy())}
    if value is None or type(value) in (bool, int, float, str) or isinstance(value, Tensor):
        return value
    raise UserError(
        f"{name} can't be saved, so a stopped run could not be resumed",
        found=f"{type(value).__module__}.{type(value).__name__}",
        expected="numbers, texts, numpy arrays, tensors, None; dicts, lists and tuples of them",
        fix="keep it in such types, or let state() and restore() of the method convert it",
    )


def unpacked(value: Any) -> Any:
    """Return the value that was `packed`; arrays are copies."""
    if isinstance(value, dict):
        return value[ARRAY].numpy().copy() if set(value) == {ARRAY} else {k: unpacked(v) for k, v in value.items()}
    return type(value)(map(unpacked, value)) if type(value) in (list, tuple) else value


# Trained networks


def save_network(file: Path, network: nn.Module, facts: Mapping[str, Any]) -> None:
    """Write a network's tensors as safetensors, with facts of its run in JSON's types under the metadata key `run`."""
    # Copies, because safetensors refuses one tensor under two names (tied weights).
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in network.state_dict().items()
    }
    with atomic(file) as temporary:
        save_file(tensors, temporary, {"run": json.dumps(facts)})


def load_network(file: Path, network: nn.Module, name: str) -> None:
    """Load the tensors of a run's `file` into `network`, which the model `name` describes.

    Raises:
        UserError: the file is unreadable, or its tensors have other names or shapes than the network's.
    """
    try:
        network.load_state_dict(load_file(file))
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{file} can't be read as a network", found=error, expected="a whole file of safetensors", fix=RETRAIN
        ) from None
    except RuntimeError as error:
        raise UserError(
            f"{file} does not fit the model {name}",
            found=str(error)[:500],
            expected="weights of the network's names and shapes",
            fix=RETRAIN,
        ) from None
