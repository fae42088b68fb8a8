"""Read params.yaml, lay an experiment over the defaults, and refuse what is wrong in the user's words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline_src.errors import UserError, did_you_mean, listed
from pipeline_src.params.schema import Experiment, Params

FILE = Path("params.yaml")
RIVALS = {"config": "factory", "factory": "config"}  # a model is named by one of them
Schema = TypeVar("Schema", bound=BaseModel)


def read(file: Path = FILE) -> Params:
    """params.yaml as typed values; UserError names the key, what was found and what is allowed."""
    if not file.is_file():
        raise UserError(
            f"{file} is not here", found=f"the folder {Path.cwd()}", do="run the command in the project's top folder"
        )
    try:
        content = _loaded(file)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(
            f"{file} is not valid YAML", found=" ".join(str(error).split()), do="mend the line it names"
        ) from None
    if not isinstance(content, dict):
        raise UserError(f"{file} must be a mapping of keys to values", found=type(content).__name__)
    return validate(Params, content, str(file))


def _loaded(file: Path) -> Any:
    """What a YAML file holds; UserError for a key that stands twice, of which YAML takes the last without a word."""
    # The C loader is ten times faster, and Snakemake reads this file for every job.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(file.read_text(encoding="utf-8"))
    try:
        if (root := loader.get_single_node()) is None:
            return None
        twice = dict.fromkeys(_twice(root, "", set()))
        if twice:
            raise UserError(f"{file} has keys that stand twice:{listed(twice)}", do="add to the block that is there")
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _twice(node: yaml.Node, path: str, seen: set[int]) -> Iterator[str]:
    """Keys that stand twice in one mapping below `node`, with their lines."""
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _twice(child, path, seen)
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            name, line = f"{path}{key.value}", key.start_mark.line + 1
            if name in lines:
                yield f"{name}: lines {lines[name]} and {line}"
            lines[name] = line
            yield from _twice(value, f"{name}.", seen)


def resolve(params: Params, name: str | None = None) -> tuple[str, Experiment]:
    """The name and the values of experiment `name` (default: the one that `experiment:` picks), with sweeps written out
    as the methods that they stand for (`params.blocks()` has their parameters)."""
    name = name or params.experiment
    if name not in params.experiments:
        raise UserError(
            f"there is no experiment {name!r}",
            expected=", ".join(params.experiments),
            do=did_you_mean(name, params.experiments),
        )
    merged = merge(params.defaults, params.experiments[name] or {})
    experiment = validate(Experiment, merged, f"experiments.{name} (with defaults)")
    methods: list[str] = []
    for method in experiment.methods:
        if method in params.sweeps:
            methods += params.sweeps[method].blocks(method)
        elif method in params.blocks():
            methods.append(method)
        else:
            known = [*params.methods, *params.sweeps]
            raise UserError(
                f"experiments.{name}.methods: there is no block {method!r} under `methods:` or `sweeps:`",
                expected=", ".join(known),
                do=did_you_mean(method, known),
            )
    return name, experiment.model_copy(update={"methods": list(dict.fromkeys(methods))})


def downloads(params: Params) -> Path:
    """The folder of downloaded archives: ASLP_DOWNLOADS if it is set, else `data_root`."""
    return Path(os.environ.get("ASLP_DOWNLOADS") or params.data_root).expanduser()


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` laid over `below`: mappings key by key, everything else as a whole. Of keys that exclude each other the
    one above stays."""
    result = {key: value for key, value in below.items() if above.get(RIVALS.get(key, "")) is None}
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(below.get(key), dict)
        result[key] = merge(below[key], value) if both else value
    return result


def validate(schema: type[Schema], content: Any, where: str) -> Schema:
    """`content` as a `schema`; all that is wrong in one UserError, nearest valid names included."""
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise UserError(
            f"{where} has values that can't be used:{listed(_told(e, schema) for e in error.errors())}"
        ) from None


def _told(error: ErrorDetails, schema: type[BaseModel]) -> str:
    key = ".".join(str(step) for step in error["loc"])
    if error["type"] == "extra_forbidden":
        valid = _keys_at(schema, error["loc"][:-1])
        hint = did_you_mean(str(error["loc"][-1]), valid) or f"known are {', '.join(valid)}"
        return f"{key}: no such key; {hint}"
    if error["type"] == "missing":
        return f"{key}: is missing"
    message = error["msg"].removeprefix("Value error, ")
    found = "" if isinstance(error["input"], dict) else f" (found {error['input']!r})"
    return f"{key}: {message[0].lower() + message[1:]}{found}"


def _keys_at(schema: type[BaseModel], path: tuple) -> list[str]:
    """The keys of the block at `path`: down through models, and through mappings of models."""
    fields = schema.model_fields
    for step in path:
        if step not in fields:
            continue  # a name that the user gave: the mapping's values are one model, whose fields these are
        models = [t for t in _types(fields[step].annotation) if isinstance(t, type) and issubclass(t, BaseModel)]
        fields = models[0].model_fields if models else {}
    return list(fields)


def _types(annotation: Any) -> list[Any]:
    inner = getattr(annotation, "__args__", ())
    return [annotation, *(t for a in inner for t in _types(a))]
