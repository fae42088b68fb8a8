"""Typed blocks of values that users write: their base class, common types, and messages about wrong values."""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import Repr
from typing import Annotated, Any, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline_src.errors import UserError, did_you_mean, listed

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
LONGEST = 80  # letters of a name: a file name can hold two names
# Names become folders, files and Snakemake wildcards.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$", max_length=LONGEST)]


class Strict(BaseModel):
    """A block of values: unknown keys, inf and nan are refused, and values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def distinct(values: list[Any]) -> list[Any]:
    """`values`, for a field; ValueError names the duplicates."""
    if len(set(values)) < len(values):
        repeated = list(dict.fromkeys(str(value) for value in values if values.count(value) > 1))
        raise ValueError(f"duplicate entries: {', '.join(repeated[:3])}")
    return values


SHORT = Repr()  # of values in messages
SHORT.maxstring = SHORT.maxother = SHORT.maxlong = 80
Schema = TypeVar("Schema", bound=BaseModel)


def validate(
    schema: type[Schema],
    content: Any,
    where: str,
    expected: str = "keys and values as in docs/reference/params.md; of datasets, as in docs/reference/datasets.md",
    fix: str = "correct the keys that are named",
) -> Schema:
    """`content` as a `schema`.

    Args:
        where: the file or key that holds `content`.
        expected, fix: parts of the error.

    Raises:
        UserError: names every wrong key and value, with the nearest valid names.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        messages = [_message(details, schema) for details in error.errors()]
        raise UserError(f"{where} has invalid values:{listed(messages)}", expected=expected, fix=fix) from None


def _message(details: Mapping[str, Any], schema: type[BaseModel]) -> str:
    path, value, kind = list(details["loc"]), details["input"], details["type"]
    prefix = f"{'.'.join(str(step) for step in path if step != '[key]')}: " if path else ""
    if kind == "extra_forbidden":
        valid = _keys_at(schema, tuple(path[:-1]))
        return f"{prefix}no such key; " + (did_you_mean(str(path[-1]), valid) or "known are " + ", ".join(valid))
    if kind == "missing":
        return f"{prefix}is missing"
    message = details["msg"].removeprefix("Value error, ")
    found = "" if isinstance(value, dict) else f" (found {SHORT.repr(value)})"
    # YAML reads a bare yes, 2024, 2024-01-01 or null as another type than text.
    quotes = ": put it in quotes" if kind == "string_type" and not isinstance(value, dict | list) else ""
    return f"{prefix}{message[0].lower() + message[1:]}{found}{quotes}"


def _keys_at(schema: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """The keys that users may write at `path`: down through models, and through mappings of models."""
    fields, in_mapping = schema.model_fields, False
    for step in path:
        if in_mapping or step not in fields:  # a name that the user chose, or a position in a list
            in_mapping = False
            continue
        types = _types(fields[step].annotation)
        in_mapping = any(get_origin(annotation) is dict for annotation in types)
        models = [kind for kind in types if isinstance(kind, type) and issubclass(kind, BaseModel)]
        fields = models[0].model_fields if models else {}
    return [name for name, field in fields.items() if not field.exclude]


def _types(annotation: Any) -> list[Any]:
    """An annotation and all that it consists of."""
    inner = getattr(annotation, "__args__", ())
    return [annotation, *(kind for argument in inner for kind in _types(argument))]
