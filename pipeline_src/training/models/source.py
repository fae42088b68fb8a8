"""The code behind a model config: the files it is written in and the modules it brings, for contracts."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

from pipeline_src.contract import PACKAGE
from pipeline_src.training.models.config import config_path


def config_sources(config: str) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """(files, modules of the package) that a config consists of: through `_base_`, and `custom_imports` of either kind.

    Modules of `custom_imports` that cannot be found, or that are installed packages, are left out.
    """
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
        queue += [file.parent / base for base in _texts(values.get("_base_"))]
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
