"""Checkpoints of a run: one file per epoch, written atomically with its SHA-256; the last two are kept."""

from __future__ import annotations

import io
import logging
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline_src import files
from pipeline_src.errors import UserError

ARRAY = "__array__"
NAME = re.compile(r"epoch(\d+)\.pt")
MARK, DIGITS = b"sha256:", 64  # a file ends in this and the digest of all before
log = logging.getLogger(__name__)


def save(folder: Path, epoch: int, content: dict[str, Any]) -> None:
    """Write `content` (tensors and `packed` values) as the checkpoint of `epoch`, and keep the last two."""
    with files.atomic(folder / f"epoch{epoch}.pt") as temporary:
        torch.save(content, temporary)
        digest = files.sha256(temporary)
        with open(temporary, "ab") as file:
            file.write(MARK + digest.encode())
    for old, file in checkpoints(folder).items():
        if old not in (epoch, epoch - 1):
            file.unlink()


def load(folder: Path) -> dict[str, Any] | None:
    """Return the content of the newest undamaged checkpoint, or None. The run then starts from the beginning,
    to the same result. A warning names each damaged file."""
    for file in checkpoints(folder).values():
        content, fault = _read(file)
        if not fault:
            return content
        log.warning("%s: %s; the run continues without it", file, fault)
    return None


def checkpoints(folder: Path) -> dict[int, Path]:
    """The files of checkpoints by epoch, the newest first."""
    named = {int(match[1]): file for file in folder.glob("*.pt") if (match := NAME.fullmatch(file.name))}
    return {epoch: file for epoch, file in sorted(named.items(), reverse=True) if file.is_file()}


def _read(file: Path) -> tuple[dict[str, Any], str | None]:
    """The content of a checkpoint, and its fault or None."""
    try:
        data = file.read_bytes()
    except OSError as error:
        return {}, str(error)
    content, mark, digest = data[: -DIGITS - len(MARK)], data[-DIGITS - len(MARK) : -DIGITS], data[-DIGITS:]
    del data  # a large network's takes gigabytes
    if mark != MARK:
        return {}, "truncated, or not a checkpoint"
    if sha256(content).hexdigest().encode() != digest:
        return {}, "damaged: the digest differs"
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True), None
    except Exception as error:  # a digest over anything at all
        return {}, " ".join(str(error).split())[:200]


def packed(value: Any, name: str) -> Any:
    """Return `value` in types that a checkpoint can hold: numbers, texts, None, tensors and arrays, and dicts, lists
    and tuples of them. UserError about `name` for any other type."""
    if isinstance(value, dict):
        return {packed(key, name): packed(item, f"{name}[{key!r}]") for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(packed(item, f"{name}[{i}]") for i, item in enumerate(value))
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc" and value.dtype.isnative:
        return {ARRAY: torch.from_numpy(value.copy())}
    if value is None or type(value) in (bool, int, float, str) or isinstance(value, torch.Tensor):
        return value
    raise UserError(
        f"{name} can't be saved, so a stopped run could not be resumed",
        found=f"{type(value).__module__}.{type(value).__name__}",
        expected="numbers, texts, numpy arrays, tensors, None; dicts, lists and tuples of them",
        fix="keep it in such types, or let state() and restore() of the method turn it into them",
    )


def unpacked(value: Any) -> Any:
    """Return the value that was `packed`; arrays are copies."""
    if isinstance(value, dict):
        return value[ARRAY].numpy().copy() if set(value) == {ARRAY} else {k: unpacked(v) for k, v in value.items()}
    return type(value)(map(unpacked, value)) if type(value) in (list, tuple) else value
