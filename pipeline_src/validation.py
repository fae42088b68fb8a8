"""Values that users write, such as params.yaml: common types, and messages about wrong values."""

from __future__ import annotations

from collections import Counter
from reprlib import Repr
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import ErrorDetails

from pipeline_src.errors import UserError, hint, listed

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
LONGEST = 80  # letters of a name: a file name can hold two names
# Names become folders, files and Snakemake wildcards.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$", max_length=LONGEST)]


class Strict(BaseModel):
    """The base class of blocks of values.

    A block refuses unknown keys, inf and nan, and does not change after reading.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="wrap")
    @classmethod
    def _no_truth_value(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        """Return a checked value; ValueError for true or false in the place of a number.

        Pydantic would read them as 1 and 0.
        """
        result = validate(value)
        pairs = [(value, result)]
        if isinstance(value, list):
            pairs = list(zip(value, result, strict=False))
        for given, read in pairs:
            if isinstance(given, bool) and type(read) in (int, float):
                raise ValueError(f"{str(given).lower()} would be {read}")
        return result


def distinct(values: list[Any]) -> list[Any]:
    """Return `values` unchanged, for a validator of a field; ValueError names the duplicates."""
    repeated = [str(value) for value, count in Counter(values).items() if count > 1]
    if repeated:
        raise ValueError(f"duplicate entries: {', '.join(repeated[:3])}")
    return values


SHORT = Repr()  # writes values in messages, cut to 80 characters
SHORT.maxstring = SHORT.maxother = SHORT.maxlong = 80
Schema = TypeVar("Schema", bound=BaseModel)


def validate(
    schema: type[Schema],
    content: Any,
    where: str,
    expected: str = (
        "keys and values as in docs/reference/params.md; "
        "of datasets, as in docs/reference/datasets.md"
    ),
    fix: str = "correct the keys that are named",
) -> Schema:
    """Return `content`, keys and values as YAML or JSON has them, as an object of a `schema`.

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
        raise UserError(
            f"{where} has invalid values:{listed(messages)}", expected=expected, fix=fix
        ) from None


def _message(details: ErrorDetails, schema: type[BaseModel]) -> str:
    """Return a text about one error of pydantic: the path of its key, and what is wrong there.

    Args:
        details: the error, as `ValidationError.errors` describes it.
        schema: the model whose keys the text suggests in place of an unknown one.
    """
    # Pydantic adds the step "[key]" if the key of a mapping is wrong, and not its value.
    path = [str(step) for step in details["loc"] if step != "[key]"]
    prefix = f"{'.'.join(path)}: " if path else ""
    value = details["input"]
    kind = details["type"]
    if kind == "extra_forbidden":
        return f"{prefix}no such key{hint(path[-1], sorted(_keys(schema)))}"
    if kind == "missing":
        return f"{prefix}is missing"
    message = details["msg"].removeprefix("Value error, ")
    text = f"{prefix}{message[0].lower()}{message[1:]}"
    if not isinstance(value, dict):
        text += f" (found {SHORT.repr(value)})"
    # YAML reads a bare yes, 2024, 2024-01-01 or null as another type than text.
    if kind == "string_type" and not isinstance(value, dict | list):
        text += ": put it in quotes"
    return text


def _keys(annotation: Any) -> set[str]:
    """Return the names of all fields of a model and of the models in its fields, at any depth.

    Args:
        annotation: the model, or an annotation that contains models, such as dict[str, Model].
    """
    keys = set[str]()
    inner = getattr(annotation, "__args__", ())
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        keys.update(annotation.model_fields)
        inner = [field.annotation for field in annotation.model_fields.values()]
    for kind in inner:
        keys |= _keys(kind)
    return keys
