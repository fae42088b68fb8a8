"""The files, modules and weights that a network consists of, for its fingerprint."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import yaml

from pipeline_src.errors import UserError
from pipeline_src.python_source import syntax_tree
from pipeline_src.training.models.config import config_path, is_factory


def network_sources(network: str) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """(files, modules of the package) that a network consists of: a factory's file, or a config with its `_base_` and
    `custom_imports` of either kind. Fingerprints also follow the imports of these files.

    Installed packages (`_base_ = ["mmseg::..."]` too) and modules that cannot be found are left out.

    Raises:
        UserError: there is no such file, it can't be read, or a package fails when it is imported.
    """
    if is_factory(network):
        return _of_factory(network), ()
    files, modules = [], []
    for file, values in _configs(network).items():
        files.append(file)
        for name in _texts(values.get("custom_imports")):
            if name.startswith(__name__.partition(".")[0] + "."):
                modules.append(name)
            elif file := _own_file(name, "model.config"):
                files.append(file)
    return tuple(files), tuple(modules)


def own_weights(network: str) -> tuple[Path, ...]:
    """Files that the texts of a config name, as `checkpoint="my_weights.pth"` does; those of a factory are unknown."""
    configs = {} if is_factory(network) else _configs(network)
    named = {text for values in configs.values() for text in _texts(list(values.values()))}
    return tuple(Path(text) for text in sorted(named) if os.path.isfile(text) and not text.endswith(".py"))


def _of_factory(factory: str) -> tuple[Path, ...]:
    code, _, function = factory.rpartition(":")
    if not code.endswith(".py"):
        module = _own_file(code, "model.factory")
        return (module,) if module else ()
    file = Path(code).expanduser()
    if not file.is_file():
        raise UserError(
            f"model.factory: there is no file {code}",
            found=f"nothing at {file.absolute()}",
            expected=f"a Python file with a function {function}(channels) that returns a torch.nn.Module",
        )
    syntax_tree(file, "model.factory")
    return (file,)


def _configs(config: str) -> dict[Path, dict[str, Any]]:
    """The files of a config, its own first and then those of `_base_`, with their top-level values by name: syntax
    trees in a Python file, plain values in one of YAML or JSON."""
    queue, configs = [config_path(config)], {}
    while queue:
        if (file := queue.pop()) not in configs:
            configs[file] = _values(file)
            queue += [file.parent / base for base in _texts(configs[file].get("_base_")) if "::" not in base]
    return configs


def _values(file: Path) -> dict[str, Any]:
    if file.suffix == ".py":
        return {
            node.targets[0].id: node.value
            for node in syntax_tree(file, "model.config").body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
    try:
        content = (json.loads if file.suffix == ".json" else yaml.safe_load)(file.read_bytes())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"model.config: {file} can't be read", found=" ".join(str(error).split())) from None
    return content if isinstance(content, dict) else {}


def _texts(value: Any) -> list[str]:
    """All strings in a value or a syntax tree, harmless keys of dicts among them."""
    if isinstance(value, ast.AST):
        return _texts([node.value for node in ast.walk(value) if isinstance(node, ast.Constant)])
    if isinstance(value, dict):
        return _texts([*value, *value.values()])
    if isinstance(value, list | tuple):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []


def _own_file(name: str, key: str) -> Path | None:
    """The file of a module, None if it is installed or there is none; the packages that contain it are imported."""
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):
        return None
    except (Exception, SystemExit) as error:
        raise UserError(
            f"{key}: the package of {name} can't be imported", found=f"{type(error).__name__}: {error}"
        ) from error
    file = Path(spec.origin) if spec and spec.origin else None
    return file if file and file.is_file() and "site-packages" not in file.parts else None
