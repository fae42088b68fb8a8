"""All datasets by name: the built-in datasets of catalog.yaml and the users' datasets.

An entry describes a dataset: where its files are, how they are laid out, and its splits.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline_src.data.entry import BACKGROUND, Entry
from pipeline_src.errors import UserError, hint
from pipeline_src.params.load import read_yaml
from pipeline_src.params.schema import Split
from pipeline_src.validation import Strict, validate

FILE = Path(__file__).parent / "catalog.yaml"


class Content(Strict):
    """The content of catalog.yaml, in which the datasets are not checked yet.

    Attributes:
        tasks: the heading of each task in lists of datasets.
        layouts: lists of folders that several datasets refer to by YAML anchors.
        datasets: keys and values of each dataset by its name.
    """

    tasks: dict[str, str]
    layouts: dict[str, Any] = Field({})
    datasets: dict[str, dict[str, Any]]


class Catalog(Strict):
    """The checked entries of datasets, by name."""

    datasets: dict[str, Entry]


def load(datasets: Mapping[str, Any] | None = None) -> dict[str, Entry]:
    """Return the built-in datasets and the user's datasets, by name.

    A user's entry replaces a built-in entry of the same name, and keeps its `task` and `in_paper`
    by default.

    Args:
        datasets: `datasets:` of params.yaml.

    Raises:
        UserError: names every wrong key and value of the user's entries.
    """
    built_in = _entries(_content().datasets, str(FILE), built_in=True)
    given = dict(datasets or {})
    for name in given.keys() & built_in.keys():
        if isinstance(given[name], Mapping):  # else `_entries` reports it
            defaults = {"task": built_in[name].task, "in_paper": built_in[name].in_paper}
            given[name] = defaults | given[name]
    return built_in | _entries(given, "`datasets:` in params.yaml", built_in=False)


def tasks() -> dict[str, str]:
    """Return the headings by task, under which lists of datasets show the datasets of a task.

    Salient objects, the task of the paper, come first.
    """
    return _content().tasks


def find(catalog: Mapping[str, Entry], name: str) -> Entry:
    """Return the dataset called `name`.

    Raises:
        UserError: there is no such dataset; the message suggests the most similar name.
    """
    if name not in catalog:
        raise UserError(
            f"there is no dataset {name!r}{hint(name, catalog)}",
            expected=f"one of {', '.join(catalog)}",
            fix="correct it, or add it under `datasets:` in params.yaml:  mine: {images: path, "
            "masks: path}",
        )
    return catalog[name]


def check_splits(entries: Mapping[str, Entry], splits: Mapping[str, tuple[Split, str]]) -> None:
    """Check that datasets and splits exist, and that one network fits all of them.

    Args:
        entries: all datasets by name.
        splits: split and role (train, val, id, shifted or ood) of each split of an experiment by
            its name.

    Raises:
        UserError: an unknown dataset or split; datasets with different classes; images without an
            object in a test set, though no class is right on them.
    """
    for split, _ in splits.values():
        names = find(entries, split.set).split_names
        if split.split not in names:
            raise UserError(
                f"dataset {split.set} has no split {split.split!r}{hint(split.split, names)}",
                expected=f"one of {', '.join(names)}",
                fix="add it under `splits:` of the dataset's entry",
            )
    training_set = entries[splits["train"][0].set]
    for name, (split, role) in splits.items():
        entry = entries[split.set]
        if role == "ood":  # its pixels have labels of their own, whatever the classes are
            continue
        if entry.ood and training_set.without_background:
            raise UserError(
                f"{name}: on images without an object no class of {training_set.name} is right",
                expected="a set with masks, or a training set whose first class is called "
                f"{BACKGROUND!r}",
                fix="move the set to the out-of-distribution sets (`ood:`)",
            )
        if not entry.ood and entry.classes != training_set.classes:
            raise UserError(
                f"{name}: dataset {entry.name} has other classes than the training set "
                f"{training_set.name}",
                found=", ".join(entry.classes) or "one object",
                expected=", ".join(training_set.classes) or "one object",
            )


@cache
def _content() -> Content:
    """Return the content of catalog.yaml, which is read once."""
    return validate(Content, read_yaml(FILE), str(FILE), fix=f"git checkout -- {FILE}")


def _entries(datasets: Mapping[str, Any], where: str, built_in: bool) -> dict[str, Entry]:
    """Return the checked entries of raw datasets by name, each with its name and origin.

    Args:
        datasets: keys and values of each dataset as YAML has them, by its name.
        where: the place of the entries in error messages.
        built_in: whether the entries are from catalog.yaml.

    Raises:
        UserError: names every wrong key and value.
    """
    named = dict(datasets)
    for name, raw in datasets.items():
        if isinstance(raw, Mapping):  # the check below reports all else
            named[name] = {**raw, "name": str(name), "built_in": built_in}
    return validate(Catalog, {"datasets": named}, where).datasets
