"""The samples of each split: lists, folders and seeded shares."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline_src.data import groups
from pipeline_src.data.entry import Entry, Split
from pipeline_src.data.groups import GroupName
from pipeline_src.data.manifest import Problem, Row
from pipeline_src.data.pairing import find_name_list, read_name_list
from pipeline_src.params.schema import ALL

USUAL = ("train", "val", "test")


def assign_splits(
    entry: Entry,
    splits: dict[str, Split],
    data_root: Path | str | None,
    root: Path,
    rows: Sequence[Row],
) -> tuple[list[Problem], list[str]]:
    """Write the position of each row in every split into it.

    Args:
        splits: splits of the located source.
        root: folder of the dataset.

    Returns:
        Problems with name lists, and notes.

    Raises:
        UserError: the dataset's `groups` do not fit its images.
    """
    stems = [row.stem for row in rows]
    grouped = bool(entry.groups) and not entry.built_in
    file = groups.find(entry.groups, data_root) if grouped else None
    group_of = (
        dict(zip(stems, groups.names(stems, entry.groups, file), strict=True)) if grouped else {}
    )
    assignment = _Assignment(entry, splits, data_root, root, rows, group_of)
    by_stem = {row.stem: row for row in rows}
    for name in splits:
        for rank, stem in enumerate(assignment.stems(name)):
            by_stem[stem].splits[name] = rank
    if not entry.built_in:
        assignment.notes += [
            f"split {name} is empty" for name, chosen in assignment.done.items() if not chosen
        ]
    shared = {
        name: [group_of[stem] for stem in assignment.done.get(name, ()) if group_of]
        for name in USUAL
    }
    assignment.notes += [f"splits {line}" for line in groups.crossings(shared)]
    return assignment.problems, assignment.notes


@dataclass
class _Assignment:
    """The splits of a dataset, each computed when it is first needed.

    Attributes:
        groups: group of each stem; empty if all images are independent.
        done: stems of the splits so far.
    """

    entry: Entry
    splits: dict[str, Split]
    data_root: Path | str | None
    root: Path
    rows: Sequence[Row]
    groups: Mapping[str, GroupName]
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    done: dict[str, list[str]] = field(default_factory=dict)

    def stems(self, name: str) -> list[str]:
        """Return the stems of a split, in its order."""
        if name == ALL:
            return [row.stem for row in self.rows]
        if name not in self.done:
            split = self.splits[name]
            if split.names:
                self.done[name] = self._listed(name, split)
            elif split.folder is not None:
                self.done[name] = [
                    row.stem
                    for row in self.rows
                    if f"/{split.folder.strip('/')}/" in f"/{row.image}"
                ]
            else:
                self.done[name] = self._derived(name, split)
        return self.done[name]

    def _derived(self, name: str, split: Split) -> list[str]:
        """Return the stems of a share of another split."""
        stems = self.stems(split.of or ALL)
        if split.without is not None:
            excluded = set(self.stems(split.without))
            stems = [stem for stem in stems if stem not in excluded]
        if split.fraction is not None:
            # Drawn by hash: one more image hardly changes the choice among the others.
            together, size = self._together(stems), round(split.fraction * len(stems))
            drawn: set[str] = set()
            for first in sorted(
                together, key=lambda stem: hashlib.sha256(f"{split.seed}/{stem}".encode()).digest()
            ):
                if len(drawn) < size:
                    drawn.update(together[first])
            if self.entry.draws_groups and len(drawn) != size:
                asked = f"{split.fraction:g} of {len(stems):,} images are {size:,}"
                self.notes.append(
                    f"split {name} has {len(drawn):,} images ({asked}): groups are drawn whole"
                )
            stems = [stem for stem in stems if stem in drawn]
        return stems

    def _together(self, stems: list[str]) -> dict[str, list[str]]:
        """Return the stems that are drawn together (byte-identical images, images of one group), by their first."""
        from scipy.cluster.hierarchy import DisjointSet  # takes half a second, which `plan` saves

        keys: dict[str, list[object]] = {
            row.stem: [row.sha256_image or row.stem] for row in self.rows
        }
        if self.entry.draws_groups:
            for stem, group in self.groups.items():
                keys[stem].append(("group", group))
        sets, holders = DisjointSet(stems), dict[object, str]()
        for stem in stems:
            for key in keys[stem]:
                sets.merge(stem, holders.setdefault(key, stem))
        return {min(subset): sorted(subset) for subset in sets.subsets()}

    def _listed(self, name: str, split: Split) -> list[str]:
        """Return the usable stems of name lists, in their order."""
        names: dict[str, None] = {}
        for file in split.names:
            if (path := find_name_list(file, self.data_root, self.root)) is None:
                if self.entry.built_in:  # not everyone has all name lists of these datasets
                    self.notes.append(
                        f"split {name} is empty: the folder of downloads lacks its name list {file}"
                    )
                else:
                    fix = "put it into the dataset's folder or the folder of downloads, or correct `splits:`"
                    self.problems.append(
                        Problem(file, f"the name list of split {name} is missing", fix)
                    )
                return []
            names |= dict.fromkeys(read_name_list(path))
        usable = {row.stem for row in self.rows}
        files, present = " + ".join(split.names), [stem for stem in names if stem in usable]
        if not self.entry.ood:
            text, fix = f"of split {name} has no usable sample", "add it or take it off the list"
            self.problems += [
                Problem(files, f"{stem} {text}", fix) for stem in names if stem not in usable
            ]
        elif len(present) < len(names):  # some textures are enough
            self.notes.append(
                f"{len(present):,} of the {len(names):,} names of {files} are available"
            )
        return present
