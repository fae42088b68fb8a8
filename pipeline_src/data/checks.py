"""Checks of the parts of an experiment's data, and of a dataset against its entry."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline_src.data import groups, manifest, sources
from pipeline_src.data.catalog import find
from pipeline_src.data.entry import BACKGROUND, Entry
from pipeline_src.data.lookup import benchmark_file, find_name_list, find_path, origin, read_name_list
from pipeline_src.errors import UserError, hint, listed
from pipeline_src.params.parts import ALL, Part
from pipeline_src.params.schema import LIMITS, Limits

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
                fix="add `splits:` to its entry, as `dense-calibration data add` does" if len(names) == 1 else None,
            )
    training_set = entries[parts["train"][0].set]
    for name, (part, role) in parts.items():
        entry = entries[part.set]
        if role != "ood" and entry.ood and training_set.without_background:
            raise UserError(
                f"{name}: on images without an object no class of {training_set.name} is right",
                expected=f"a set with masks, or a training set whose first class is called {BACKGROUND!r}",
                fix="move the set to the out-of-distribution sets (`ood:`)",
            )
        if role != "ood" and not entry.ood and entry.classes != training_set.classes:
            raise UserError(
                f"{name}: dataset {entry.name} has other classes than the training set {training_set.name}",
                found=", ".join(entry.classes) or "one object",
                expected=", ".join(training_set.classes) or "one object",
            )


def check_name_lists(entries: Mapping[str, Entry], parts: Parts, data_root: Path | str | None) -> None:
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
    """The name lists that a split of a built-in dataset needs and lacks.

    The list is empty if the data are absent, as in a clone that only has results."""
    key = sources.available_source(entry, data_root)
    if key is None or not entry.built_in:  # `prepare` checks the lists of users
        return []
    source = entry.sources[key]
    root = find_path(source.folder, data_root, ".") if source.folder else None
    splits, names = entry.splits_of(source), [split]
    for name in names:  # which grows by the splits that `name` is made from
        names += [parent for parent in (splits[name].parents if name in splits else ()) if parent not in names]
    files = dict.fromkeys(file for name in names if name in splits for file in splits[name].names)
    # Lists with a folder in their name are inside archives.
    return [file for file in files if "/" not in file and not find_name_list(file, data_root, root)]


class DatasetReport(NamedTuple):
    """The result of a check: the source that was read, its usable samples, problems, and notes."""

    source: str
    samples: int
    splits: dict[str, int]
    problems: list[str]
    notes: list[str]


def check_dataset(entry: Entry, data_root: Path | str | None, unpacked: Path, limits: Limits = LIMITS) -> DatasetReport:
    """Read every file of a dataset: pairs, counts, sizes, masks, name lists, and the sha256 of its archives."""
    from pipeline_src.data.prepare import prepare

    key = ""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            located = sources.locate(entry, data_root, unpacked)
            key = located.key
            sources.check_archives(located)
            summary = prepare(entry, data_root, unpacked, folder, "skip", limits)
            stems = [row.stem for row in manifest.read(folder)]
            notes = [*summary["notes"]]
            if entry.groups:
                number = len(set(groups.names(stems, entry.groups, groups.find(entry.groups, data_root))))
                notes.append(f"{len(stems):,} images in {number:,} groups of images that are not independent")
        except (UserError, OSError) as error:  # reported: the next dataset is checked in any case
            return DatasetReport(key, 0, {}, [str(error)], [])
        problems = [str(problem) for problem in manifest.read_problems(folder)]
    notes += missing_lists(entry, key, data_root)
    file = benchmark_file(entry, data_root)
    names = set(read_name_list(file)) if file else set()
    if not names <= set(stems):
        available = names.intersection(stems)
        notes.append(f"{len(available):,} of the {len(names):,} names of {entry.benchmark_list} are available")
    notes += [f"known: {fault}" for fault in entry.faults]
    return DatasetReport(key, summary["samples"], summary["splits"], problems, list(dict.fromkeys(notes)))


def missing_lists(entry: Entry, source: str | None, data_root: Path | str | None) -> list[str]:
    """A line for each missing name list of a source whose origin is known."""
    splits = entry.splits_of(entry.sources[source]) if source else {}
    lines = []
    for file in (file for file in entry.lists if not find_name_list(file, data_root, None)):
        if users := [name for name, split in splits.items() if file in split.names]:
            lines.append(
                f"split {' and '.join(users)} needs the name list {file}{origin(entry, file)}: put it under this name "
                f"into {data_root} or its sub-folder splits/"
            )
    return lines
