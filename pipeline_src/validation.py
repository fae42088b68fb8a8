"""Typed blocks of values that users write: their base class, common types, and the messages about wrong values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from reprlib import Repr
from types import NoneType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticKnownError

from pipeline_src.errors import UserError, did_you_mean, listed

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
LONGEST = 80  # letters of a name: a file's name holds two of them, and has 255
# Names become folders, stamps and Snakemake wildcards.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$", max_length=LONGEST)]
TYPES = {  # what pydantic asks for, in the words of who writes YAML
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a text or a list of texts",
    "list_type": "a list, as in [a, b]",
    "model_type": "keys and values",
    "dict_type": "keys and values",
}
QUOTED = (bool, int, float, date, NoneType)  # what YAML makes of a bare yes, 2024, 1.0, 2024-01-01, null


class Strict(BaseModel):
    """A block of values: unknown keys are refused, as are inf, nan and truth values for numbers, and values do not
    change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """To pydantic true is 1. Not its strict mode: YAML reads 1e-3 as a text."""
        types = _types(cls.model_fields[str(info.field_name)].annotation)
        number = next((kind for kind in (int, float) if kind in types and bool not in types), None)
        within = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
        if number and bool in map(type, within):
            raise PydanticKnownError("int_type" if number is int else "float_type")
        return value

    @field_validator("*")
    @classmethod
    def _choices_once(cls, value: Any, info: ValidationInfo) -> Any:
        """A list of choices by name has each once."""
        choices = get_args(cls.model_fields[str(info.field_name)].annotation)
        return distinct(value) if isinstance(value, list) and choices and get_origin(choices[0]) is Literal else value


def distinct(values: list) -> list:
    """`values`, for a field; ValueError names the duplicates."""
    if len(set(values)) < len(values):
        repeated = list(dict.fromkeys(str(value) for value in values if values.count(value) > 1))
        raise ValueError(f"duplicate entries: {', '.join(repeated[:3])}")
    return values


SHORT = Repr()  # of a value in a message: a file can hold one that is written out in gigabytes, or never
SHORT.maxstring = SHORT.maxother = SHORT.maxlong = 80
Schema = TypeVar("Schema", bound=BaseModel)


def validate(
    schema: type[Schema],
    content: Any,
    where: str,
    expected: str = "keys and values as in docs/params.md; of data sets, as in docs/data.md",
    do: str = "correct the keys that are named",
) -> Schema:
    """`content` as a `schema`.

    Args:
        where: the file or key that holds `content`.
        expected, do: of the error.

    Raises:
        UserError: names every wrong key and value, with the nearest valid names.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        messages = [_message(details, schema) for details in error.errors()]
        raise UserError(f"{where} has invalid values:{listed(messages)}", expected=expected, do=do) from None


def _message(details: Mapping[str, Any], schema: type[BaseModel]) -> str:
    path, value, kind = list(details["loc"]), details["input"], details["type"]
    if path[-1:] == ["[key]"]:
        path[-2:] = [value]  # pydantic calls True 1
    prefix = f"{'.'.join(map(str, path))}: " if path else ""
    suffix = "" if isinstance(value, dict) else f" (found {SHORT.repr(value)})"
    if kind == "extra_forbidden":
        valid = _keys_at(schema, tuple(path[:-1]))
        hint = did_you_mean(str(path[-1]), valid) or f"known are {', '.join(valid)}"
        return f"{prefix}no such key; {hint}"
    if kind == "missing":
        return f"{prefix}is missing"
    if kind in ("string_type", "tuple_type") or (kind == "literal_error" and "'" in details["ctx"]["expected"]):
        suffix += f": put it in quotes, since YAML reads {_read_as(value)}" if isinstance(value, QUOTED) else ""
    if kind in TYPES:
        return f"{prefix}expected {TYPES[kind]}{suffix}"
    message = details["msg"].removeprefix("Value error, ")
    return f"{prefix}{message[0].lower() + message[1:]}{suffix}"


def _read_as(value: object) -> str:
    if isinstance(value, bool):
        return "yes, no, on and off without them as true and false"
    return "null and ~ without them as nothing" if value is None else "it without them as a number or date"


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
