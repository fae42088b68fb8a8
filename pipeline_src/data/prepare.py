"""A prepared dataset: unpacked, paired, every file verified, and listed."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np

from pipeline_src.data import groups, image_io, manifest, sources
from pipeline_src.data.entry import Entry, Split
from pipeline_src.data.manifest import Problem, Row
from pipeline_src.data.masks import ClassMasks, ObjectMasks, create_masks
from pipeline_src.data.pairing import IMAGE_SUFFIXES, pair_files
from pipeline_src.data.splits import assign_splits
from pipeline_src.data.unpacked import check_digests
from pipeline_src.errors import UserError, listed
from pipeline_src.files import read_bytes, write_text
from pipeline_src.params.schema import ALL

log = logging.getLogger(__name__)
NEAR = 0.97  # correlation of thumbnails: between frames of a video it is often higher, between photos hardly ever
NEAR_SHARE = 0.05  # share of a drawn split from which near-copies are reported


def prepare(
    entry: Entry,
    data_root: Path | str | None,
    unpacked: Path,
    out: Path,
    on_problem: Literal["fail", "skip"] = "fail",
) -> dict[str, Any]:
    """Unpack (or draw) the dataset, pair images and masks, verify every file, and write the list of
    its samples.

    Args:
        entry: the dataset.
        data_root: the user's folder of downloads.
        unpacked: cache folder for unpacked archives.
        out: gets manifest.csv, problems.csv and summary.json (no paths of this machine, no times).
        on_problem: "fail" raises if there is a problem, "skip" leaves the samples out and counts
            them.

    Returns:
        The content of summary.json.

    Raises:
        UserError: no source, a wrong archive, no usable sample, or (under "fail") problems, all at
            once. Then problems.csv is written, and manifest.csv and summary.json are not.
    """
    located = sources.locate(entry, data_root, unpacked)
    root, source = sources.open_root(located, unpacked), located.source
    if located.root is None:
        check_digests(root)
    pairs, problems = pair_files(entry, located.layout, root)
    log.info(
        "%s: source %s (%s), verifying %s images",
        entry.name,
        located.key,
        source.label,
        f"{len(pairs):,}",
    )
    verifier = _Verifier(root, create_masks(entry, located.layout), entry.max_pixels)
    rows = [row for row in pairs if verifier.verify(row)]
    splits, notes = entry.splits_of(source), []
    problems += verifier.problems + verifier.masks.problems(rows)
    if source.count is not None and source.count != len(rows):
        text = f"has {len(rows):,} usable samples, {source.count:,} expected"
        if entry.ood and len(rows) < source.count:  # some textures are enough
            notes.append(text)
        else:
            problems.append(
                Problem(source.label, text, "download it again, or correct `count` of the source")
            )
    split_problems, split_notes = assign_splits(entry, splits, data_root, root, rows)
    problems = sorted(problems + split_problems)
    manifest.write_csv(out / "problems.csv", Problem._fields, problems)
    if (problems and on_problem == "fail") or not rows:
        raise UserError(
            f"dataset {entry.name} has {len(problems):,} problems:{listed(problems) or f' no image in {root}'}",
            found=f"{len(rows):,} usable samples in {root}",
            expected=f"images and masks as {', '.join(sorted(IMAGE_SUFFIXES))}",
            fix="fix them, or leave them out with `data: {on_problem: skip}`",
        )
    notes += [*split_notes, *verifier.masks.notes(rows)]
    if not entry.groups and not entry.built_in:
        notes += near_copies(rows, splits, verifier.thumbnails)
    summary = {
        "set": entry.name,
        "source": located.key,
        "identity": sources.recorded_identity(entry, located, data_root),
        "samples": len(rows),
        "left_out": len(pairs) - len(rows),
        "splits": {
            ALL: len(rows),
            **{name: sum(name in row.splits for row in rows) for name in splits},
        },
        "problems": len(problems),
        "notes": notes,
    }
    manifest.write_rows(out, rows)
    write_text(Path(out) / "summary.json", json.dumps(summary, indent=1) + "\n")
    log.info(
        "%s: %s samples, %d problems (problems.csv)", entry.name, f"{len(rows):,}", len(problems)
    )
    for note in notes:
        log.info("%s: %s", entry.name, note)
    return summary


class DatasetReport(NamedTuple):
    """The result of a check: the source that was read, its usable samples, problems, and notes."""

    source: str
    samples: int
    splits: dict[str, int]
    problems: list[str]
    notes: list[str]


def check_dataset(entry: Entry, data_root: Path | str | None, unpacked: Path) -> DatasetReport:
    """Read every file of a dataset: pairs, counts, sizes, masks, name lists, and the sha256 of its archives."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            sources.check_archives(sources.locate(entry, data_root, unpacked))
            summary = prepare(entry, data_root, unpacked, folder, "skip")
            notes, stems = summary["notes"], [row.stem for row in manifest.read_rows(folder)]
            if entry.groups:
                number = len(
                    set(groups.names(stems, entry.groups, groups.find(entry.groups, data_root)))
                )
                notes.append(
                    f"{len(stems):,} images in {number:,} groups of images that are not independent"
                )
        except (UserError, OSError) as error:  # reported: the next dataset is checked in any case
            return DatasetReport("", 0, {}, [str(error)], [])
        problems = manifest.read_csv(folder / "problems.csv", lambda cells: str(Problem(**cells)))
    notes += [f"known: {fault}" for fault in entry.faults]
    return DatasetReport(summary["source"], summary["samples"], summary["splits"], problems, notes)


