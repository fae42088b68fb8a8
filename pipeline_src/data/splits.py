"""The samples of each split of a dataset.

A split has the images of name lists (text files) or of a folder, a random share of another split,
or its rest. Samples are named by their stem, the file name of image and mask without suffix.
"""

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

USUAL = ("train", "val", "test")  # splits that should share no group of dependent images


def assign_splits(
    entry: Entry,
    splits: Mapping[str, Split],
    data_root: Path,
    root: Path,
    rows: Sequence[Row],
) -> tuple[list[Problem], list[str]]:
    """Return problems with name lists, and notes for users; set the `splits` of each row.

    Args:
        splits: splits of the located source.
        data_root: the user's folder of downloads, which may hold name lists and files of groups.
        root: folder of the dataset.
        rows: the usable samples. Their `splits` become the position of the sample in each split
            that has it.

    Raises:
        UserError: the dataset's `groups` do not fit its images.
    """
    # Groups are drawn together into a split, except in built-in datasets: these keep their
    # published splits.
    group_of: dict[str, GroupName] = {}
    if entry.groups and not entry.built_in:
        stems = [row.stem for row in rows]
        names = groups.names(stems, entry.groups, groups.find(entry.groups, data_root))
        group_of = dict(zip(stems, names, strict=True))
    assignment = _Assignment(entry, splits, data_root, root, rows, group_of)
    by_stem = {row.stem: row for row in rows}
    for name in splits:
        for rank, stem in enumerate(assignment.stems(name)):
            by_stem[stem].splits[name] = rank
    notes = assignment.notes
    if not entry.built_in:
        assigned = assignment.done.items()
        notes += [f"split {name} is empty" for name, stems in assigned if not stems]
    if group_of:
        shared = {
            name: [group_of[stem] for stem in assignment.done.get(name, ())] for name in USUAL
        }
        notes += [f"splits {line}" for line in groups.crossings(shared)]
    return assignment.problems, notes


@dataclass
class _Assignment:
    """The splits of a dataset, each computed when it is first needed.

    A split may be made from others, so the order of the splits is free.

    Attributes:
        groups: name of the group of each stem; empty if all images are independent.
        problems, notes: what `assign_splits` returns, as far as splits have been computed.
        done: stems of each split that has been computed.
    """

    entry: Entry
    splits: Mapping[str, Split]
    data_root: Path
    root: Path
    rows: Sequence[Row]
    groups: Mapping[str, GroupName]
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    done: dict[str, list[str]] = field(default_factory=dict)

    def stems(self, name: str) -> list[str]:
        """Return the stems of the split `name`, in its order.

        `ALL` has all samples, sorted by stem.
        """
        if name == ALL:
            return [row.stem for row in self.rows]
        if name not in self.done:
            split = self.splits[name]
            if split.names:
                self.done[name] = self._listed(name, split)
            elif split.folder is not None:
                # Slashes at both ends: whole names of folders have to match.
                folder = f"/{split.folder.strip('/')}/"
                self.done[name] = [row.stem for row in self.rows if folder in f"/{row.image}"]
            else:
                self.done[name] = self._derived(name, split)
        return self.done[name]

    def _derived(self, name: str, split: Split) -> list[str]:
        """Return the stems of a split that is a seeded share or the rest of another split.

        Identical images, and images of one group, are drawn together, so the share may be larger.
        """
        stems = self.stems(split.of or ALL)
        if split.without is not None:
            excluded = set(self.stems(split.without))
            stems = [stem for stem in stems if stem not in excluded]
        if split.fraction is None:
            return stems
        size = round(split.fraction * len(stems))
        drawn: set[str] = set()
        # In the order of a hash of each: one more image hardly changes the choice among the others.
        units = sorted(self._together(stems), key=lambda unit: _hash(split.seed, unit))
        for unit in units:
            if len(drawn) < size:
                drawn.update(unit)
        # Identical images change the size by too few images for a note.
        if self.entry.draws_groups and len(drawn) != size:
            self.notes.append(
                f"split {name} has {len(drawn):,} images ({split.fraction:g} of {len(stems):,} "
                f"images are {size:,}): groups are drawn whole"
            )
        return [stem for stem in stems if stem in drawn]

    def _together(self, stems: list[str]) -> list[set[str]]:
        """Return sets of stems that are drawn together: identical images, images of one group."""
        from scipy.cluster.hierarchy import DisjointSet  # takes half a second, which `plan` saves

        sets = DisjointSet(stems)
        # Each stem is merged with the first one of its digest, and with the first of its group.
        first: dict[object, str] = {}
        digests = {row.stem: row.sha256_image for row in self.rows}
        for stem in stems:
            sets.merge(stem, first.setdefault(digests[stem], stem))
            if self.entry.draws_groups:
                sets.merge(stem, first.setdefault(("group", self.groups[stem]), stem))
        return list(sets.subsets())

    def _listed(self, name: str, split: Split) -> list[str]:
        """Return the stems of a split's name lists that have a usable sample, in list order.

        Each name without a sample is a problem. For a dataset out of distribution (`ood`) one note
        counts these names, because some of the textures are enough. If a list is missing, the
        split is empty.
        """
        names: dict[str, None] = {}  # a set that keeps the order
        for file in split.names:
            path = find_name_list(file, self.data_root, self.root)
            if path is None:
                self._report_absent(name, file)
                return []
            names |= dict.fromkeys(read_name_list(path))
        usable = {row.stem for row in self.rows}
        present = [stem for stem in names if stem in usable]
        files = " + ".join(split.names)
        if not self.entry.ood:
            fix = "add it or take it off the list"
            for stem in names:
                if stem not in usable:
                    problem = f"{stem} of split {name} has no usable sample"
                    self.problems.append(Problem(files, problem, fix))
        elif len(present) < len(names):
            self.notes.append(
                f"{len(present):,} of the {len(names):,} names of {files} are available"
            )
        return present

    def _report_absent(self, name: str, file: str) -> None:
        """Report that a name list is missing: as a note for a built-in dataset, else as a problem.

        Not everyone has all name lists of built-in datasets.
        """
        if self.entry.built_in:
            self.notes.append(
                f"split {name} is empty: the folder of downloads lacks its name list {file}"
            )
        else:
            self.problems.append(
                Problem(
                    file,
                    f"the name list of split {name} is missing",
                    "put it into the dataset's folder or the folder of downloads, or correct "
                    "`splits:`",
                )
            )


def _hash(seed: int, stems: set[str]) -> bytes:
    """Return a key that sorts sets of stems into a random order, which the seed determines.

    The first stem stands for the set.
    """
    return hashlib.sha256(f"{seed}/{min(stems)}".encode()).digest()
