"""Groups of images that are not independent, such as frames of a video.

A user's setting `groups` names the group of each image in one of two forms. It is a regular
expression, whose part in brackets matches the name of the group in the image's stem (the file name
without suffix). Or it is the name of a csv file with the columns `id` (the stem) and `group`; an
image that the file does not name is a group of its own. The stem of a saved map includes its
folders below `--pred`.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from pipeline_src.data.entry import GROUPS_FILE
from pipeline_src.data.pairing import find_name_list
from pipeline_src.errors import UserError, few, listed
from pipeline_src.files import composed, read_bytes, reading

COLUMNS = ["id", "group"]
# The name of a group. An image without a group has a tuple with its stem in place of a name, which
# is never equal to the name of a group.
GroupName = str | tuple[str]


def find(groups: str, data_root: Path | None) -> Path | None:
    """Return the csv file that `groups` names; None if `groups` is a regular expression.

    The file is searched in `data_root` and in the working folder.

    Raises:
        UserError: there is no such file.
    """
    if not groups.endswith(GROUPS_FILE):
        return None
    path = find_name_list(groups, data_root or Path())
    if path is None:
        raise UserError(
            f"the file of groups {groups} is missing",
            expected=f"a csv file with the columns {','.join(COLUMNS)}, in the working folder "
            "or, of a dataset, in the folder of the data",
            fix="put it there, or leave out the groups",
        )
    return path


def names(stems: Sequence[str], groups: str, file: Path | None = None) -> list[GroupName]:
    """Return the name of the group of each image; a tuple of its stem if it has no group.

    Args:
        stems: stems of the images; stems of saved maps include their folders.
        groups: a regular expression whose brackets match the name of the group, or a csv file.
        file: the path of the csv file (`find`), None for a regular expression.

    Raises:
        UserError: images that the pattern does not fit; a file of another form, or one that names
            none of the images.
    """
    by_stem = _matched(stems, groups) if file is None else _read(file, stems)
    return [by_stem.get(stem, (stem,)) for stem in stems]


def numbered(names: Sequence[GroupName]) -> np.ndarray:
    """Return the number of the group of each image, (N,) int64 from 0 in the order of occurrence.

    Args:
        names: the name of the group of each image.
    """
    numbers: dict[GroupName, int] = {}
    # A group that occurs for the first time gets the next number.
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)


def numbers_of_samples(ids: Sequence[str], groups: str, file: Path | None = None) -> np.ndarray:
    """Return the number of the group of each image, (N,) int64, by sample ids.

    Args:
        ids: sample ids of the N images, "<set>/<stem>".
        groups: a regular expression or the name of a csv file, whose path is `file`.
    """
    return numbered(names([name.rpartition("/")[2] for name in ids], groups, file))


def crossings(splits: Mapping[str, Sequence[GroupName]]) -> list[str]:
    """Return a line of text for each pair of splits that share groups of dependent images.

    One split of the pair is "train" or "val": a network that was trained on frames of a video knows
    the other frames of this video. Two test splits may share groups.

    Args:
        splits: the group of each image, by split; a tuple for an image without a group.
    """
    lines = []
    for first, second in combinations(splits, 2):
        common = set(splits[first]).intersection(splits[second])
        # Equal stems of images without a group mean nothing.
        shared = sorted(name for name in common if isinstance(name, str))
        if shared and {first, second} & {"train", "val"}:
            lines.append(
                f"{first} and {second} share {len(shared):,} group{'s' * (len(shared) > 1)} of "
                f"images that are not independent: {few(shared, 5)}"
            )
    return lines


def _matched(stems: Sequence[str], pattern: str) -> dict[str, str]:
    """Return the group by stem of images: the text that the pattern's brackets match in the stem.

    Raises:
        UserError: images that the pattern does not match.
    """
    by_stem = {}
    unmatched = []
    for stem in stems:
        match = re.search(pattern, stem)
        if match and match[1]:
            by_stem[stem] = match[1]
        else:
            unmatched.append(stem)
    if unmatched:
        raise UserError(
            f"`groups` {pattern!r} does not fit all image names",
            found=listed(unmatched),
            fix="change it, or use a csv file",
        )
    return by_stem


def _read(file: Path, stems: Sequence[str]) -> dict[str, str]:
    """Return the group by stem from a csv file with the columns id and group.

    Empty lines and those that start with # are skipped.

    Args:
        stems: stems of the images; the file has to name some of them.

    Raises:
        UserError: the file is unreadable or has another form, names an image twice, names none of
            the images, or names an image without its folders.
    """
    rows = _read_rows(file)
    by_stem = dict(rows)
    repeated = [stem for stem, count in Counter(row[0] for row in rows).items() if count > 1]
    if repeated:
        raise UserError(
            f"the file of groups {file} names images more than once",
            found=listed(repeated),
            expected="a row per image",
        )
    # Stems of saved maps have folders: a file without folders would silently name none of them.
    known = set(stems)
    for stem in stems:
        name = stem.rpartition("/")[2]
        # A name that is itself the stem of an image names that image.
        if stem not in by_stem and name in by_stem and name not in known:
            raise UserError(
                f"the file of groups {file} names images without their folders",
                found=f"{name}, and the image {stem}",
                expected="names of images with the folders below --pred",
            )
    if stems and by_stem.keys().isdisjoint(stems):
        raise UserError(
            f"the file of groups {file} names none of the images",
            found=f"{next(iter(by_stem))} in the file, {stems[0]} among the images",
            expected="names of images without suffix",
        )
    return by_stem


def _read_rows(file: Path) -> list[list[str]]:
    """Return the rows of a csv file with the columns id and group, each of two texts.

    Empty lines and those that start with # are skipped.

    Raises:
        UserError: the file is unreadable, or has no row, an empty cell or other columns.
    """
    with reading(f"the file of groups {file} cannot be read", expected="a csv file in UTF-8"):
        lines = composed(read_bytes(file).decode("utf-8-sig")).splitlines()
        rows = csv.reader(line for line in lines if line.strip() and line[0] != "#")
        table = [[cell.strip() for cell in row] for row in rows]
    header = table[0] if table else []
    bad = [",".join(row) for row in table if len(row) != len(COLUMNS) or not all(row)]
    if header != COLUMNS or bad or len(table) < 2:
        raise UserError(
            f"the file of groups {file} has another form",
            found=",".join(header) if header != COLUMNS else listed(bad) or "no row",
            expected=f"the line {','.join(COLUMNS)}, then a row per image",
        )
    return table[1:]
