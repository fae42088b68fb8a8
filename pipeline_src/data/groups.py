"""Images that are not independent, such as frames of one video: which of them belong together.

`groups` is a regular expression with one group in brackets, searched in an image's stem (images with the same text
there belong together), or the name of a csv file with the columns `id` (the stem) and `group`. An image that the file
does not name belongs to no other.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from pipeline_src.data.entry import GROUPS_FILE
from pipeline_src.data.lookup import find_name_list
from pipeline_src.errors import UserError, listed
from pipeline_src.files import composed, content, reading

COLUMNS = ["id", "group"]
SHOWN = 5  # groups that a line names


def find(groups: str, data_root: Path | str | None) -> Path | None:
    """The file that `groups` names, in `data_root`, its splits/, the working folder, or LISTS; None for a pattern.

    Raises:
        UserError: there is no such file.
    """
    if not groups.endswith(GROUPS_FILE):
        return None
    path = find_name_list(groups, data_root, None)
    if path is None:
        raise UserError(
            f"the file of groups {groups} is missing",
            expected=f"a csv file with the columns {','.join(COLUMNS)}, in the working folder or in {data_root}",
            do="put it there, or take `groups` out",
        )
    return path


def names(ids: Sequence[str], groups: str, file: Path | None = None) -> list[str | tuple[str]]:
    """The group of each image; that of an image that belongs to no other is a tuple with its stem.

    Args:
        ids: stems, or ids "<set>/<stem>".
        file: what `find` returned.

    Raises:
        UserError: images that the pattern does not fit; a file of another form, or one that names none of the images.
    """
    stems = [name.rpartition("/")[2] for name in ids]
    return _of_pattern(stems, groups) if file is None else _of_file(stems, file)


def number(ids: Sequence[str], groups: str, file: Path | None = None) -> np.ndarray:
    """(N,) int64: the group of each image (`names`), from 0 in the order in which they occur."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names(ids, groups, file)], np.int64)


def crossings(parts: Mapping[str, Sequence[str | tuple[str]]]) -> list[str]:
    """A line for each two parts that have groups in common, of the groups of their images; test parts may."""
    lines = []
    for one, two in combinations(parts, 2):
        shared = sorted({*parts[one]} & {*parts[two]}, key=str) if {one, two} & {"train", "val"} else []
        if shared := [name for name in shared if isinstance(name, str)]:
            number, more = len(shared), ", ..." * (len(shared) > SHOWN)
            which = f"group{'s' * (number > 1)} of images that are not independent: {', '.join(shared[:SHOWN])}{more}"
            lines.append(f"{one} and {two} share {number:,} {which}")
    return lines


def _of_pattern(stems: Sequence[str], pattern: str) -> list[str | tuple[str]]:
    matches = {stem: re.search(pattern, stem) for stem in stems}
    if without := [stem for stem, match in matches.items() if not (match and match[1])]:
        raise UserError(
            f"`groups` {pattern!r} fits not all image names", found=listed(without), do="change it, or use a csv file"
        )
    return [matches[stem][1] for stem in stems]


def _of_file(stems: Sequence[str], file: Path) -> list[str | tuple[str]]:
    groups = _read(file)
    if stems and not any(stem in groups for stem in stems):
        raise UserError(
            f"the file of groups {file} names none of the images",
            found=f"{next(iter(groups))} in the file, {stems[0]} among the images",
            expected="names of images without folder and suffix",
        )
    return [groups.get(stem, (stem,)) for stem in stems]  # a tuple is no name of a group


def _read(file: Path) -> dict[str, str]:
    """Group by stem."""
    what = f"the file of groups {file} cannot be read"
    with reading(what, expected="a csv file in UTF-8", do="correct it", also=csv.Error):
        lines = composed(content(file).decode("utf-8-sig")).splitlines()
        header, *rows = list(csv.reader(line for line in lines if not line.startswith("#"))) or [[]]
    bad = [",".join(row) for row in rows if len(row) != len(COLUMNS) or not all(row)]
    if header != COLUMNS or bad or not rows:
        problem = ",".join(header) if header != COLUMNS else listed(bad) or "no row"
        expected = f"the line {','.join(COLUMNS)}, then a row per image"
        raise UserError(f"the file of groups {file} has another form", found=problem, expected=expected)
    groups = dict(rows)
    if twice := sorted({name for name, group in rows if groups[name] != group}):
        raise UserError(f"the file of groups {file} puts images into two groups", found=listed(twice))
    return groups
