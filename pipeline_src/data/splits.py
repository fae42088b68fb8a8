"""Which samples are in which split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline_src.data.entry import Entry, Split
from pipeline_src.data.lookup import find_name_list, read_name_list
from pipeline_src.data.manifest import Problem, Row
from pipeline_src.params.parts import ALL


def assign_splits(
    entry: Entry, splits: dict[str, Split], data_root: Path | str | None, root: Path, rows: Sequence[Row]
) -> tuple[list[Problem], list[str]]:
    """Write the position of each row in every split into it.

    Args:
        splits: those of the located source.
        root: folder of the set.

    Returns:
        Problems with name lists, and notes.
    """
    assignment = _Assignment(entry, splits, data_root, root, rows)
    by_stem = {row.stem: row for row in rows}
    for name in splits:
        for rank, stem in enumerate(assignment.stems(name)):
            by_stem[stem].splits[name] = rank
    if not entry.built_in:
        assignment.notes += [f"split {name} is empty" for name, stems in assignment.done.items() if not stems]
    return assignment.problems, list(dict.fromkeys(assignment.notes))


@dataclass
class _Assignment:
    entry: Entry
    splits: dict[str, Split]
    data_root: Path | str | None
    root: Path
    rows: Sequence[Row]
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    done: dict[str, list[str]] = field(default_factory=dict)

    def stems(self, name: str) -> list[str]:
        """The stems of a split, in its order."""
        if name == ALL:
            return [row.stem for row in self.rows]
        if name not in self.done:
            split = self.splits[name]
            if split.names:
                self.done[name] = self._listed(name, split)
            elif split.folder is not None:
                self.done[name] = [row.stem for row in self.rows if f"/{split.folder}/" in f"/{row.image}"]
            else:
                self.done[name] = self._derived(split)
        return self.done[name]

    def _derived(self, split: Split) -> list[str]:
        stems = self.stems(split.of)
        if split.without is not None:
            excluded = set(self.stems(split.without))
            stems = [stem for stem in stems if stem not in excluded]
        if split.fraction is not None:
            # By hash, so that one more image does not change the choice among all others.
            same = self._identical(stems)
            drawn: set[str] = set()
            for first in sorted(same, key=lambda stem: hashlib.sha256(f"{split.seed}/{stem}".encode()).digest()):
                if len(drawn) < round(split.fraction * len(stems)):
                    drawn.update(same[first])
            stems = [stem for stem in stems if stem in drawn]
        return stems

    def _identical(self, stems: list[str]) -> dict[str, list[str]]:
        """The stems of byte-identical images by the first of them. They are drawn together, so that no training image
        is validated or tested on under another name."""
        hashes = {row.stem: row.sha256_image or row.stem for row in self.rows}
        same: dict[str, list[str]] = {}
        for stem in sorted(stems):
            same.setdefault(hashes[stem], []).append(stem)
        return {group[0]: group for group in same.values()}

    def _listed(self, name: str, split: Split) -> list[str]:
        listed: dict[str, None] = {}
        for file in split.names:
            path = find_name_list(file, self.data_root, self.root)
            if path is None:
                self._report_missing_list(name, file)
                return []
            for stem in read_name_list(path):
                if stem in listed:
                    self.notes.append(f"name list {file} has {stem} more than once")
                listed[stem] = None
        usable = {row.stem for row in self.rows}
        files, present = " + ".join(split.names), [stem for stem in listed if stem in usable]
        if not self.entry.ood:
            text, do = f"of split {name} has no usable sample", "add it or take it off the list"
            self.problems += [Problem(files, f"{stem} {text}", do) for stem in listed if stem not in usable]
        elif len(present) < len(listed):  # a smaller set of textures is still one
            self.notes.append(f"{len(present):,} of the {len(listed):,} names of {files} are available")
        return present

    def _report_missing_list(self, name: str, file: str) -> None:
        if self.entry.built_in:  # not everyone has all name lists of these sets
            self.notes.append(
                f"split {name} is empty: its name list {file} is not in the folder of downloads or splits/"
            )
        else:
            do = "put it into the set's folder, the folder of downloads or its splits/, or correct `splits:`"
            self.problems.append(Problem(file, f"the name list of split {name} is missing", do))
