"""A data set made ready: unpacked, paired, every file verified, and listed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline_src.data import manifest, sources, verify
from pipeline_src.data.catalog import ALL, Entry, Layout
from pipeline_src.data.manifest import Row
from pipeline_src.data.object_masks import ObjectMasks
from pipeline_src.data.splits import assign
from pipeline_src.data.verify import Problem, ReadMask
from pipeline_src.errors import UserError, listed
from pipeline_src.files import write_text


def prepare(
    entry: Entry,
    data_root: Path | str | None,
    unpacked: Path,
    out: Path,
    on_problem: Literal["fail", "skip"] = "fail",
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Unpack (or make) the set, pair images and masks, verify every file, and write the list of its samples.

    Args:
        entry: the set.
        data_root: the user's folder of downloads.
        unpacked: cache folder for unpacked archives.
        out: gets manifest.csv, problems.csv and summary.json (no paths of this machine, no time stamps).
        on_problem: "fail" raises if anything is wrong, "skip" leaves the samples out and counts them.
        say: prints a line.

    Returns:
        What summary.json holds.

    Raises:
        UserError: no source, an unsafe or wrong archive, or (under "fail") problems, all at once; problems.csv is kept
            then, and manifest.csv and summary.json are as they were before.
    """
    masks = ObjectMasks()
    samples = gather(entry, data_root, unpacked, out, on_problem, masks.read, say, doubts=masks.doubts)
    samples.notes += masks.notes()
    rows = samples.rows
    pairs = twins(rows)
    samples.notes += _noted(rows, pairs)
    facts = {
        "pixels": sum(row.height * row.width for row in rows),
        "grey_pixels": sum(row.grey for row in rows),
        "grey_masks": sum(row.grey > 0 for row in rows),
        "empty_masks": 0 if entry.ood else sum(row.foreground == 0 for row in rows),
        "mean_foreground": round(float(np.mean([row.foreground for row in rows])), 6),
    }
    return samples.write(out, facts, pairs, say)


@dataclass
class Samples:
    """The usable samples of a set, and what is said of it.

    Attributes:
        head: first facts of summary.json.
        rows: the samples; at least one.
        problems: what was left out, and why.
        notes: for the summary.
    """

    head: dict[str, Any]
    rows: list[Row]
    problems: list[Problem]
    notes: list[str]

    def write(
        self, out: Path | str, facts: dict[str, Any], pairs: list[list[str]], say: Callable[[str], None]
    ) -> dict[str, Any]:
        """Write manifest.csv and summary.json, which is returned; `facts` are those of the set's kind of masks."""
        tail = {"identical_images": pairs, "problems": len(self.problems), "notes": self.notes}
        summary = self.head | facts | tail
        manifest.write(Path(out) / "manifest.csv", self.rows)
        write_text(Path(out) / "summary.json", json.dumps(summary, indent=1) + "\n")
        name, splits = summary["set"], ", ".join(f"{split} {count:,}" for split, count in summary["splits"].items())
        say(f"{name}: {len(self.rows):,} samples; {splits}")
        if self.problems:
            left_out = summary["left_out"]
            say(f"{name}: {len(self.problems):,} problems, {left_out:,} left out, listed in problems.csv")
        for note in self.notes:
            say(f"{name}: {note}")
        return summary


def gather(
    entry: Entry,
    data_root: Path | str | None,
    unpacked: Path,
    out: Path | str,
    on_problem: Literal["fail", "skip"],
    read_mask: ReadMask,
    say: Callable[[str], None],
    passed_over: Callable[[Problem], bool] = lambda problem: False,
    doubts: Callable[[list[Row], Layout], list[Problem]] = lambda rows, layout: [],
) -> Samples:
    """What `prepare` does for masks of every kind: unpack, pair, verify, and write problems.csv.

    Args:
        read_mask: (row, bytes of its mask, layout of the source) -> shape; fills in what the mask tells of the row, or
            raises `Unreadable`.
        passed_over: tells files that the set does not want paired; not counted as problems.
        doubts: (rows, layout) -> what is wrong with all samples together.

    Raises:
        UserError: as `prepare`.
    """
    located = sources.locate(entry, data_root, unpacked)
    root = sources.open_located(entry, located, unpacked)
    rows, problems = verify.pair(entry, located.layout, root)
    problems = [each for each in problems if not passed_over(each)]
    found = len(rows)
    say(f"{entry.name}: source {located.key} ({located.source.label}), verifying {found:,} images")
    rows = [row for row in rows if verify.verify(row, root, located.layout, read_mask, problems)]
    expected = located.source.count
    notes: list[str] = []
    if expected is not None and expected != len(rows):
        text = f"has {len(rows):,} usable samples, {expected:,} expected"
        if entry.ood and len(rows) < expected:  # fewer textures are textures, too
            notes.append(text)
        else:
            do = "download it again, or correct `count` of the source"
            problems.append(Problem(located.source.label, text, do))
    if rows:
        problems += doubts(rows, located.layout)
    notes += assign(entry, located, root, data_root, rows, problems)
    problems.sort()
    cells = ((each.file, each.problem, each.do) for each in problems)
    manifest.write_csv(Path(out) / "problems.csv", ("file", "problem", "do"), cells)
    if (problems and on_problem == "fail") or not rows:
        raise UserError(
            f"data set {entry.name} has {len(problems):,} problems:"
            + listed(f"{each.file}: {each.problem}; {each.do}" for each in problems),
            found=f"{len(rows):,} usable samples in {root}",
            do="mend them (problems.csv lists all), or leave them out with `data: {on_problem: skip}`",
        )
    splits = {name: sum(name in row.splits for row in rows) for name in entry.splits_of(located.source)}
    head = {
        "set": entry.name,
        "source": located.key,
        "fingerprint": sources.identify(entry, located, data_root),
        "content": located.content,
        "expected": expected,
        "images": found,
        "samples": len(rows),
        "left_out": found - len(rows),
        "splits": {ALL: len(rows), **splits},
    }
    return Samples(head, rows, problems, notes)


def twins(rows: list[Row]) -> list[list[str]]:
    """Ids whose images are byte-identical: the first of a group with each other one."""
    groups = defaultdict(list)
    for row in rows:
        groups[row.sha256_image].append(row.id)
    return [[first, other] for first, *others in groups.values() for other in others]


def _noted(rows: list[Row], pairs: list[list[str]]) -> list[str]:
    notes = []
    if grey := sum(row.grey for row in rows):
        share = grey / sum(row.height * row.width for row in rows)
        notes.append(f"{share:.2%} of the mask pixels are grey; above 127 they count as object")
    if empty := sum(row.foreground == 0 and bool(row.mask) for row in rows):
        notes.append(f"{empty:,} masks have no object")
    if pairs:
        splits = {row.id: frozenset(row.splits) for row in rows}
        crossing = sum(splits[one] != splits[two] for one, two in pairs)
        notes.append(f"{len(pairs):,} pairs of byte-identical images, {crossing:,} of them across splits")
    return notes
