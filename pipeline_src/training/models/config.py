"""Networks by name: which config file or function a name means, and the files and weights behind it."""

from __future__ import annotations

import ast
import importlib.util
import os
import warnings
from pathlib import Path
from typing import Any

from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.python_source import PACKAGE, syntax_tree

FOLDER = Path(__file__).parent / "configs"


def model_names() -> list[str]:
    """Return the names of the package's models."""
    return sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def is_factory(network: str) -> bool:
    """Return whether a network is named by a function that builds it (`file.py:function`), not by a config."""
    return ":" in network


def config_path(config: str) -> Path:
    """Return the config file behind a model's name or the path of an mmsegmentation config; UserError without one."""
    if config in model_names():
        return FOLDER / f"{config}.py"
    path = Path(config).expanduser()
    if path.is_file():
        return path
    if path.suffix or len(path.parts) > 1:
        raise UserError(
            f"model.config: there is no file {config}",
            found=f"nothing at {path.absolute()}",
            expected="the path of an mmsegmentation config file, or one of " + ", ".join(model_names()),
        )
    raise UserError(
        f"model.config: there is no model {config!r}",
        expected=", ".join(model_names()) + ", or the path of an mmsegmentation config file",
        fix=did_you_mean(config, model_names())
        or "for a config of yours write its path, as in `config: configs/my_model.py`",
    )


def read_config(config: str) -> Any:
    """Return the mmengine `Config` behind a name or path, its `_base_` files merged and its `custom_imports` imported.

    Only `model` and `data_preprocessor` are used: data, optimizer, schedule and evaluation are the experiment's.
    """
    path = config_path(config)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Fail to import ``MultiScale")  # compiled ops; no model needs them
        import mmseg.models  # noqa: F401  (fills the registry)
    from mmengine.config import Config

    try:
        content = Config.fromfile(path)
    except (Exception, SystemExit) as error:  # a Python config can fail in any way
        raise UserError(
            f"model.config: {path} can't be read",
            found=f"{type(error).__name__}: {error}",
            expected="an mmsegmentation config file; modules named in its custom_imports must be importable",
            fix="check it: python -c \"from mmengine.config import Config; Config.fromfile('" + str(path) + "')\"",
        ) from error
    if not isinstance(content.get("model"), dict) or "decode_head" not in content.model:
        raise UserError(
            f"model.config: {path} describes no segmentor",
            found=", ".join(content) or "an empty file",
            expected="model = dict(type='EncoderDecoder', backbone=dict(...), decode_head=dict(...))",
        )
    return content


# Files, for fingerprints


def network_sources(network: str) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return (files, modules of the package) that a network consists of: a factory's file, or a config with its
    `_base_` and `custom_imports`. Fingerprints also follow the imports of these files.

    Installed packages (also `_base_ = ["mmseg::..."]`) and modules that cannot be found are left out.

    Raises:
        UserError: there is no such file, or it can't be read.
    """
    if is_factory(network):
        code, _, _ = network.rpartition(":")
        file = Path(code).expanduser() if code.endswith(".py") else _module_file(code)
        if file:
            syntax_tree(file)
        return (file,) if file else (), ()
    files, modules = [], []
    for file, values in _configs(network).items():
        files.append(file)
        for name in _texts(values.get("custom_imports")):
            if name.startswith(f"{PACKAGE}."):
                modules.append(name)
            elif module := _module_file(name):
                files.append(module)
    return tuple(files), tuple(modules)


def own_weights(network: str) -> tuple[Path, ...]:
    """Return the files that the texts of a config name, such as `checkpoint="my_weights.pth"`."""
    configs = {} if is_factory(network) else _configs(network)
    named = {text for values in configs.values() for node in values.values() for text in _texts(node)}
    return tuple(Path(text) for text in sorted(named) if os.path.isfile(text) and not text.endswith(".py"))


def _configs(config: str) -> dict[Path, dict[str, ast.expr]]:
    """The files of a config, first its own and then those of `_base_`, with their top-level values by name."""
    queue, configs = [config_path(config)], dict[Path, dict[str, ast.expr]]()
    while queue:
        if (file := queue.pop()) not in configs:
            configs[file] = {
                node.targets[0].id: node.value
                for node in syntax_tree(file).body
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            }
            queue += [file.parent / base for base in _texts(configs[file].get("_base_")) if "::" not in base]
    return configs


def _texts(tree: ast.expr | None) -> list[str]:
    """All strings in a syntax tree, keys of dicts included."""
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)] if tree else []
    return [value for value in constants if isinstance(value, str)]


def _module_file(name: str) -> Path | None:
    """The file of a module; None if it is installed, or cannot be found."""
    try:
        spec = importlib.util.find_spec(name)
    except Exception:  # its packages are imported; building the network reports what is wrong with them
        return None
    file = Path(spec.origin) if spec and spec.origin else None
    return file if file and file.is_file() and "site-packages" not in file.parts else None
