"""The code behind a network: the files it is written in and the modules it brings, for contracts."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

from pipeline_src.contract import PACKAGE
from pipeline_src.errors import UserError
from pipeline_src.training.models.config import config_path, is_factory


def network_sources(network: str) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """(files, modules of the package) that a network consists of: a factory's file, or a config with its `_base_` and
    `custom_imports` of either kind. What is imported from beside these files is found by the contract.

    Installed packages (`_base_ = ["mmseg::..."]` too) and modules that cannot be found are left out.
    """
    return _of_factory(network) if is_factory(network) else _of_config(network)


def _of_factory(factory: str) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    code, _, function = factory.rpartition(":")
    if not code.endswith(".py"):
        own = _own(code)
        return ((own,) if own else ()), ()
    if not Path(code).is_file():
        raise UserError(
            f"model.factory: there is no file {code}",
            found=f"nothing at {Path(code).absolute()}",
            expected=f"a Python file with a function {function}(channels) that returns a torch.nn.Module",
        )
    return (Path(code),), ()


def _of_config(config: str) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    queue, files, modules = [config_path(config)], [], []
    while queue:
        file = queue.pop()
        files.append(file)
        if file.suffix != ".py":
            continue
        values = {
            node.targets[0].id: node.value
            for node in ast.parse(file.read_text(encoding="utf-8")).body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        queue += [file.parent / base for base in _texts(values.get("_base_")) if "::" not in base]
        for name in _texts(values.get("custom_imports")):
            if name.startswith(PACKAGE + "."):
                modules.append(name)
            elif own := _own(name):
                files.append(own)
    return tuple(files), tuple(modules)


def _texts(value: ast.AST | None) -> list[str]:
    """All strings that stand in a value (keys of `{...}` are among them, and harmless)."""
    nodes = ast.walk(value) if value else ()
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _own(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    file = Path(spec.origin) if spec and spec.origin else None
    return file if file and file.is_file() and "site-packages" not in file.parts else None
