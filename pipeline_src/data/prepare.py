"""The preparation of a dataset: it is unpacked, its images and masks are paired, every file is
verified, and all samples are listed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import cv2
import numpy as np

from pipeline_src.data import groups, image_io, manifest, sources
from pipeline_src.data.entry import Entry
from pipeline_src.data.manifest import Problem, Row
from pipeline_src.data.masks import ClassMasks, ObjectMasks, create_masks
from pipeline_src.data.pairing import IMAGE_SUFFIXES, pair_files
from pipeline_src.data.splits import assign_splits
from pipeline_src.data.unpacking import checked_digests
from pipeline_src.errors import UserError, few, listed
from pipeline_src.files import Content, read_bytes, write_text
from pipeline_src.params.schema import ALL

log = logging.getLogger(__name__)
T = TypeVar("T")
# Two images are near-copies if the correlation of their thumbnails is higher. It often is between
# frames of a video, and hardly ever between photos.
NEAR = 0.97
NEAR_SHARE = 0.05  # a drawn split with a larger share of near-copies is reported


def prepare(
    entry: Entry,
    data_root: Path,
    unpacked: Path,
    out: Path,
    on_problem: Literal["fail", "skip"] = "fail",
) -> Content:
    """Write the list of a dataset's samples, and return the content of summary.json.

    The dataset is unpacked (or drawn by its generator), images and masks are paired, every file is
    verified, and the samples of each split are found.

    Args:
        data_root: the user's folder of downloads.
        unpacked: cache folder for unpacked archives.
        out: gets manifest.csv, problems.csv and summary.json (no paths of this machine, no times).
        on_problem: "fail" raises if there is a problem, "skip" leaves the samples out and counts
            them.

    Raises:
        UserError: no source, a wrong archive, no usable sample, or (under "fail") problems, all at
            once. Then problems.csv is written, and manifest.csv and summary.json are not.
    """
    # Find or unpack the files.
    located = sources.locate(entry, data_root, unpacked)
    source = located.source
    root = sources.open_root(located, unpacked)
    # Files of a user's folder have no digests yet: the verifier computes them.
    digests = checked_digests(root) if located.root is None else {}

    # Pair images with masks, and verify each pair.
    pairs, problems = pair_files(entry, located.layout, root)
    log.info(
        "%s: source %s (%s), verifying %s images",
        entry.name,
        located.key,
        source.label,
        f"{len(pairs):,}",
    )
    masks = create_masks(entry, located.layout)
    verifier = _Verifier(root, masks, entry.max_pixels, digests)
    rows = [row for row in pairs if verifier.verify(row)]
    problems += verifier.problems + masks.problems(rows)

    # Compare the number of samples with the number that the source states.
    notes = []
    if source.count is not None and source.count != len(rows):
        text = f"has {len(rows):,} usable samples, {source.count:,} expected"
        if entry.ood and len(rows) < source.count:  # some textures are enough
            notes.append(text)
        else:
            problems.append(
                Problem(source.label, text, "download it again, or correct `count` of the source")
            )

    # Find the samples of each split; then all problems are known.
    splits = entry.splits_of(source)
    split_problems, split_notes = assign_splits(entry, splits, data_root, root, rows)
    problems = sorted(problems + split_problems)
    manifest.write_csv(out / "problems.csv", Problem._fields, problems)
    if (problems and on_problem == "fail") or not rows:
        text = listed(problems) or f" no image in {root}"
        raise UserError(
            f"dataset {entry.name} has {len(problems):,} problems:{text}",
            found=f"{len(rows):,} usable samples in {root}",
            expected=f"images and masks as {', '.join(sorted(IMAGE_SUFFIXES))}",
            fix="fix them, or leave them out with `data: {on_problem: skip}`",
        )

    # Collect notes for users.
    notes += split_notes + masks.notes(rows)
    if verifier.turned:
        notes.append(
            "WARNING: an EXIF orientation is not applied, so masks must fit the stored pixels of "
            f"images, in these files: {few(verifier.turned, 3)}"
        )
    if not entry.groups and not entry.built_in:
        # A random share may separate frames of one video. Groups would keep them together, and
        # built-in datasets keep their published splits.
        drawn = [name for name, split in splits.items() if split.fraction is not None]
        notes += near_copies(rows, drawn, verifier.thumbnails)

    # Write the samples and the summary.
    sizes = {ALL: len(rows)}
    for name in splits:
        sizes[name] = sum(name in row.splits for row in rows)
    summary = {
        "set": entry.name,
        "source": located.key,
        "identity": sources.recorded_identity(located, data_root),
        "samples": len(rows),
        "left_out": len(pairs) - len(rows),
        "splits": sizes,
        "problems": len(problems),
        "notes": notes,
    }
    manifest.write_rows(out, rows)
    write_text(out / "summary.json", json.dumps(summary, indent=1) + "\n")
    log.info(
        "%s: %s samples, %d problems (problems.csv)", entry.name, f"{len(rows):,}", len(problems)
    )
    for note in notes:
        log.info("%s: %s", entry.name, note)
    return summary


class DatasetReport(NamedTuple):
    """The result of a check of a dataset.

    Attributes:
        source: key of the source that was read; empty if there is none.
        samples: number of usable samples.
        splits: number of samples by split.
        problems: texts of the problems.
        notes: texts of warnings and facts.
    """

    source: str
    samples: int
    splits: dict[str, int]
    problems: list[str]
    notes: list[str]


def check_dataset(entry: Entry, data_root: Path, unpacked: Path) -> DatasetReport:
    """Return a report on a dataset, after reading all its files and the sha256 of its archives.

    It prepares the dataset in a temporary folder, without the samples that have problems.

    Args:
        data_root: the user's folder of downloads.
        unpacked: cache folder for unpacked archives.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            sources.check_archives(sources.locate(entry, data_root, unpacked))
            summary = prepare(entry, data_root, unpacked, folder, on_problem="skip")
            notes = summary["notes"]
            if entry.groups:
                stems = [row.stem for row in manifest.read_rows(folder)]
                file = groups.find(entry.groups, data_root)
                number = len(set(groups.names(stems, entry.groups, file)))
                notes.append(
                    f"{len(stems):,} images in {number:,} groups of images that are not independent"
                )
        except (UserError, OSError) as error:  # reported: the next dataset is checked in any case
            return DatasetReport(source="", samples=0, splits={}, problems=[str(error)], notes=[])
        problems = manifest.read_csv(folder / "problems.csv", lambda cells: str(Problem(**cells)))
    notes += [f"known: {fault}" for fault in entry.faults]
    return DatasetReport(summary["source"], summary["samples"], summary["splits"], problems, notes)


