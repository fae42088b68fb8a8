"""Pretrained weights that an mmsegmentation config names: taken out of it, missed, or not those of its backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline_src.errors import UserError


def take_weights(node: Any) -> list[str]:
    """Take everything out of a model's config that would load weights; what was taken is returned."""
    if isinstance(node, list):
        return [name for child in node for name in take_weights(child)]
    if not isinstance(node, dict):
        return []
    taken = []
    if node.get("type") == "TIMMBackbone":
        node.setdefault("pretrained", True)  # mmsegmentation's default
    for key in ("pretrained", "checkpoint_path"):
        if key in node:
            value = node[key]
            node[key] = False if isinstance(value, bool) else None
            if value:
                taken.append(str(value) if isinstance(value, str) else f"timm's {node.get('model_name')}")
    init = node.get("init_cfg") or []
    for entry in init if isinstance(init, list) else [init]:
        if _loads(entry):
            taken.append(str(entry.get("checkpoint")))
            node["init_cfg"] = [other for other in init if other is not entry] if isinstance(init, list) else None
    return taken + [name for child in node.values() for name in take_weights(child)]


def absent(weights: list[str], error: OSError) -> UserError:
    """What to say where none of `weights` can be had."""
    return UserError(
        "model.pretrained is true, but the weights can't be had",
        found=" ".join(str(error).split()),
        expected=", ".join(weights),
        do=f"fetch them where there is a network, and put the file into {torch.hub.get_dir()}/checkpoints under the "
        "last part of its URL; or name its path as `checkpoint` in a config of yours; or write `pretrained: false`",
    )


def check_arrival(segmentor: nn.Module, config: str) -> None:
    """Refuse a file of weights whose values less than half of the weights that it is for have taken over: what doesn't
    fit by name and shape is skipped on loading, and the rest, left at random, would be called pretrained."""
    taken: set[nn.Module] = set()
    for part in segmentor.modules():  # from the outside in: what a whole model loads replaces what its parts had loaded
        if part not in taken and _arrived(part, config):
            taken.update(part.modules())


def _arrived(part: nn.Module, config: str) -> bool:
    """Whether a module has loaded a file; UserError where the file is not made for it."""
    from mmengine.runner.checkpoint import CheckpointLoader

    init, loaded = getattr(part, "init_cfg", None) or [], False
    for entry in init if isinstance(init, list) else [init]:
        file = str(entry.get("checkpoint"))
        if not _loads(entry) or not ("://" in file or Path(file).is_file()):
            continue  # a package, whose names its backbone checks
        loaded = True
        content = CheckpointLoader.load_checkpoint(file, map_location="cpu")
        content = content.get("state_dict", content.get("model", content))
        there = {_mark(t) for t in content.values() if isinstance(t, Tensor)}
        weights = [p.detach() for p in part.parameters() if p.ndim > 1]  # others are all 0 or 1 at the start
        arrived = sum(_mark(weight) in there for weight in weights)
        if arrived < len(weights) / 2:
            raise UserError(
                f"model.pretrained is true, but {file} is not made for the {type(part).__name__} of {config}",
                found=f"{arrived} of {len(weights)} weights have a value of the file, which holds "
                f"{', '.join(list(content)[:3])}...",
                expected=f"{', '.join(list(dict(part.named_parameters()))[:3])}...",
                do="take a file made for this module (`prefix='backbone.'` in its init_cfg takes a part of a larger "
                "one), or write `pretrained: false`",
            )
    return loaded


def _mark(tensor: Tensor) -> tuple[tuple[int, ...], float]:
    """What tells tensors apart, whatever their names: backbones rename on loading."""
    return tuple(tensor.shape), tensor.double().sum().item()


def _loads(entry: dict[str, Any]) -> bool:
    return getattr(entry.get("type"), "__name__", entry.get("type")) in ("Pretrained", "PretrainedInit")
