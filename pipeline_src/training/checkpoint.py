"""Files of a run: the checkpoints that it resumes from, and its trained network."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from safetensors.torch import load_model, save_model
from torch import nn

from pipeline_src.files import atomic, reading

log = logging.getLogger(__name__)


# Checkpoints


def save(folder: Path, epoch: int, content: dict[str, Any]) -> None:
    """Write `content` as the checkpoint of `epoch`, and remove all but the last two.

    The older one serves if the newer one is damaged (`load`).

    Args:
        folder: of one run; its name is in the checkpoint.
        content: tensors, numbers and texts, and lists and dicts of them.
    """
    with atomic(folder / f"epoch{epoch}.pt") as temporary:
        torch.save(content | {"file": f"{folder.name}/epoch{epoch}.pt"}, temporary)
    for file in folder.glob("epoch*.pt"):
        if epoch_of(file) not in (epoch - 1, epoch):
            file.unlink()


def load(folder: Path) -> dict[str, Any]:
    """Return the content of the newest undamaged checkpoint, or an empty dict if there is none.

    A warning names each file that is damaged, or was written for another folder or epoch.
    """
    for file in sorted(folder.glob("epoch*.pt"), key=epoch_of, reverse=True):
        try:
            with ZipFile(file) as archive:
                damaged = archive.testzip()  # torch.load does not compare check sums
            if damaged:
                raise BadZipFile(f"{damaged} is damaged")
            content = dict(torch.load(file, map_location="cpu", weights_only=True))
            if content["file"] != f"{folder.name}/{file.name}":
                raise ValueError(f"it was written as {content['file']}")
            return content
        except Exception as error:  # damaged files fail in many ways
            found = " ".join(str(error).split())[:200]
            log.warning("%s: %s; the run continues without it", file, found)
    return {}


def epoch_of(checkpoint: Path) -> int:
    """Return the epoch after which a checkpoint was written, from its name epoch<number>.pt."""
    return int(checkpoint.stem.removeprefix("epoch"))


# Trained networks


def save_network(file: Path, network: nn.Module) -> None:
    """Write a network's tensors as safetensors; a process that is killed leaves no partial file."""
    with atomic(file) as temporary:
        save_model(network, str(temporary))


def load_network(file: Path, network: nn.Module, name: str) -> None:
    """Load the tensors of a run's `file` into `network`, which was built by the model `name`.

    Raises:
        UserError: the file is unreadable, or its tensors have other names or shapes than the
            network's.
    """
    with reading(
        f"{file} can't be read as a network of the model {name}",
        expected="a complete file of safetensors with the network's names and shapes",
        fix="re-train it: remove the file, then start the command again",
    ):
        load_model(network, file)