@dataclass
class _Verifier:
    """Reads every file of a dataset, and collects the problems.

    Attributes:
        root: folder of the dataset.
        masks: the reader of the dataset's masks.
        max_pixels: the most pixels that a file may have.
        digests: SHA-256 of files by path; `verify` adds the files that it reads.
        problems: problems with files.
        turned: paths of files with an EXIF orientation, which is not applied.
        thumbnails: a small gray version of each image by the id of the sample, (256,).
    """

    root: Path
    masks: ObjectMasks | ClassMasks
    max_pixels: int
    digests: dict[str, str]
    problems: list[Problem] = field(default_factory=list)
    turned: list[str] = field(default_factory=list)
    thumbnails: dict[str, np.ndarray] = field(default_factory=dict)

    def verify(self, row: Row) -> bool:
        """Return whether a sample can be used; set the sizes and digests of its row.

        Its files must be readable, and its mask as large as its image. Else a problem is added.
        """
        image = self._read(row.image, image_io.decode_image)
        mask = self._read(row.mask, partial(self.masks.inspect, row)) if row.mask else None
        if image is None or (row.mask and mask is None):
            return False
        row.height, row.width = image.shape[:2]
        row.sha256_image = self.digests[row.image]
        row.sha256_mask = self.digests.get(row.mask, "")
        self.thumbnails[row.id] = thumbnail(image)
        # `mask` is the shape (H, W) that `inspect` returned, or None for a sample without a mask.
        if mask in (None, (row.height, row.width)):
            return True
        fix = "fix the sizes"
        if mask == (row.width, row.height):  # only one of the files was rotated
            fix = "rotate the image's pixels (its EXIF orientation is not applied)"
        text = f"mask is {mask[1]} x {mask[0]}, its image {row.width} x {row.height} pixels"
        self.problems.append(Problem(row.mask, text, fix))
        return False

    def _read(self, name: str, decode: Callable[[bytes], T]) -> T | None:
        """Return what `decode` makes of a file's bytes, or None after adding a problem with it.

        Args:
            name: path of the file relative to the dataset's folder.
        """
        try:
            data = read_bytes(self.root / name)
            image_io.check_pixels(data, self.max_pixels)
            if name not in self.digests:
                self.digests[name] = hashlib.sha256(data).hexdigest()
            content = decode(data)
            with suppress(image_io.UnreadableImageError):  # of several pictures the first counts
                if image_io.is_turned(data):
                    self.turned.append(name)
            return content
        except image_io.UnreadableImageError as error:
            self.problems.append(Problem(name, error.problem, error.fix))
        except OSError as error:
            self.problems.append(Problem(name, str(error), "check its permissions and the disk"))
        return None


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Return an image as 16 x 16 gray values, (256,) float32 with mean 0 and norm 1.

    The scalar product of two thumbnails is their correlation. Images of one color give zeros.
    """
    small = cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA)
    gray = small.mean(axis=2, dtype=np.float32).ravel()
    gray -= gray.mean()
    return gray / max(float(np.linalg.norm(gray)), 1e-6)


def near_copies(
    rows: Sequence[Row], drawn_splits: Sequence[str], thumbnails: Mapping[str, np.ndarray]
) -> list[str]:
    """Return a warning for each drawn split with many images that resemble one outside it.

    They may be frames of one video: then the split is not independent of the others.

    Args:
        drawn_splits: names of the splits that are random shares of others.
        thumbnails: `thumbnail` of each image by the id of its sample.
    """
    notes = []
    for name in drawn_splits:
        drawn = [row for row in rows if name in row.splits]
        rest = [row for row in rows if name not in row.splits]
        if not drawn or not rest:
            continue
        outside = np.array([thumbnails[row.id] for row in rest])
        # One at a time: all correlations of a large dataset would fill the memory.
        near = [row for row in drawn if (outside @ thumbnails[row.id]).max() > NEAR]
        if len(near) > NEAR_SHARE * len(drawn):
            twin = rest[(outside @ thumbnails[near[0].id]).argmax()]
            notes.append(
                f"WARNING: {len(near):,} of {len(drawn):,} images of the drawn split {name} look "
                f"like an image outside the split, such as {near[0].stem} like {twin.stem}. If "
                "they are frames of a video or images of a patient, name these by `groups:`, and "
                "they are drawn together"
            )
    return notes
