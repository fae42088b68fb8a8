"""A set's entry with what is known of it beyond its files: its classes, and what captions have to say of it.

Apart from `catalog`, because the contracts of all stores rest on the code of that: a new word here trains nothing anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from pipeline_src.counting.levels import NO_CLASS
from pipeline_src.data import catalog
from pipeline_src.data.catalog import Entry, Part
from pipeline_src.errors import UserError
from pipeline_src.params.load import validate

BACKGROUND = "background"  # the class of what is no object, and has the id 0
FILE = Path(__file__).parent / "catalog.yaml"


class Facts(BaseModel):
    """What an entry may say besides `catalog.Entry`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: tuple[str, ...] = Field((), description="Names of classes, for masks of ids 0, 1, 2...; none: one object.")
    void: Annotated[int, Field(ge=0, le=255)] = Field(255, description="The id of pixels that never count.")
    partly: bool = Field(False, description="With classes: images without a mask are left aside and are no fault.")
    caption: str = Field("", description="What a table of numbers on the set must tell its reader.")
    names: str = Field("", description="Name list of the images on which others report their numbers.")


class Known(Entry, Facts):
    """A data set. With `classes` its masks hold ids, else they are grey: background to object."""

    @property
    def without_background(self) -> bool:
        """Whether none of several classes is right on an image without an object."""
        return bool(self.classes) and self.classes[0] != BACKGROUND


def load(datasets: Mapping[str, Any] | None = None) -> dict[str, Known]:
    """As `catalog.load`, with the facts of each set (`facts:` of catalog.yaml, or in a user's entry itself).

    Raises:
        UserError: naming what is wrong in the user's entries.
    """
    plain, facts = {}, _built_in()
    for name, raw in (datasets or {}).items():
        own = {key: raw[key] for key in Facts.model_fields if key in raw} if isinstance(raw, Mapping) else {}
        plain[name] = {key: value for key, value in raw.items() if key not in own} if own else raw
        facts[name] = validate(Facts, own, f"datasets.{name}")
        if len(facts[name].classes) > NO_CLASS:
            raise UserError(
                f"datasets.{name}.classes: masks have 8 bits, of which two values are reserved",
                found=f"{len(facts[name].classes)} classes",
                expected=f"at most {NO_CLASS}",
            )
        if 0 < len(facts[name].classes) < 3:
            raise UserError(
                f"datasets.{name}.classes: two classes are an object and its background",
                do="leave `classes` out; `foreground: 1` names the object's value if it is not 255",
            )
    entries = catalog.load(plain)
    return {name: Known(**{**dict(entry), **dict(facts.get(name, Facts()))}) for name, entry in entries.items()}


def tasks() -> dict[str, str]:
    """What the tasks of the catalog are called in print; salient objects first."""
    return _catalog()["tasks"]


def _built_in() -> dict[str, Facts]:
    return {name: Facts(**value) for name, value in _catalog()["facts"].items()}


def _catalog() -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(FILE.read_text(encoding="utf-8"), Loader=loader)


def check_alike(entries: Mapping[str, Known], parts: Mapping[str, tuple[Part, str]]) -> None:
    """Make sure that a network trained on one part can be judged on all others.

    Args:
        parts: part and role (train, val, id, shifted, ood) by name.

    Raises:
        UserError: sets differ in their classes; images without an object are given where some class must be right.
    """
    trained = entries[parts["train"][0].set]
    for name, (part, role) in parts.items():
        other = entries[part.set]
        if role == "ood":
            continue
        if other.ood:
            if trained.without_background:
                raise UserError(
                    f"{name}: on images without an object no class of {trained.name} is right",
                    expected=f"a set with masks, or a training set whose first class is called {BACKGROUND!r}",
                    do="give it as a set out of distribution (`ood:`)",
                )
        elif other.classes != trained.classes:
            raise UserError(
                f"{name}: data set {part.set} has other classes than the training set {trained.name}",
                found=", ".join(other.classes) or "one object",
                expected=", ".join(trained.classes) or "one object",
            )
