"""Changes of params.yaml by the command line, for one run and one experiment.

The environment carries them, because Snakemake, its jobs and the ranks of a training have to agree.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import yaml

from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.params.load import FILE, merge, params_file, resolve
from pipeline_src.params.schema import Params

SET = "ASLP_SET"
VARIABLES = {"data_root": "ASLP_DOWNLOADS", "params": "ASLP_PARAMS", "set": SET}
CONFIG = ("experiment", "method", *VARIABLES)  # keys of Snakemake's --config
FORM = "KEY=VALUE, a key of the experiment or of `methods:`, as in training.epochs=5 or methods.slp.alpha=0.1"


def take(config: Mapping[str, Any]) -> None:
    """Put the values of Snakemake's `--config` into the environment; `method=slp` is short for `set='methods=[slp]'`.

    Raises:
        UserError: names a key that does not exist.
    """
    for key in config:
        if key not in CONFIG:
            raise UserError(
                f"--config {key}: no such key",
                found=f"{key}={config[key]}",
                expected=", ".join(CONFIG),
                fix=did_you_mean(key, CONFIG) or f"one key of the experiment: --config set='{key}={config[key]}'",
            )
    os.environ.update({variable: _words(config[key]) for key, variable in VARIABLES.items() if config.get(key)})
    if config.get("method"):
        add(f"methods=[{_words(config['method']).replace(' ', ',')}]")


def add(*texts: str) -> None:
    """Further changes, each as in `FORM`."""
    if texts:
        os.environ[SET] = " ".join(filter(None, [os.environ.get(SET), *texts]))


def options() -> list[str]:
    """The changes, as options of `--config`."""
    named = {"params": str(params_file()), "set": os.environ.get(SET)}
    return [f"{key}={shlex.quote(text)}" for key, text in named.items() if text and text != str(FILE)]


def changed(params: Params, name: str | None = None) -> Params:
    """`params` with the changes laid over experiment `name` (default: the one that `experiment:` picks).

    Raises:
        UserError: a change is not of the form `FORM`, or the experiment is not valid with it.
    """
    texts, name = os.environ.get(SET, "").split(), name or params.experiment
    if not texts or name not in params.experiments:
        return params
    methods, values = dict(params.methods), params.experiments[name] or {}
    for text in texts:
        path, value = _parsed(text)
        of_method = path[0] == "methods" and len(path) > 1
        if of_method and path[1] not in params.methods:
            raise UserError(
                f"set: there is no entry {path[1]!r} under `methods:`",
                found=text,
                expected=", ".join(params.methods),
                fix=did_you_mean(path[1], params.methods),
            )
        for key in reversed(path):
            value = {key: value}
        if of_method:
            methods = merge(methods, value["methods"])
        else:
            values = merge(values, value)
    new = params.model_copy(update={"methods": methods, "experiments": params.experiments | {name: values}})
    try:
        resolve(new, name)
    except UserError as error:
        raise UserError(f"with {' '.join(texts)}: {error}") from None
    return new


def _parsed(text: str) -> tuple[list[str], Any]:
    """The path of a change, and the value, read as YAML."""
    key, _, written = text.partition("=")
    path = key.split(".")
    with suppress(yaml.YAMLError):
        if written and all(path):
            return path, yaml.safe_load(written)
    raise UserError(
        f"set: {text!r} cannot be read",
        found=text,
        expected=FORM,
        fix="write several with blanks between them, and none inside of one: set='training.epochs=5 seeds=[0,1]'",
    )


def _words(value: Any) -> str:
    """A value of `--config`, which Snakemake turns into numbers and lists; one with blanks of these."""
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
