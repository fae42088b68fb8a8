"""The network of a run as a file of safetensors, whose metadata name the run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline_src.errors import UserError
from pipeline_src.files import atomic

METADATA = "run"  # key of the one text among the file's metadata: safetensors writes several in an order of chance
CHANGING = {"contract", "parameters"}  # facts that change with code while a network may stay
AGAIN = "re-train it: remove the file, then start the command again"


def write(file: Path, network: nn.Module, facts: Mapping[str, Any]) -> None:
    """Write a network's tensors and the facts of its run, in JSON's types; the same bits for the same of both."""
    # A copy of each: safetensors writes no two names of one tensor, as tied weights have.
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in network.state_dict().items()
    }
    with atomic(file) as temporary:
        save_file(tensors, temporary, {METADATA: json.dumps(facts)} if facts else None)


def read(file: Path, expected: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of the network of a run.

    Args:
        expected: facts of the run that the file has to be of, but for those in `CHANGING`. A file without facts is
            taken as it is.

    Raises:
        UserError: the file can't be read, or is of another run.
    """
    try:
        with safe_open(file, "pt") as opened:
            facts = json.loads((opened.metadata() or {}).get(METADATA, "{}"))
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (it is no mapping)
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(
            f"{file} can't be read as a network", found=error, expected="a whole file of safetensors", fix=AGAIN
        ) from None
    if facts and (differing := [key for key in expected if key not in CHANGING and facts.get(key) != expected[key]]):
        found, required = ("; ".join(f"{key} {run.get(key)}" for key in differing)[:500] for run in (facts, expected))
        raise UserError(
            f"{file} is of another run: other {', '.join(differing)}", found=found, expected=required, fix=AGAIN
        )
    return tensors
