"""The reader of params.yaml: its values, and an experiment's values merged with the defaults."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml

from pipeline_src.errors import UserError, check_name
from pipeline_src.files import Content, reading
from pipeline_src.params.schema import Experiment, Params
from pipeline_src.validation import validate

FILE = Path("params.yaml")


def read(file: Path = FILE) -> Params:
    """Return the checked values of params.yaml.

    Raises:
        UserError: names the key, the value found and the values allowed.
    """
    if not file.is_file():
        raise UserError(
            f"{file} does not exist",
            found=f"the folder {Path.cwd()}",
            expected="the file of parameters",
            fix="run the command in the top folder of the clone; to compare saved maps give --mask",
        )
    return validate(Params, read_yaml(file), str(file))


class Loader(yaml.CSafeLoader):
    """A YAML loader that refuses duplicate keys, where YAML takes the last.

    It is ten times faster than SafeLoader: Snakemake reads params.yaml for every job.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the content of a mapping; an error if a key is given twice.

        Keys that a merge key (<<) brings in may be given again, which overrides them.
        """
        lines: dict[str, int] = {}  # line of each key
        for key, _ in node.value:
            if key.value in lines:
                text = f"duplicate key {key.value!r}, also in line {lines[key.value]}"
                raise yaml.constructor.ConstructorError(None, None, text, key.start_mark)
            lines[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


def _number(loader: Loader, node: yaml.ScalarNode) -> Any:
    """Return the number that YAML reads from the text of a `node`; an error for misleading texts.

    YAML 1.1 reads 010 as an octal number and 1:30 to the base 60, which people do not mean.
    """
    value = yaml.CSafeLoader.yaml_constructors[node.tag](loader, node)
    if re.fullmatch(r"[-+]?0[0-7_]+|.*:.*", node.value):
        text = f"{node.value} would be {value}: write the decimal number, or put a text in quotes"
        raise yaml.constructor.ConstructorError(None, None, text, node.start_mark)
    return value


Loader.add_constructor("tag:yaml.org,2002:int", _number)
Loader.add_constructor("tag:yaml.org,2002:float", _number)


def read_yaml(file: Path) -> Any:
    """Return the content of a YAML file.

    Raises:
        UserError: the file cannot be read, is not valid YAML, or has duplicate keys.
    """
    with reading(
        f"{file} is not valid YAML",
        expected="keys and values in UTF-8, as in docs/reference/params.md",
        fix="fix the line that the message names",
    ):
        return yaml.load(file.read_text(encoding="utf-8"), Loader)


def resolve(params: Params, name: str | None = None) -> tuple[str, Experiment]:
    """Return the name and the values of an experiment, merged with the defaults.

    Args:
        name: of the experiment; by default the value of `experiment:`.

    Raises:
        UserError: there is no such experiment or method, or a value is invalid.
    """
    name = name or params.experiment
    check_name(name, params.experiments, f"there is no experiment {name!r}")
    merged = merge(below=params.defaults, above=params.experiments[name] or {})
    experiment = validate(Experiment, merged, f"experiments.{name} (with defaults)")
    for method in experiment.methods:
        problem = f"experiments.{name}.methods: there is no entry {method!r} under `methods:`"
        check_name(method, params.methods, problem)
    return name, experiment


def downloads(params: Params) -> Path:
    """Return the folder of downloaded archives: ASLP_DOWNLOADS if it is set, else `data_root`."""
    return Path(os.environ.get("ASLP_DOWNLOADS") or params.data_root).expanduser()


def merge(below: Content, above: Content) -> Content:
    """Return the values of `below` and `above`; where both have a key, the value of `above` counts.

    If both values are mappings, they are merged in the same way.
    """
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(below.get(key), dict)
        result[key] = merge(below[key], value) if both else value
    return result
