"""The tables of docs/params.md, from the schema: the keys, their types, defaults and texts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from method_tables import own_fields
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline_src.params.parts import Corrupted, Part
from pipeline_src.params.schema import (
    Augmentation,
    Data,
    Evaluation,
    Experiment,
    Limits,
    Model,
    Params,
    Sweep,
    Training,
)
from pipeline_src.training.method import Method
from pipeline_src.training.registry import method_class, method_names

SIGNS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
BLOCKS: dict[str, type[BaseModel]] = {
    "top": Params,
    "experiment": Experiment,
    "data": Data,
    "model": Model,
    "augmentation": Augmentation,
    "training": Training,
    "evaluation": Evaluation,
    "limits": Limits,
    "part": Part,
    "sweep": Sweep,
    "method": Method,
}


def corrupted() -> str:
    """The keys of a corrupted test set that a part lacks."""
    return _table({key: field for key, field in Corrupted.model_fields.items() if key not in Part.model_fields})


def methods() -> str:
    """The own parameters of every method, each under a heading."""
    fields = {name: own_fields(method_class(name)) for name in method_names()}
    return "\n\n".join(f"### `{name}`\n\n{_table(of) if of else 'No parameters.'}" for name, of in fields.items())


def _table(fields: dict[str, FieldInfo]) -> str:
    rows = ["| key | type | default | |", "|---|---|---|---|"]
    for name, field in fields.items():
        kind = _type(field.annotation, field).replace("|", "\\|")
        rows.append(f"| `{name}` | {kind} | {_default(field)} | {field.description or ''} |")
    return "\n".join(rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) or value == {}:
        return ""
    return "" if value is None else f"`{value}`"


def _type(kind: Any, field: FieldInfo | None = None) -> str:
    origin = get_origin(kind)
    if origin is Literal:
        return "one of " + ", ".join(f"`{value}`" for value in get_args(kind))
    if origin is Annotated:
        return _type(get_args(kind)[0])
    if origin in (Union, UnionType):
        return " or ".join(_type(arg) for arg in get_args(kind) if arg is not type(None))
    if origin in (list, tuple):
        return f"list of {_type(get_args(kind)[0])}"
    if origin is dict:
        return f"mapping of names to {_type(get_args(kind)[1])}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "part" if kind is Part else "block"
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "values"}
    limits = [
        f"{sign} {getattr(limit, key)}"
        for limit in (field.metadata if field else ())
        for key, sign in SIGNS
        if hasattr(limit, key)
    ]
    return " ".join([names.get(kind, str(kind)), *limits])


TABLES: dict[str, Callable[[], str]] = {
    **{name: partial(_table, block.model_fields) for name, block in BLOCKS.items()},
    "corrupted": corrupted,
    "methods": methods,
}
