"""Files of a run: the checkpoints that it resumes from, and its trained network."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from pipeline_src.errors import UserError
from pipeline_src.files import atomic

NAME = re.compile(r"epoch(\d+)\.pt")
RETRAIN = "re-train it: remove the file, then start the command again"
log = logging.getLogger(__name__)


# Checkpoints


def save(folder: Path, epoch: int, content: dict[str, Any]) -> None:
    """Write `content` (tensors, numbers, texts, lists, dicts) as the checkpoint of `epoch`, and keep the last two."""
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
            log.warning(
                "%s: %s; the run continues without it", file, " ".join(str(error).split())[:200]
            )
    return None


def checkpoints(folder: Path) -> dict[int, Path]:
    """Return the checkpoint files by epoch, the newest first."""
    named = {
        int(match[1]): file for file in folder.glob("*.pt") if (match := NAME.fullmatch(file.name))
    }
    return dict(sorted(named.items(), reverse=True))


# Trained networks


def save_network(file: Path, network: nn.Module) -> None:
    """Write a network's tensors as safetensors."""
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()
    }
    with atomic(file) as temporary:
        save_file(tensors, temporary)


def load_network(file: Path, network: nn.Module, name: str) -> None:
    """Load the tensors of a run's `file` into `network`, which the model `name` describes.

    Raises:
        UserError: the file is unreadable, or its tensors have other names or shapes than the
            network's.
    """
    try:
        network.load_state_dict(load_file(file))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UserError(
            f"{file} can't be read as a network of the model {name}",
            found=str(error)[:500],
            expected="a complete file of safetensors with the network's names and shapes",
            fix=RETRAIN,
        ) from None
