"""Checkpoints of a run: whole or not there, and the one before is kept."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import torch

from pipeline_src.files import atomic

LAST, BEFORE = "last.pt", "before.pt"
log = logging.getLogger(__name__)


def save(folder: Path, content: dict[str, Any]) -> None:
    """Put `content` (tensors and plain types) in place as the last checkpoint; the last so far becomes the one
    before."""
    last = folder / LAST
    with atomic(last) as temporary:
        torch.save(content, temporary)
        if last.exists():
            os.replace(last, folder / BEFORE)


def load(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint that can be read, or None where a run starts anew. What can't be read is said."""
    for name in (LAST, BEFORE):
        file = folder / name
        if not file.exists():
            continue
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:
            log.warning(
                "%s can't be read (%s): going back to the checkpoint before it",
                file,
                " ".join(str(error).split())[:200],
            )
    return None
