"""A data set made ready: unpacked, paired, every file verified, and listed."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline_src.data import images, manifest, pairing, sources
from pipeline_src.data.catalog import ALL, Entry, Layout, Split
from pipeline_src.data.manifest import Row
from pipeline_src.errors import UserError, listed
from pipeline_src.files import write_text

ReadMask = Callable[[Row, bytes, Layout], tuple[int, ...]]


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong with a file (or name list, or source), and what to do about it."""

    file: str
    problem: str
    do: str


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
    samples = gather(entry, data_root, unpacked, out, on_problem, _read_mask, say)
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
) -> Samples:
    """What `prepare` does for masks of every kind: unpack, pair, verify, and write problems.csv.

    Args:
        read_mask: (row, bytes of its mask, layout of the source) -> shape; fills in what the mask tells of the row, or
            raises `Unreadable`.
        passed_over: tells files that the set does not want paired; not counted as problems.

    Raises:
        UserError: as `prepare`.
    """
    located = sources.locate(entry, data_root, unpacked)
    root = sources.open_located(entry, located, unpacked)
    rows, problems = _pair(entry, located, root)
    problems = [each for each in problems if not passed_over(each)]
    found = len(rows)
    say(f"{entry.name}: source {located.key} ({located.source.label}), verifying {found:,} images")
    rows = [row for row in rows if _verify(row, root, located.layout, read_mask, problems)]
    expected = located.source.count
    if expected is not None and expected != len(rows):
        text = f"has {len(rows):,} usable samples, {expected:,} expected"
        problems.append(Problem(located.source.label, text, "download it again, or correct `count` of the source"))
    notes = _assign(entry, located, data_root, rows, problems)
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


def _read_mask(row: Row, data: bytes, layout: Layout) -> tuple[int, ...]:
    mask = images.decode_mask(data, layout.foreground)
    row.grey = int(np.count_nonzero((mask > 0) & (mask < 255)))
    row.foreground = float(np.count_nonzero(mask > 127) / mask.size)
    return mask.shape


def _pair(entry: Entry, located: sources.Located, root: Path) -> tuple[list[Row], list[Problem]]:
    """One row for each stem with exactly one image and one mask, and a problem for each file that is not in one."""
    image_files = pairing.files(root, located.layout.images)
    mask_files = {} if entry.ood else pairing.files(root, located.layout.masks)
    both = {path for group in image_files.values() for path in group} & {
        path for group in mask_files.values() for path in group
    }
    if both:
        raise UserError(
            f"data set {entry.name}: the same files are images and masks",
            found=listed(sorted(both), 3),
            do="tell them apart by pattern, such as  images: Imgs/*.jpg  masks: Imgs/*.png",
        )
    rows, problems = [], []
    for stem in sorted({*image_files, *mask_files}):
        groups = {"image": image_files.get(stem, []), "mask": mask_files.get(stem, [])}
        for kind, group in groups.items():
            if len(group) > 1:
                problems += [
                    Problem(path, f"{kind} of the same stem as another", "rename or remove one") for path in group
                ]
        if not groups["image"]:
            problems += [
                Problem(path, "mask without an image", "add the image or remove the mask") for path in groups["mask"]
            ]
        if not groups["mask"] and not entry.ood:
            problems += [
                Problem(path, "image without a mask", "add the mask or remove the image") for path in groups["image"]
            ]
        if len(groups["image"]) == 1 and len(groups["mask"]) == (not entry.ood):
            rows.append(Row(f"{entry.name}/{stem}", stem, groups["image"][0], "".join(groups["mask"])))
    return rows, problems


def _verify(row: Row, root: Path, layout: Layout, read_mask: ReadMask, problems: list[Problem]) -> bool:
    """Fill in what the files tell; whether the sample is usable."""
    before = len(problems)

    def read(name: str, decode: Callable[[bytes], tuple[int, ...]]) -> tuple[str, tuple[int, ...] | None]:
        try:
            data = (root / name).read_bytes()
            return hashlib.sha256(data).hexdigest(), decode(data)
        except images.Unreadable as error:
            problems.append(Problem(name, error.problem, error.do))
        except OSError as error:
            problems.append(Problem(name, f"cannot be read: {error.strerror}", "look at its permissions"))
        return "", None

    row.sha256_image, image = read(row.image, lambda data: images.decode_image(data).shape[:2])
    if image is not None:
        row.height, row.width = image
    if row.mask:
        row.sha256_mask, mask = read(row.mask, lambda data: read_mask(row, data, layout))
        if image is not None and mask is not None and mask != image:
            sizes = f"mask is {mask[1]} x {mask[0]}, its image {row.width} x {row.height}"
            do = (
                "save the image turned upright (an EXIF orientation is not applied)"
                if mask == image[::-1]
                else "give both the same size"
            )
            problems.append(Problem(row.mask, f"{sizes} pixels", do))
    return len(problems) == before


def _assign(
    entry: Entry, located: sources.Located, data_root: Path | str | None, rows: list[Row], problems: list[Problem]
) -> list[str]:
    """Write each row's place in every split into it; returns notes."""
    splits = entry.splits_of(located.source)
    by_stem = {row.stem: row for row in rows}
    notes = []

    def listed_stems(name: str, split: Split) -> list[str]:
        stems: dict[str, None] = {}
        for file in split.names:
            path = sources.look_up(file, data_root, "splits")
            if path is None:
                notes.append(
                    f"split {name} is empty: its name list {file} is not in the folder of downloads nor in its splits/"
                )
                return []
            for stem in pairing.names(path):
                if stem in stems:
                    notes.append(f"name list {file} names {stem} twice")
                stems[stem] = None
        problems.extend(
            Problem(
                " + ".join(split.names),
                f"{stem} of split {name} has no usable sample",
                "add it or take it off the list",
            )
            for stem in stems
            if stem not in by_stem
        )
        return [stem for stem in stems if stem in by_stem]

    def members(name: str) -> list[str]:
        if name == ALL:
            return list(by_stem)
        if name not in done:
            split = splits[name]
            if split.names:
                done[name] = listed_stems(name, split)
            elif split.folder is not None:
                done[name] = [row.stem for row in rows if f"/{split.folder}/" in f"/{row.image}"]
            else:
                stems = members(split.of)
                if split.without is not None:
                    gone = set(members(split.without))
                    stems = [stem for stem in stems if stem not in gone]
                if split.fraction is not None:
                    # By hash, so that one more image does not deal all the others anew.
                    drawn = sorted(stems, key=lambda stem: hashlib.sha256(f"{split.seed}/{stem}".encode()).digest())
                    drawn = set(drawn[: round(split.fraction * len(stems))])
                    stems = [stem for stem in stems if stem in drawn]
                done[name] = stems
        return done[name]

    done: dict[str, list[str]] = {}
    for name in splits:
        for rank, stem in enumerate(members(name)):
            by_stem[stem].splits[name] = rank
    return notes


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
