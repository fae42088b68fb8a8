"""Which config file a model's name or path means, and what it holds; or that it is a factory instead."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from pipeline_src.errors import UserError, did_you_mean

FOLDER = Path(__file__).parent / "configs"


def model_names() -> list[str]:
    """The models that have a name."""
    return sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def is_factory(network: str) -> bool:
    """Whether a network is named by a function that builds it (`file.py:function`), not by a config."""
    return ":" in network


def config_path(config: str) -> Path:
    """The config file behind a model's name or the path of an mmsegmentation config; UserError where there is none."""
    if config in model_names():
        return FOLDER / f"{config}.py"
    path = Path(config).expanduser()
    if path.is_file():
        return path
    if path.suffix in (".py", ".yaml", ".yml", ".json") or len(path.parts) > 1:
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
    """The mmengine `Config` behind a name or path, its `_base_` files merged and its `custom_imports` imported.

    Only `model` and `data_preprocessor` are used: data, optimiser, schedule and evaluation are the experiment's.
    """
    path = config_path(config)
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Fail to import ``MultiScale"
        )  # compiled ops, which none of our models needs
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
