"""Groups of images that are not independent, such as frames of a video.

`groups` is a regular expression with one group in brackets, searched in an image's stem (images
with the same text there belong together), or the name of a csv file with the columns `id` (the
stem) and `group`. An image that the file does not name is a group of its own. The stem of a saved
map includes its folders below `--pred`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from pipeline_src.data.entry import GROUPS_FILE
from pipeline_src.data.pairing import find_name_list
from pipeline_src.errors import UserError, few, listed
from pipeline_src.files import composed, read_bytes, reading

COLUMNS = ["id", "group"]
GroupName = str | tuple[str]  # a tuple holds the stem of an image that belongs to no other


def find(groups: str, data_root: Path | str | None) -> Path | None:
    """Return the file that `groups` names, looked up like a name list; None for a pattern.

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
            fix="put it there, or remove `groups`",
        )
    return path


def names(ids: Sequence[str], groups: str, file: Path | None = None) -> list[GroupName]:
    """Return the group of each image.

    Args:
        ids: stems; of saved maps with their folders.
        file: the result of `find`.

    Raises:
        UserError: images that the pattern does not fit; a file of another form, or one that names
            none of the images.
    """
    if file is None:
        matches = {stem: re.search(groups, stem) for stem in ids}
        by_stem = {stem: match[1] for stem, match in matches.items() if match and match[1]}
        if unmatched := [stem for stem in ids if stem not in by_stem]:
            raise UserError(
                f"`groups` {groups!r} does not fit all image names",
                found=listed(unmatched),
                fix="change it, or use a csv file",
            )
    else:
        by_stem = _read(file)
        if short := [
            stem for stem in ids if stem not in by_stem and stem.rpartition("/")[2] in by_stem
        ]:
            raise UserError(
                f"the file of groups {file} names images without their folders",
                found=f"{short[0].rpartition('/')[2]}, and the image {short[0]}",
                expected="names of images with the folders below --pred",
            )
        if ids and not any(stem in by_stem for stem in ids):
            raise UserError(
                f"the file of groups {file} names none of the images",
                found=f"{next(iter(by_stem))} in the file, {ids[0]} among the images",
                expected="names of images without suffix",
            )
    return [by_stem.get(stem, (stem,)) for stem in ids]


def number(ids: Sequence[str], groups: str, file: Path | None = None) -> np.ndarray:
    """Return (N,) int64: the group of each image (`names`), from 0 in the order in which they occur."""
    numbers: dict[GroupName, int] = {}
    return np.array(
        [numbers.setdefault(name, len(numbers)) for name in names(ids, groups, file)], np.int64
    )


def number_samples(ids: Sequence[str], groups: str, file: Path | None = None) -> np.ndarray:
    """Return `number` of the samples of datasets, whose ids are "<set>/<stem>"."""
    return number([name.rpartition("/")[2] for name in ids], groups, file)


def crossings(parts: Mapping[str, Sequence[GroupName]]) -> list[str]:
    """Return a line for each two parts that share groups, except for two test parts."""
    lines = []
    for first, second in combinations(parts, 2):
        shared = sorted(
            name for name in {*parts[first]} & {*parts[second]} if isinstance(name, str)
        )
        if shared and {first, second} & {"train", "val"}:
            count = f"{len(shared):,} group{'s' * (len(shared) > 1)}"
            lines.append(
                f"{first} and {second} share {count} of images that are not independent: {few(shared, 5)}"
            )
    return lines


def _read(file: Path) -> dict[str, str]:
    """Return the group by stem."""
    with reading(f"the file of groups {file} cannot be read", expected="a csv file in UTF-8"):
        lines = composed(read_bytes(file).decode("utf-8-sig")).splitlines()
        header, *rows = list(csv.reader(line for line in lines if not line.startswith("#"))) or [[]]
    bad = [",".join(row) for row in rows if len(row) != len(COLUMNS) or not all(row)]
    if header != COLUMNS or bad or not rows:
        raise UserError(
            f"the file of groups {file} has another form",
            found=",".join(header) if header != COLUMNS else listed(bad) or "no row",
            expected=f"the line {','.join(COLUMNS)}, then a row per image",
        )
    return dict(rows)
