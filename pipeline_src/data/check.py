"""Which sets are here, and whether they are what their entries say."""

from __future__ import annotations

import csv
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pipeline_src.data import manifest, name_lists, sources
from pipeline_src.data.known import Known
from pipeline_src.errors import UserError


@dataclass(frozen=True)
class Checked:
    """What was found out about a set: how many usable samples it has, what is wrong, and what is worth knowing."""

    source: str
    samples: int
    splits: dict[str, int]
    problems: list[str]
    notes: list[str]


def here(entry: Known, data_root: Path | str | None) -> str | None:
    """Key of the source that lies in `data_root`, without reading its files; None if there is none."""
    for key, source in entry.sources.items():
        if source.kind in ("folder", "paths"):
            found = sources._folder(source, entry.layout(source), data_root) is not None
        else:
            found = all(sources.look_up(name, data_root, "archives") for name in source.files)
        if found:
            return key
    return None


def check(entry: Known, data_root: Path | str | None, unpacked: Path) -> Checked:
    """Read every file of a set: pairs, counts, sizes, values of masks, name lists, and the sha256 of its archives."""
    try:
        located = sources.locate(entry, data_root, unpacked)
    except UserError as error:  # not here, or its folder holds something else: the next set can be checked all the same
        return Checked("", 0, {}, [str(error)], [])
    problems = []
    for path, declared in zip(located.archives, located.source.sha256, strict=False):
        if declared and (found := sources._sha256(path)) != declared:
            problems.append(f"{path.name}: its sha256 is {found}, not {declared}; download it again")
    if problems:  # what is in a wrong archive says nothing of the set
        return Checked(located.key, 0, {}, problems, [])
    from pipeline_src.data.classes import prepare_classes
    from pipeline_src.data.prepare import prepare

    run = prepare_classes if entry.classes else prepare
    with tempfile.TemporaryDirectory() as folder:
        try:
            summary = run(entry, data_root, unpacked, Path(folder), "skip", lambda line: None)
        except UserError as error:
            return Checked(located.key, 0, {}, [str(error)], [])
        with open(Path(folder) / "problems.csv", encoding="utf-8", newline="") as file:
            problems = [f"{row['file']}: {row['problem']}; {row['do']}" for row in csv.DictReader(file)]
        usual = _usual(entry, data_root, Path(folder))
    notes = dict.fromkeys([*summary["notes"], *usual, *(f"known: {fault}" for fault in entry.faults)])
    return Checked(located.key, summary["samples"], summary["splits"], problems, list(notes))


def _usual(entry: Known, data_root: Path | str | None, folder: Path) -> list[str]:
    """How many of the images on which others report (`names`) are here, if not all."""
    wanted = name_lists.usual(entry, data_root)
    if wanted is None:
        return []
    found = wanted.intersection(row.stem for row in manifest.read(folder))
    return [f"{len(found):,} of the {len(wanted):,} names of {entry.names} are here"] if found != wanted else []
