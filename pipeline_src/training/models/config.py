"""The models of the package: one mmsegmentation config file each, in `configs/`."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path
from typing import Any

from pipeline_src.errors import check_name
from pipeline_src.python_source import PACKAGE, ROOT, syntax_tree

FOLDER = Path(__file__).parent / "configs"


def model_names() -> list[str]:
    """Return the names of the package's models."""
    return sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def model_file(config: str) -> Path:
    """Return the config file of a model; UserError if there is none."""
    file = FOLDER / f"{config}.py"
    check_name(
        config,
        model_names(),
        f"model.config: there is no model {config!r}",
        fix=f"put an mmsegmentation config file at {file}",
    )
    return file


def model_modules(config: str) -> tuple[str, ...]:
    """Return the modules of the package that define a model, for fingerprints: its config file, the
    files of `_base_` and the `custom_imports`. Installed files (`_base_ = ["mmseg::..."]`) are left
    out.
    """
    queue, files, modules = [model_file(config)], set[Path](), set[str]()
    while queue:
        if (file := queue.pop().resolve()) not in files:
            files.add(file)
            constants = [
                node.value for node in ast.walk(syntax_tree(file)) if isinstance(node, ast.Constant)
            ]
            texts = [value for value in constants if isinstance(value, str)]
            modules.update(text for text in texts if text.startswith(f"{PACKAGE}."))
            queue += [
                file.parent / text for text in texts if text.endswith(".py") and "::" not in text
            ]
    inside = [file.relative_to(ROOT).with_suffix("") for file in files if file.is_relative_to(ROOT)]
    return tuple(sorted(modules | {".".join([PACKAGE, *path.parts]) for path in inside}))


def read_config(config: str) -> Any:
    """Return the mmengine `Config` of a model, its `_base_` files merged and its `custom_imports`
    imported.

    Only `model` and `data_preprocessor` are used: data, optimizer, schedule and evaluation are the
    experiment's.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Fail to import ``MultiScale"
        )  # compiled ops; no model needs them
        import mmseg.models  # noqa: F401  (fills the registry)
    from mmengine.config import Config

    return Config.fromfile(model_file(config))
