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
    """Return the config file of the model `config`; UserError if there is none."""
    file = FOLDER / f"{config}.py"
    if not file.is_file():
        check_name(
            config,
            model_names(),
            f"model.config: there is no model {config!r}",
            fix=f"put an mmsegmentation config file into {FOLDER}, and name it without .py",
        )
    return file


def config_files(config: str) -> list[Path]:
    """Return the config file of a model, and the Python files that its strings name, as those of
    `_base_` do, directly or not.

    Installed files (`_base_ = ["mmseg::..."]`) are left out.
    """
    files = [model_file(config).resolve()]
    for file in files:  # the loop appends the files that each file names to this list
        for text in strings(file):
            base = (file.parent / text).resolve()
            if text.endswith(".py") and "::" not in text and base not in files and base.is_file():
                files.append(base)
    return files


def strings(file: Path) -> list[str]:
    """Return all strings in a config: among them are paths of base configs and names of modules."""
    nodes = ast.walk(syntax_tree(file))
    return [str(node.value) for node in nodes if isinstance(node, ast.Constant)]


def model_modules(config: str) -> tuple[str, ...]:
    """Return the modules of the package that define a model, for fingerprints.

    They are its config file, the files of `_base_` and the `custom_imports`.
    """
    modules = set[str]()
    for file in config_files(config):
        if file.is_relative_to(ROOT):
            modules.add(".".join([PACKAGE, *file.relative_to(ROOT).with_suffix("").parts]))
        modules.update(text for text in strings(file) if text.startswith(f"{PACKAGE}."))
    return tuple(sorted(modules))


def read_config(config: str) -> Any:
    """Return the mmengine `Config` of a model.

    Its `_base_` files are merged, and its `custom_imports` imported. Only `model` and
    `data_preprocessor` are used: data, optimizer, schedule and evaluation are the experiment's.
    """
    with warnings.catch_warnings():
        # Compiled operations are absent; no model needs them.
        warnings.filterwarnings("ignore", message="Fail to import ``MultiScale")
        import mmseg.models  # noqa: F401  (fills the registry)
    from mmengine.config import Config

    return Config.fromfile(model_file(config))
