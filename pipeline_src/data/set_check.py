"""The comparison of a dataset with its entry: the work of `data check`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from pipeline_src.data import groups, manifest, sources
from pipeline_src.data.entry import Entry
from pipeline_src.data.lookup import benchmark_file, find_name_list, origin, read_name_list
from pipeline_src.errors import UserError
from pipeline_src.params.schema import LIMITS, Limits


@dataclass(frozen=True)
class SetReport:
    """The result of a check: the source that was read, its usable samples, problems, and notes."""

    source: str = ""
    samples: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_set(entry: Entry, data_root: Path | str | None, unpacked: Path, limits: Limits = LIMITS) -> SetReport:
    """Read every file of a dataset: pairs, counts, sizes, masks, name lists, and the sha256 of its archives."""
    from pipeline_src.data.prepare import prepare

    key = ""
    with tempfile.TemporaryDirectory() as folder:
        try:
            located = sources.locate(entry, data_root, unpacked)
            key = located.key
            sources.check_archives(located)
            summary = prepare(entry, data_root, unpacked, Path(folder), "skip", limits)
            stems = [row.stem for row in manifest.read(Path(folder))]
            notes = [*summary["notes"], *_groups(entry, stems, data_root)]
        except (UserError, OSError) as error:  # reported: the next dataset is checked in any case
            return SetReport(key, problems=[str(error)])
        problems = [str(problem) for problem in manifest.read_problems(Path(folder))]
    notes += [*missing_lists(entry, key, data_root), *_coverage(entry, set(stems), data_root)]
    notes += [f"known: {fault}" for fault in entry.faults]
    return SetReport(key, summary["samples"], summary["splits"], problems, list(dict.fromkeys(notes)))


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


def _groups(entry: Entry, stems: list[str], data_root: Path | str | None) -> list[str]:
    """The number of groups of images that are not independent; UserError if `groups` does not fit the images."""
    if not entry.groups:
        return []
    number = groups.number(stems, entry.groups, groups.find(entry.groups, data_root)).max(initial=-1) + 1
    return [f"{len(stems):,} images in {number:,} groups of images that are not independent"]


def _coverage(entry: Entry, stems: set[str], data_root: Path | str | None) -> list[str]:
    """How many of the images of published benchmarks are in the dataset, if not all."""
    file = benchmark_file(entry, data_root)
    names = set(read_name_list(file)) if file else set()
    if names <= stems:
        return []
    return [f"{len(names & stems):,} of the {len(names):,} names of {entry.benchmark_list} are available"]
