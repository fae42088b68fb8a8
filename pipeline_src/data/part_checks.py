"""Checks of the parts of an experiment's data: names, classes, name lists, overlap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from pipeline_src.data import sources
from pipeline_src.data.catalog import find
from pipeline_src.data.entry import BACKGROUND, Entry, Split
from pipeline_src.data.lookup import find_name_list, find_path, origin
from pipeline_src.errors import UserError, hint, listed
from pipeline_src.params.parts import ALL, Part

# The splits that `data add` writes.
SPLITS = (
    "add to its entry what `data add` writes: splits: {test: {of: all, fraction: 0.2, seed: 0}, "
    "not-test: {of: all, without: test}, val: {of: not-test, fraction: 0.1, seed: 0}, "
    "train: {of: not-test, without: val}}"
)
Parts = Mapping[str, tuple[Part, str]]  # part and role (train, val, id, shifted or ood) by name


def check_parts(entries: Mapping[str, Entry], parts: Parts) -> None:
    """Check that datasets and splits exist, and that a network trained on one part can be tested on all others.

    Raises:
        UserError: an unknown dataset or split; datasets with different classes; images without an object in a test
            set, though no class is right on them.
    """
    for part, _ in parts.values():
        names = find(entries, part.set).split_names
        if part.split not in names:
            raise UserError(
                f"dataset {part.set} has no split {part.split!r}{hint(part.split, names)}",
                expected=f"one of {', '.join(names)}",
                fix=SPLITS if len(names) == 1 else None,
            )
    training_set = entries[parts["train"][0].set]
    for name, (part, role) in parts.items():
        if role != "ood":
            _check_classes(name, entries[part.set], training_set)


def _check_classes(name: str, entry: Entry, training_set: Entry) -> None:
    if entry.ood and training_set.without_background:
        raise UserError(
            f"{name}: on images without an object no class of {training_set.name} is right",
            expected=f"a set with masks, or a training set whose first class is called {BACKGROUND!r}",
            fix="move the set to the out-of-distribution sets (`ood:`)",
        )
    if not entry.ood and entry.classes != training_set.classes:
        raise UserError(
            f"{name}: dataset {entry.name} has other classes than the training set {training_set.name}",
            found=", ".join(entry.classes) or "one object",
            expected=", ".join(training_set.classes) or "one object",
        )


def check_name_lists(entries: Mapping[str, Entry], parts: Parts, data_root: Path | str | None, unpacked: Path) -> None:
    """Check that the name lists of all parts are available. Not everyone has all lists of the built-in datasets.

    Raises:
        UserError: names all missing lists, and where to put them.
    """
    missing = [
        f"{file}, for {name}: split {part.split} of {part.set}{origin(entries[part.set], file)}"
        for name, (part, _) in parts.items()
        for file in _missing_lists(entries[part.set], part.split, data_root)
    ]
    if missing:
        raise UserError(
            f"name lists are missing:{listed(missing)}",
            expected=f"text files, one image name a line, under these names in {data_root} or its sub-folder splits/",
            fix="put them there, name the folder that has them by `data_root:` in params.yaml or the environment "
            f"variable ASLP_DOWNLOADS, or choose other splits under `data:` of the experiment (`{ALL}` needs no list)",
        )


def _missing_lists(entry: Entry, split: str, data_root: Path | str | None) -> list[str]:
    """Return the name lists that a split of a built-in dataset needs and lacks.

    The list is empty if the data are absent, as in a clone that only has results."""
    if (key := sources.available_source(entry, data_root)) is None:
        return []
    source = entry.sources[key]
    root = find_path(source.folder, data_root, ".") if source.folder else None
    files = [file for file in dict.fromkeys(_lists_of(split, entry.splits_of(source))) if "/" not in file]
    # Lists with a folder in their name are inside archives; `prepare` checks these and lists of users.
    return [file for file in files if entry.built_in and not find_name_list(file, data_root, root)]


def _lists_of(name: str, splits: Mapping[str, Split]) -> list[str]:
    """The name lists of a split and of those that it is made from."""
    names = [name]
    for split in names:  # which grows
        names += [parent for parent in (splits[split].parents if split in splits else ()) if parent not in names]
    return [file for split in names if split in splits for file in splits[split].names]


def check_disjoint(parts: Mapping[str, Sequence[Any]]) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Check that train, val and each test part are disjoint.

    Args:
        parts: rows of `manifest.select` or of `Store.index` by part; "train" and "val" are compared with each other and
            with all others (test parts may overlap).

    Returns:
        Byte-identical images of different ids, by pair of parts, as (id, id). Some sets have them; report them.

    Raises:
        UserError: a sample is in two parts.
    """
    overlaps, identical = [], {}
    for first, second in combinations(parts, 2):
        if not {first, second} & {"train", "val"}:
            continue
        ids = {row.id for row in parts[first]}
        if shared := [row.id for row in parts[second] if row.id in ids]:
            overlaps.append(f"{first} and {second} share {len(shared):,} samples, the first is {shared[0]}")
        by_hash = defaultdict(list)
        for row in parts[first]:
            by_hash[row.sha256_image].append(row.id)
        pairs = [(twin, row.id) for row in parts[second] for twin in by_hash[row.sha256_image] if twin != row.id]
        if pairs:
            identical[first, second] = pairs
    if overlaps:
        raise UserError(
            f"parts of the data overlap:{listed(overlaps)}",
            expected="training, validation and test parts without a common sample",
            fix="choose other splits, or `first` and `last` ranges that do not meet, under `data:` in params.yaml",
        )
    return identical
