"""params.schema.json, made from the schema of params.yaml: editors complete and check the file by it.

It is a help while writing. What it cannot say (sums, names that refer to others) is checked when the file is read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from method_tables import docstring_facts

from pipeline_src.data.entry import Entry
from pipeline_src.params.schema import Experiment, Params
from pipeline_src.training.registry import method_class, method_names

FILE = Path("params.schema.json")
NOTHING = {"type": "null"}
Schema = dict[str, Any]


def page() -> str:
    """The whole file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def schema() -> Schema:
    """JSON Schema of params.yaml."""
    top, experiment = Params.model_json_schema(), _partial(Experiment.model_json_schema())
    names = method_names()
    definitions = {**top.pop("$defs", {}), **experiment.pop("$defs", {}), "experiment": experiment}
    definitions |= {f"method {name}": _method(name) for name in names}
    definitions |= {"variant": _variant(names), "set": _set()}
    blocks = top["properties"]
    blocks["defaults"] |= _ref("experiment")
    for named in ("methods", "experiments"):
        (pattern,) = blocks[named].pop("patternProperties")
        blocks[named]["propertyNames"] = {"pattern": pattern}
    blocks["experiments"]["additionalProperties"] = {"anyOf": [_ref("experiment"), NOTHING]}
    blocks["datasets"]["additionalProperties"] = _ref("set")
    blocks["methods"] |= {
        "properties": {name: {"anyOf": [_own_or_variant(name), NOTHING]} for name in names},
        "additionalProperties": {"allOf": [_ref("variant"), NAMES_METHOD]},
    }
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "params.yaml"}
    return head | {key: value for key, value in top.items() if key != "title"} | {"$defs": definitions}


NAMES_METHOD = {"required": ["method"]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name.replace(' ', '%20')}"}


def _partial(of: Any) -> Any:
    """A schema in which no key is required: `defaults:` and the experiments complete each other."""
    if isinstance(of, dict):
        return {
            key: _partial(value) for key, value in of.items() if not (key == "required" and isinstance(value, list))
        }
    return [_partial(value) for value in of] if isinstance(of, list) else of


def _method(name: str) -> Schema:
    """A block of a method's parameters, which may also name it."""
    method = method_class(name)
    of = method.model_json_schema() | {"title": name, "description": docstring_facts(method)["Idea"]}
    return of | {"properties": {"method": {"const": name}, **of.get("properties", {})}}


def _own_or_variant(name: str) -> Schema:
    """A block under the name of a method is of that method, unless it says otherwise."""
    return {"if": NAMES_METHOD, "then": _ref("variant"), "else": _ref(f"method {name}")}


def _variant(names: list[str]) -> Schema:
    """A block that names a method."""
    of_method = [
        {"if": {"properties": {"method": {"const": name}}, "required": ["method"]}, "then": _ref(f"method {name}")}
        for name in names
    ]
    properties = {"method": {"enum": names, "description": "The method that this block runs under its own name."}}
    return {"type": "object", "properties": properties, "allOf": of_method}


def _set() -> Schema:
    """The keys of a data set's entry; their short forms are many, and `data check` checks them."""
    keys = [name for name, field in Entry.model_fields.items() if not field.exclude]
    return {"type": "object", "properties": {name: {} for name in keys}, "additionalProperties": False}
