"""Pretrained weights that an mmsegmentation config names: removed from it, loaded safely, and checked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from pipeline_src.errors import UserError

FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
ERRORS = (OSError, RuntimeError, EOFError, UnpicklingError)  # of a file that is absent, damaged or more than weights
CONVERT = "python -c \"import torch; torch.save(torch.load('OLD', weights_only=False)['state_dict'], 'NEW')\""


def remove_weights(node: Any) -> list[str]:
    """Remove all that loads weights from a model's config, in place; return the names of the weights."""
    if isinstance(node, list):
        return [name for child in node for name in remove_weights(child)]
    if not isinstance(node, dict):
        return []
    removed = []
    if node.get("type") == "TIMMBackbone":
        node.setdefault("pretrained", True)  # mmsegmentation's default
    for key in ("pretrained", "checkpoint_path"):
        if key in node:
            value = node[key]
            node[key] = False if isinstance(value, bool) else None
            if value:
                removed.append(str(value) if isinstance(value, str) else f"timm's {node.get('model_name')}")
    if files := pretrained_files(node.get("init_cfg")):
        removed += files
        node["init_cfg"] = [entry for entry in _entries(node["init_cfg"]) if not pretrained_files(entry)] or None
    return removed + [name for child in node.values() for name in remove_weights(child)]


def pretrained_files(init_cfg: Any) -> list[str]:
    """Return the weights that an `init_cfg` of mmengine loads: files, addresses or names."""
    kinds = [(getattr(entry.get("type"), "__name__", entry.get("type")), entry) for entry in _entries(init_cfg)]
    return [str(entry.get("checkpoint")) for kind, entry in kinds if kind in ("Pretrained", "PretrainedInit")]


def _entries(init_cfg: Any) -> list[Any]:
    return init_cfg if isinstance(init_cfg, list) else [init_cfg] if init_cfg else []


@contextmanager
def weights_only() -> Iterator[None]:
    """Inside, `torch.load` reads tensors and plain values only. Otherwise mmengine falls back to unpickling, which can
    run code."""
    previous = os.environ.get(FORCE)
    os.environ[FORCE] = "1"
    try:
        yield
    finally:
        del os.environ[FORCE]
        os.environ.update({FORCE: previous} if previous else {})


def loading_error(weights: list[str], error: Exception) -> UserError:
    """Return the error of weights that can't be loaded."""
    if isinstance(error, UnpicklingError):
        fix = f"if you trust their origin, keep only the tensors and name the new file in the config: {CONVERT}"
    else:
        folder = f"{torch.hub.get_dir()}/checkpoints"
        fix = (
            f"put the file into {folder} under the last part of its URL; or name its path as `checkpoint` in a config "
            "of yours; or write `pretrained: false`"
        )
    return UserError(
        "model.pretrained is true, but the weights can't be loaded",
        found=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
        expected=", ".join(weights),
        fix=fix,
    )


def check_loaded(segmentor: nn.Module, config: str) -> None:
    """Refuse a file that sets less than half of the weights of its module. Weights that do not fit by name and shape
    stay random, and would be called pretrained."""
    from mmengine.runner.checkpoint import CheckpointLoader

    outer = pretrained_files(getattr(segmentor, "init_cfg", None))  # mmengine then loads nothing for the parts
    for module in [segmentor] if outer else segmentor.modules():
        for file in pretrained_files(getattr(module, "init_cfg", None)):
            if "://" not in file and not Path(file).is_file():
                continue  # a package, whose names its backbone checks
            content = CheckpointLoader.load_checkpoint(file, map_location="cpu")
            content = content.get("state_dict", content.get("model", content))
            values = {_digest(tensor) for tensor in content.values() if isinstance(tensor, Tensor)}
            weights = [p.detach() for p in module.parameters() if p.ndim > 1]  # others start as 0 or 1
            number = sum(_digest(weight) in values for weight in weights)
            if number < len(weights) / 2:
                raise UserError(
                    f"model.pretrained is true, but {file} is not made for the {type(module).__name__} of {config}",
                    found=f"{number} of {len(weights)} weights have a value of the file, which holds "
                    f"{', '.join(list(content)[:3])}...",
                    expected=f"{', '.join(list(dict(module.named_parameters()))[:3])}...",
                    fix="take a file made for this module (`prefix='backbone.'` in its init_cfg takes a part of a "
                    "larger one), or write `pretrained: false`",
                )


def _digest(tensor: Tensor) -> tuple[tuple[int, ...], float]:
    """Distinguishes tensors without their names: backbones rename on loading."""
    return tuple(tensor.shape), tensor.double().sum().item()
