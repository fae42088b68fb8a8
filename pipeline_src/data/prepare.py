"""A data set made ready: unpacked, paired, every file verified, and listed."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from pipeline_src.data import identity, image_io, manifest, sources
from pipeline_src.data.entry import Entry, Layout
from pipeline_src.data.image_headers import Header, read_header
from pipeline_src.data.lookup import IMAGE_SUFFIXES
from pipeline_src.data.manifest import Problem, Row
from pipeline_src.data.masks import ClassMasks, ObjectMasks, masks_of
from pipeline_src.data.pairing import pair_files
from pipeline_src.data.splits import assign_splits
from pipeline_src.errors import UserError, listed
from pipeline_src.files import fault, write_text
from pipeline_src.params.parts import ALL
from pipeline_src.params.schema import LIMITS, Limits

log = logging.getLogger(__name__)


def prepare(
    entry: Entry,
    data_root: Path | str | None,
    unpacked: Path,
    out: Path,
    on_problem: Literal["fail", "skip"] = "fail",
    limits: Limits = LIMITS,
    headers: dict[str, Header] | None = None,
) -> dict[str, Any]:
    """Unpack (or draw) the set, pair images and masks, verify every file, and write the list of its samples.

    Args:
        entry: the set.
        data_root: the user's folder of downloads.
        unpacked: cache folder for unpacked archives.
        out: gets manifest.csv, problems.csv and summary.json (no paths of this machine, no time stamps).
        on_problem: "fail" raises if there is a problem, "skip" leaves the samples out and counts them.
        limits: larger archives are refused, and larger images are problems.
        headers: gets what the headers of the files say, by name, for who wants to know more than is verified here.

    Returns:
        The content of summary.json.

    Raises:
        UserError: no source, an unsafe or wrong archive, unpacked files that were changed, no usable sample, or (under
            "fail") problems, all at once. problems.csv is written then, and manifest.csv and summary.json are not.
    """
    located = sources.locate(entry, data_root, unpacked)
    root, source = sources.open_root(located, unpacked, limits), located.source
    sources.check_unpacked(located, root)
    masks = masks_of(entry, located.layout)
    pairs, problems = pair_files(entry, located.layout, root)
    log.info("%s: source %s (%s), verifying %s images", entry.name, located.key, source.label, f"{len(pairs):,}")
    rows, notes, headers = [], [], {} if headers is None else headers
    for row in pairs:
        row_problems, row_notes = _verify(row, root, masks, limits.pixels, headers)
        problems += row_problems
        notes += row_notes
        rows += [] if row_problems else [row]
    if source.count is not None and source.count != len(rows):
        text = f"has {len(rows):,} usable samples, {source.count:,} expected"
        if entry.ood and len(rows) < source.count:  # a smaller set of textures is still one
            notes.append(text)
        else:
            problems.append(Problem(source.label, text, "download it again, or correct `count` of the source"))
    problems += masks.problems(rows) if rows else []
    splits = entry.splits_of(source)
    split_problems, split_notes = assign_splits(entry, splits, data_root, root, rows)
    problems = sorted(problems + split_problems)
    manifest.write_problems(out, problems)
    _check_usable(entry, located.layout, root, pairs, rows, problems, on_problem)
    identical = _identical_images(rows)
    summary = {
        "set": entry.name,
        "source": located.key,
        "identity": identity.summary(entry, located, data_root),
        "expected": source.count,
        "images": len(pairs),
        "samples": len(rows),
        "left_out": len(pairs) - len(rows),
        "splits": {ALL: len(rows), **{name: sum(name in row.splits for row in rows) for name in splits}},
        **masks.summary(rows),
        "identical_images": identical,
        "problems": len(problems),
        "notes": [*notes, *split_notes, *masks.notes(rows), *_identity_notes(rows, identical)],
    }
    manifest.write(out, rows)
    write_text(Path(out) / "summary.json", json.dumps(summary, indent=1) + "\n")
    _log(summary)
    return summary


def _check_usable(
    entry: Entry,
    layout: Layout,
    root: Path,
    pairs: Sequence[Row],
    rows: Sequence[Row],
    problems: Sequence[Problem],
    on_problem: str,
) -> None:
    """UserError where there is no sample, or a problem that is not to be skipped."""
    if not pairs and not problems:
        raise UserError(
            f"data set {entry.name} is empty",
            found=f"no image in {' and '.join((*layout.images, *layout.masks))} of {root}",
            expected=f"files {', '.join(sorted(IMAGE_SUFFIXES))}",
            do="put the images there, or correct `images:` and `masks:` of the data set",
        )
    if (problems and on_problem == "fail") or not rows:
        raise UserError(
            f"data set {entry.name} has {len(problems):,} problems:{listed(problems)}",
            found=f"{len(rows):,} usable samples in {root}",
            do="fix them, or leave them out with `data: {on_problem: skip}`",
        )


def _verify(
    row: Row, root: Path, masks: ObjectMasks | ClassMasks, pixels: int, headers: dict[str, Header]
) -> tuple[list[Problem], list[str]]:
    """Read a sample's files, and fill in its row and their headers; the problems with them, and notes."""
    problems, notes = [], []

    def read(name: str, decode: Callable[[bytes], tuple[int, ...]]) -> tuple[str, tuple[int, ...] | None]:
        """The sha256 and the shape of a file."""
        try:
            if reason := fault(root / name):
                problems.append(Problem(name, reason, "replace it by a file, or remove it"))
                return "", None
            data = (root / name).read_bytes()
            headers[name] = read_header(data, pixels)
            with image_io.warnings_of_libjpeg(data) as warnings:
                shape = decode(data)
            notes.extend(f"{name}: libjpeg warns: {text}" for text in warnings)
            return hashlib.sha256(data).hexdigest(), shape
        except image_io.UnreadableImageError as error:
            problems.append(Problem(name, error.problem, error.do))
        except OSError as error:
            problems.append(Problem(name, f"cannot be read: {error.strerror}", "check its permissions and the disk"))
        return "", None

    row.sha256_image, image = read(row.image, lambda data: image_io.decode_image(data).shape[:2])
    if image is not None:
        row.height, row.width = image
    if row.mask:
        row.sha256_mask, mask = read(row.mask, lambda data: masks.read(row, data))
        if image is not None and mask is not None and mask != image:
            turned = mask == image[::-1]
            do = "rotate the image's pixels (its EXIF orientation is not applied)" if turned else "make the sizes equal"
            text = f"mask is {mask[1]} x {mask[0]}, its image {row.width} x {row.height} pixels"
            problems.append(Problem(row.mask, text, do))
    return problems, notes


def _identical_images(rows: Sequence[Row]) -> list[list[str]]:
    """Pairs of ids whose images are byte-identical: the first of a group with each other one."""
    groups = defaultdict(list)
    for row in rows:
        groups[row.sha256_image].append(row.id)
    return [[first, other] for first, *others in groups.values() for other in others]


def _identity_notes(rows: Sequence[Row], pairs: list[list[str]]) -> list[str]:
    if not pairs:
        return []
    splits = {row.id: frozenset(row.splits) for row in rows}
    crossing = sum(splits[one] != splits[two] for one, two in pairs)
    return [f"{len(pairs):,} pairs of byte-identical images, {crossing:,} of them across splits"]


def _log(summary: dict[str, Any]) -> None:
    name, splits = summary["set"], ", ".join(f"{split} {count:,}" for split, count in summary["splits"].items())
    log.info("%s: %s samples; %s", name, f"{summary['samples']:,}", splits)
    if summary["problems"]:
        log.info("%s: %d problems, %d left out, listed in problems.csv", name, summary["problems"], summary["left_out"])
    for note in summary["notes"]:
        log.info("%s: %s", name, note)
