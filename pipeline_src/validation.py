"""Typed blocks of values that users write: their base class, common types, and the messages about wrong values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline_src.errors import UserError, did_you_mean, listed

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
# Names become folders, stamps and Snakemake wildcards.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$")]


class Strict(BaseModel):
    """A block of values: unknown keys are refused, and values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Schema = TypeVar("Schema", bound=BaseModel)


def validate(schema: type[Schema], content: Any, where: str) -> Schema:
    """`content` as a `schema`.

    Args:
        where: the file or key that holds `content`.

    Raises:
        UserError: names every wrong key and value, with the nearest valid names.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        messages = [_message(details, schema) for details in error.errors()]
        raise UserError(f"{where} has invalid values:{listed(messages)}") from None


def _message(details: Mapping[str, Any], schema: type[BaseModel]) -> str:
    path = details["loc"]
    prefix = f"{'.'.join(map(str, path))}: " if path else ""
    found = "" if isinstance(details["input"], dict) else f" (found {details['input']!r})"
    if details["type"] == "extra_forbidden":
        valid = _keys_at(schema, path[:-1])
        hint = did_you_mean(str(path[-1]), valid) or f"known are {', '.join(valid)}"
        return f"{prefix}no such key; {hint}"
    if details["type"] == "missing":
        return f"{prefix}is missing"
    if details["type"] in ("model_type", "dict_type"):
        return f"{prefix}expected keys and values{found}"
    message = details["msg"].removeprefix("Value error, ")
    return f"{prefix}{message[0].lower() + message[1:]}{found}"


def _keys_at(schema: type[BaseModel], path: tuple) -> list[str]:
    """The keys that users may write at `path`: down through models, and through mappings of models."""
    fields, in_mapping = schema.model_fields, False
    for step in path:
        if in_mapping or step not in fields:  # a name that the user chose, or a position in a list
            in_mapping = False
            continue
        types = _types(fields[step].annotation)
        in_mapping = any(get_origin(t) is dict for t in types)
        models = [t for t in types if isinstance(t, type) and issubclass(t, BaseModel)]
        fields = models[0].model_fields if models else {}
    return [name for name, field in fields.items() if not field.exclude]


def _types(annotation: Any) -> list[Any]:
    inner = getattr(annotation, "__args__", ())
    return [annotation, *(t for a in inner for t in _types(a))]
