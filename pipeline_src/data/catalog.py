"""All datasets by name: the built-in datasets of catalog.yaml and those of users."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pipeline_src.data.entry import Entry
from pipeline_src.errors import UserError, hint
from pipeline_src.params.load import Loader
from pipeline_src.validation import Strict, validate

FILE = Path(__file__).parent / "catalog.yaml"


class Catalog(Strict):
    """Entries by name."""

    datasets: dict[str, Entry]


def load(datasets: Mapping[str, Any] | None = None) -> dict[str, Entry]:
    """The built-in datasets and those of the user, by name.

    A user's entry replaces a built-in entry of the same name, and keeps its `task` and `in_paper` by default.

    Raises:
        UserError: names every wrong key and value of the user's entries.
    """
    built_in = _entries(_content()["datasets"], built_in=True)
    return built_in | _entries({name: _completed(built_in, name, raw) for name, raw in (datasets or {}).items()})


def tasks() -> dict[str, str]:
    """Headings of the tasks by their names in the catalog; salient objects first."""
    tasks: dict[str, str] = _content()["tasks"]
    return tasks


def find(catalog: Mapping[str, Entry], name: str) -> Entry:
    """The dataset called `name`; UserError names the nearest."""
    if name not in catalog:
        raise UserError(
            f"there is no dataset {name!r}{hint(name, catalog)}",
            expected=f"one of {', '.join(catalog)}",
            fix="correct it, or add it under `datasets:` in params.yaml:  mine: {images: path, masks: path}",
        )
    return catalog[name]


def is_known(name: str) -> bool:
    """Whether the catalog has a dataset of that name."""
    return name in _content()["datasets"]


def _completed(built_in: Mapping[str, Entry], name: Any, raw: Any) -> Any:
    """A user's entry with `task` and `in_paper` of the built-in entry of its name."""
    if name not in built_in or not isinstance(raw, Mapping):
        return raw
    return {"task": built_in[name].task, "in_paper": built_in[name].in_paper, **raw}


@cache
def _content() -> dict[str, Any]:
    content: dict[str, Any] = yaml.load(FILE.read_text(encoding="utf-8"), Loader)
    return content


def _entries(datasets: Mapping[str, Any], built_in: bool = False) -> dict[str, Entry]:
    named = {
        name: {**raw, "name": str(name), "built_in": built_in} if isinstance(raw, Mapping) else raw
        for name, raw in datasets.items()
    }
    return validate(Catalog, {"datasets": named}, str(FILE) if built_in else "`datasets:` in params.yaml").datasets
