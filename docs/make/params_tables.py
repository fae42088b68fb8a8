"""The lists of docs/reference/params.md, from the schema: keys, types, defaults and texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from method_tables import own_fields
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline_src.params.schema import (
    Augmentation,
    Data,
    Evaluation,
    Experiment,
    Model,
    Params,
    Split,
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
    "part": Split,
    "method": Method,
}


def methods() -> str:
    """The parameters of all methods; a key that methods share in one meaning stands once."""
    users: dict[str, list[str]] = {}
    for name in method_names():
        for key, field in own_fields(method_class(name)).items():
            users.setdefault(_item(key, field), []).append(name)
    return "\n".join(f"{item} *{', '.join(names)}*" for item, names in sorted(users.items()))


def _list(fields: dict[str, FieldInfo]) -> str:
    return "\n".join(_item(name, field) for name, field in fields.items())


def _item(name: str, field: FieldInfo) -> str:
    """A list item: name, default, type and the first sentence of the description."""
    text = f"- `{name}`"
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if default is not None and default != {} and not isinstance(default, BaseModel):
        text += f" = `{default}`"
    text += f" ({_type(field.annotation, field)})"
    description = " ".join((field.description or "").split())
    purpose = re.split(r"(?<=[.)]) (?=[A-Z`])", description)[0]
    return f"{text}: {purpose}" if purpose else f"{text}."


def _type(kind: Any, field: FieldInfo | None = None) -> str:
    origin = get_origin(kind)
    if origin is Literal:
        return "`" + "|".join(map(str, get_args(kind))) + "`"
    if origin is Annotated:
        return _type(get_args(kind)[0])
    if origin in (Union, UnionType):
        return " or ".join(_type(arg) for arg in get_args(kind) if arg is not type(None))
    if origin in (list, tuple):
        return f"list of {_type(get_args(kind)[0])}"
    if origin is dict:
        return "mapping"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "split" if kind is Split else "mapping"
    names = {str: "str", int: "int", float: "float", bool: "bool", Any: "values"}
    words = [names.get(kind, str(kind))]
    for limit in field.metadata if field else ():
        for key, sign in SIGNS:
            if hasattr(limit, key):
                words.append(f"{sign}{getattr(limit, key)}")
    return " ".join(words)


TABLES: dict[str, Callable[[], str]] = {
    name: partial(_list, block.model_fields) for name, block in BLOCKS.items()
}
TABLES["methods"] = methods
