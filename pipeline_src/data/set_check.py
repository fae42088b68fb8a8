"""Whether a data set matches its entry: the work of `data check`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import numpy as np

from pipeline_src.data import advice, groups, image_io, manifest, sources
from pipeline_src.data.detection.mask_recognition import evenly_spaced, perhaps_ids
from pipeline_src.data.entry import Entry
from pipeline_src.data.image_headers import SEVERAL, UPRIGHT, Header
from pipeline_src.data.lookup import benchmark_file, read_name_list
from pipeline_src.data.pairing import pair_files
from pipeline_src.data.sources import Located
from pipeline_src.data.unpack import maybe_cut
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Limits


@dataclass(frozen=True)
class SetReport:
    """The result of a check: the source that was read, its usable samples, problems, and notes."""

    source: str = ""
    samples: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_set(entry: Entry, data_root: Path | str | None, unpacked: Path, limits: Limits) -> SetReport:
    """Read every file of a set: pairs, counts, sizes, values of masks, name lists, and the sha256 of its archives."""
    from pipeline_src.data.prepare import prepare

    key = ""
    headers: dict[str, Header] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            located = sources.locate(entry, data_root, unpacked)
            key = located.key
            sources.check_archives(located)
            summary = prepare(entry, data_root, unpacked, Path(folder), "skip", limits, headers)
            rows = manifest.read(Path(folder))
            stems = [row.stem for row in rows]
            summary["notes"] += _groups(entry, stems, data_root)
            grey = [row.mask for row in rows if row.grey and not entry.classes]
            if grey and located.layout.foreground is None:
                summary["notes"] += _ids(sources.open_root(located, unpacked, limits), grey)
        except (UserError, OSError) as error:  # reported, so that the next set can be checked all the same
            return SetReport(key, problems=[str(error)])
        problems = [str(problem) for problem in manifest.read_problems(Path(folder))]
    usable = {name: headers[name] for row in rows for name in (row.image, row.mask) if name}
    problems += [str(manifest.Problem(name, *SEVERAL)) for name, header in usable.items() if header.several]
    known_faults = [f"known: {fault}" for fault in entry.faults]
    notes = [*summary["notes"], *advice.missing_lists(entry, key, data_root), *_coverage(entry, set(stems), data_root)]
    notes += [*_turned(usable), *_ends(located)]
    return SetReport(key, summary["samples"], summary["splits"], problems, list(dict.fromkeys([*notes, *known_faults])))


def misfits(entry: Entry, data_root: Path | str | None, unpacked: Path) -> list[str]:
    """What is wrong with the folders and names of a set that is here, none of whose files is decoded; nothing is known
    of an archive that is not unpacked yet."""
    try:
        located = sources.locate(entry, data_root, unpacked)
        root = sources.root_folder(located, unpacked)
        if located.root is None and not sources.is_unpacked(root):
            return []
        rows, problems = pair_files(entry, located.layout, root)
    except UserError as error:
        return [str(error)]
    return [*map(str, problems)] if rows or problems else [f"no image in {root}"]


def _groups(entry: Entry, stems: list[str], data_root: Path | str | None) -> list[str]:
    """How many groups the images are of, if they are not independent; UserError where `groups` does not fit them."""
    if not entry.groups:
        return []
    number = groups.number(stems, entry.groups, groups.find(entry.groups, data_root)).max(initial=-1) + 1
    return [f"{len(stems):,} images in {number:,} groups of images that are not independent"]


def _ids(root: Path, grey: list[str]) -> list[str]:
    """That the values of some of the masks with grey pixels may be class ids."""
    read = (image_io.mask_values((root / mask).read_bytes(), indices=False) for mask in evenly_spaced(grey))
    note = perhaps_ids(sum((np.bincount(values.ravel(), minlength=256) for values in read), np.zeros(256, np.int64)))
    return [note] if note else []


def _turned(headers: dict[str, Header]) -> list[str]:
    """How many files ask to be turned, which is not done."""
    turned = [name for name, header in headers.items() if header.orientation != UPRIGHT]
    if not turned:
        return []
    note = "have an EXIF orientation, which is not applied: images and masks must fit as their pixels are stored"
    return [f"{len(turned):,} files, such as {turned[0]}, {note}"]


def _ends(located: Located) -> list[str]:
    """What the ends of archives say that no sha256 proves to be whole."""
    proven = zip_longest(located.archives, located.source.sha256)
    return [note for archive, sha256 in proven if archive and not sha256 and (note := maybe_cut(archive))]


def _coverage(entry: Entry, stems: set[str], data_root: Path | str | None) -> list[str]:
    """How many of the images on which others report their numbers are in the set, if not all."""
    file = benchmark_file(entry, data_root)
    names = set(read_name_list(file)) if file else set()
    if names <= stems:
        return []
    return [f"{len(names & stems):,} of the {len(names):,} names of {entry.benchmark_list} are available"]
