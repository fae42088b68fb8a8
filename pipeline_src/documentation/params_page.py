"""docs/params.md, made from the schema: the keys, their types, defaults and texts."""

from __future__ import annotations

from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline_src.documentation.methods_page import own_fields
from pipeline_src.params.parts import Corrupted, Part
from pipeline_src.params.schema import Augmentation, Data, Evaluation, Experiment, Limits, Model, Params, Training
from pipeline_src.params.sweep import Sweep
from pipeline_src.training.method import Method
from pipeline_src.training.registry import method_class, method_names

FILE = Path("docs/params.md")
SIGNS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
BLOCKS = {
    "data": Data,
    "model": Model,
    "augmentation": Augmentation,
    "training": Training,
    "evaluation": Evaluation,
}
HEAD = """# params.yaml

Made by `dense-calibration docs` from `pipeline_src/params/schema.py`; a test keeps the two in step.

Snakemake, DVC and Python read `params.yaml` and nothing else. An experiment is `defaults:` with the values of
`experiments.<name>` laid over it: mappings key by key, lists and values as a whole. Everything is checked before a job
starts. With [params.schema.json](../params.schema.json) an editor that has a YAML language server completes and checks
the keys while you write.
"""

PART = """A part is written `{set: DUTS-TR, split: val, first: 500}`: a data set of the catalog or of `datasets:`; one
of its splits (default `all`); and, if wanted, only the first or the last so many names of the split's list."""

CORRUPTED = """A test set `ECSSD-c: {set: ECSSD, corrupt: [contrast, jpeg], severity: [1, 5]}` stands for four, such as
`ECSSD-c-jpeg-5`: the images of a part, corrupted when they are evaluated ([data.md](data.md#corruptions)). Besides the
keys of a part it has"""

SWEEP = """A sweep `static: {method: slp, alpha: [0.02, 0.05], beta: [0.5, 1.0], form: expected}` under `sweeps:` tries
every combination of the parameters that have a list of values; the others are the same in all, and those not named have
the method's own defaults. In an experiment's `methods:`, `static` then stands for four methods with names such as
`static-alpha0_02-beta0_5`. A combination that the method refuses stops the run before it starts."""


METHODS = """A block of `methods:` has the parameters of its method (docs/theory.md). Every method that trains has also
those of this table."""


def page() -> str:
    """The whole page as Markdown."""
    parts = [HEAD, "## Top level", _table(Params.model_fields), "## An experiment", _table(Experiment.model_fields)]
    for name, block in BLOCKS.items():
        parts += [f"## `{name}:`", block.__doc__.strip().splitlines()[0], _table(block.model_fields)]
    parts += ["## `limits:`", Limits.__doc__.strip(), _table(Limits.model_fields)]
    parts += ["## A part of a data set", PART, _table(Part.model_fields)]
    own = {key: field for key, field in Corrupted.model_fields.items() if key not in Part.model_fields}
    parts += ["## A corrupted test set", CORRUPTED, _table(own)]
    parts += ["## A sweep", SWEEP, _table(Sweep.model_fields)]
    parts += ["## Methods", METHODS, _table(Method.model_fields)]
    for name in method_names():
        fields = own_fields(method_class(name))
        parts += [f"### `{name}`", _table(fields) if fields else "No parameters."]
    return "\n\n".join(part.strip() for part in parts) + "\n"


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
