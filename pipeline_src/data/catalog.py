"""All data sets by name: the built-in ones of catalog.yaml and a user's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline_src.data.entry import Entry, hint
from pipeline_src.errors import UserError
from pipeline_src.params.load import Loader
from pipeline_src.validation import Strict, validate

FILE = Path(__file__).parent / "catalog.yaml"


class Catalog(Strict):
    """Entries by name."""

    datasets: dict[str, Entry]


def load(datasets: Mapping[str, Any] | None = None) -> dict[str, Entry]:
    """The built-in sets and the user's, by name; a user's entry replaces a built-in one of the same name, whose `task`
    and `in_paper` it keeps where it does not say otherwise.

    Raises:
        UserError: names every wrong key and value of the user's entries.
    """
    ours = _entries(_content()["datasets"], built_in=True)
    return ours | _entries({name: _kept(ours, name, raw) for name, raw in (datasets or {}).items()})


def load_valid(datasets: Mapping[str, Any]) -> tuple[dict[str, Entry], dict[str, str]]:
    """As `load`, but entries with wrong keys or values are left out; why, by name."""
    entries, wrong = load(), {}
    for name, raw in datasets.items():
        try:
            entries |= _entries({name: _kept(entries, name, raw)})
        except UserError as error:
            wrong[str(name)] = str(error)
    return entries, wrong


def tasks() -> dict[str, str]:
    """Headings of the tasks by their names in the catalog; salient objects first."""
    return _content()["tasks"]


def find(catalog: Mapping[str, Entry], name: str) -> Entry:
    """The set called `name`; UserError names the nearest one."""
    if name not in catalog:
        raise UserError(
            f"there is no data set {name!r}{hint(name, catalog)}",
            expected=f"one of {', '.join(catalog)}",
            do="or add it under `datasets:` in params.yaml:  mine: {images: path, masks: path}",
        )
    return catalog[name]


def is_known(name: str) -> bool:
    """Whether the catalog has a set of that name, whoever's entry it has here."""
    return name in _content()["datasets"]


def _kept(ours: Mapping[str, Entry], name: Any, raw: Any) -> Any:
    """A user's entry with what it keeps of the built-in one of its name: other files are the same set."""
    if name not in ours or not isinstance(raw, Mapping):
        return raw
    return {"task": ours[name].task, "in_paper": ours[name].in_paper, **raw}


def _content() -> dict[str, Any]:
    return yaml.load(FILE.read_text(encoding="utf-8"), Loader)


def _entries(datasets: Mapping[str, Any], built_in: bool = False) -> dict[str, Entry]:
    named = {  # a name that is no text stays what it is, and is refused as a key
        name: {**raw, "name": str(name), "built_in": built_in} if isinstance(raw, Mapping) else raw
        for name, raw in datasets.items()
    }
    return validate(Catalog, {"datasets": named}, str(FILE) if built_in else "`datasets:` in params.yaml").datasets