class _Verifier:
    """Reads every file of a dataset.

    Attributes:
        max_pixels: of a file.
        problems: problems with files.
        thumbnails: id -> `thumbnail` of the image.
    """

    def __init__(self, root: Path, masks: ObjectMasks | ClassMasks, max_pixels: int):
        self.root, self.masks, self.max_pixels = root, masks, max_pixels
        self.problems: list[Problem] = []
        self.thumbnails: dict[str, np.ndarray] = {}

    def verify(self, row: Row) -> bool:
        """Return whether a sample can be used; fills in its row."""
        count = len(self.problems)

        def decode(data: bytes) -> tuple[int, ...]:
            image = image_io.decode_image(data)
            self.thumbnails[row.id] = thumbnail(image)
            return image.shape[:2]

        row.sha256_image, shape = self._read(row.image, decode)
        row.height, row.width = shape
        if row.mask:
            row.sha256_mask, mask_shape = self._read(
                row.mask, lambda data: self.masks.inspect(row, data)
            )
            if len(self.problems) == count and mask_shape != shape:
                turned = mask_shape == shape[::-1]
                fix = (
                    "rotate the image's pixels (its EXIF orientation is not applied)"
                    if turned
                    else "fix the sizes"
                )
                text = f"mask is {mask_shape[1]} x {mask_shape[0]}, its image {row.width} x {row.height} pixels"
                self.problems.append(Problem(row.mask, text, fix))
        return len(self.problems) == count

    def _read(
        self, name: str, decode: Callable[[bytes], tuple[int, ...]]
    ) -> tuple[str, tuple[int, ...]]:
        """Return the sha256 and the shape (H, W) of a file; empty and (0, 0) if there is a problem with it."""
        try:
            data = read_bytes(self.root / name)
            image_io.check_pixels(data, self.max_pixels)
            return hashlib.sha256(data).hexdigest(), decode(data)
        except image_io.UnreadableImageError as error:
            self.problems.append(Problem(name, error.problem, error.fix))
        except OSError as error:
            self.problems.append(Problem(name, str(error), "check its permissions and the disk"))
        return "", (0, 0)


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Return a gray image of 16 x 16 pixels, (256,) float32 with mean 0 and norm 1."""
    gray = (
        cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA)
        .mean(axis=2, dtype=np.float32)
        .ravel()
    )
    gray -= gray.mean()
    return np.asarray(gray / max(float(np.linalg.norm(gray)), 1e-6))


def near_copies(
    rows: Sequence[Row], splits: Mapping[str, Split], thumbnails: Mapping[str, np.ndarray]
) -> list[str]:
    """Return a warning for each randomly drawn split with many images that look like an image outside the split."""
    notes = []
    for name in (name for name, split in splits.items() if split.fraction is not None):
        drawn, rest = (
            [row for row in rows if (name in row.splits) is member] for member in (True, False)
        )
        if not drawn or not rest:
            continue
        outside = np.array([thumbnails[row.id] for row in rest])
        # One at a time: all correlations of a large dataset would fill the memory.
        near = [row for row in drawn if (outside @ thumbnails[row.id]).max() > NEAR]
        if len(near) > NEAR_SHARE * len(drawn):
            twin = rest[(outside @ thumbnails[near[0].id]).argmax()]
            notes.append(
                f"WARNING: {len(near):,} of {len(drawn):,} images of the drawn split {name} look like an image outside "
                f"the split, such as {near[0].stem} like {twin.stem}. If they are frames of a video or images of a "
                "patient, name these by `groups:`, and they are drawn together"
            )
    return notes
