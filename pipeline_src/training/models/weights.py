"""Pretrained weights that an mmsegmentation config names: removed from it, unavailable, or made for another module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline_src.errors import UserError

# Keeps only the tensors of a file. One line, to be copied.
CONVERT = (
    "python -c \"import torch, safetensors.torch as s; of = torch.load({old!r}, 'cpu', weights_only=False); "
    "of = of.get('state_dict', of.get('model', of)); "
    's.save_file({{k: t.clone() for k, t in of.items() if isinstance(t, torch.Tensor)}}, {new!r})"'
)


def remove_weights(node: Any) -> list[str]:
    """Remove all that loads weights from a model's config, in place; returns the names of the weights."""
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
    init = node.get("init_cfg") or []
    for entry in init if isinstance(init, list) else [init]:
        if _loads(entry):
            removed.append(str(entry.get("checkpoint")))
            node["init_cfg"] = [other for other in init if other is not entry] if isinstance(init, list) else None
    return removed + [name for child in node.values() for name in remove_weights(child)]


def weights_unavailable(weights: list[str], error: OSError) -> UserError:
    """The error where `weights` can't be loaded."""
    return UserError(
        "model.pretrained is true, but the weights are unavailable",
        found=" ".join(str(error).split()),
        expected=", ".join(weights),
        fix=f"fetch them where there is a network, and put the file into {torch.hub.get_dir()}/checkpoints under the "
        "last part of its URL; or name its path as `checkpoint` in a config of yours; or write `pretrained: false`",
    )


@contextmanager
def tensors_alone() -> Iterator[None]:
    """Inside, `torch.load` reads safetensors and pickled tensors and nothing else, whoever calls it and however: a
    pickle can run code, and mmengine falls back to that where a file holds more than tensors.

    Raises:
        UserError: names a file that holds more, with the command that converts it, or that is damaged.
    """
    unguarded = torch.load

    def guarded(file: Any, map_location: Any = None, **_: Any) -> Any:
        path = Path(str(file))
        try:
            return (
                load_file(path) if path.suffix == ".safetensors" else unguarded(file, map_location, weights_only=True)
            )
        except FileNotFoundError:
            raise
        except Exception as error:
            raise _unreadable(path, error) from None

    torch.load = guarded  # type: ignore[assignment]  # what mmengine, mmcv, timm and torch.hub call
    try:
        yield
    finally:
        torch.load = unguarded


def _unreadable(file: Path, error: Exception) -> UserError:
    reason, new = str(error).split("\n")[0].split(". ")[0], file.with_suffix(".safetensors")
    if not isinstance(error, UnpicklingError):
        return UserError(
            f"model.pretrained: {file} can't be read as weights",
            found=f"{type(error).__name__}: {reason}",
            expected="a whole file of safetensors or torch.save",
            fix="fetch the file again",
        )
    return UserError(
        f"model.pretrained: {file} may hold more than weights, and run code when it is read",
        found=reason,
        expected="safetensors, or a file of torch.save with only tensors and plain values",
        fix=f"if you trust its origin, convert it and name {new.name} in the config instead: "
        + CONVERT.format(old=str(file), new=str(new)),
    )


def check_loaded(segmentor: nn.Module, config: str) -> None:
    """Refuse a file of weights that set less than half of the weights of its module: those that don't fit by name and
    shape are skipped on loading, and the rest, left at random, would be called pretrained."""
    checked: set[nn.Module] = set()
    for part in segmentor.modules():  # from the outside in: what a whole model loads replaces what its parts had loaded
        if part not in checked and _loads_file(part, config):
            checked.update(part.modules())


def _loads_file(part: nn.Module, config: str) -> bool:
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
        values = {_fingerprint(t) for t in content.values() if isinstance(t, Tensor)}
        weights = [p.detach() for p in part.parameters() if p.ndim > 1]  # others are all 0 or 1 at the start
        number = sum(_fingerprint(weight) in values for weight in weights)
        if number < len(weights) / 2:
            raise UserError(
                f"model.pretrained is true, but {file} is not made for the {type(part).__name__} of {config}",
                found=f"{number} of {len(weights)} weights have a value of the file, which holds "
                f"{', '.join(list(content)[:3])}...",
                expected=f"{', '.join(list(dict(part.named_parameters()))[:3])}...",
                fix="take a file made for this module (`prefix='backbone.'` in its init_cfg takes a part of a larger "
                "one), or write `pretrained: false`",
            )
    return loaded


def _fingerprint(tensor: Tensor) -> tuple[tuple[int, ...], float]:
    """Distinguishes tensors without their names: backbones rename on loading."""
    return tuple(tensor.shape), tensor.double().sum().item()


def _loads(entry: dict[str, Any]) -> bool:
    return getattr(entry.get("type"), "__name__", entry.get("type")) in ("Pretrained", "PretrainedInit")
