"""The samples of a dataset, and problems with its files: csv tables that `prepare` writes.

A sample is an image with its mask. Later steps read the tables, and choose the samples of a split.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_type_hints

from pipeline_src.errors import UserError, listed
from pipeline_src.files import reading, write_text
from pipeline_src.params.schema import ALL, Split

T = TypeVar("T")


@dataclass(kw_only=True)
class Row:
    """A sample, an image with its mask: a line of manifest.csv.

    Attributes:
        id: "<set>/<stem>".
        stem: file name of image and mask without suffix.
        splits: position of the sample (from 0) in each split that has it.
        image, mask: paths relative to the dataset's folder; `mask` is empty for images without an
            object.
        height, width: pixels.
        foreground: share of the mask's pixels that are above 127; with classes, that are not void.
        grey: number of the mask's pixels that are neither 0 nor 255.
        sha256_image, sha256_mask: digests of the files.
    """

    id: str
    stem: str
    splits: dict[str, int] = field(default_factory=dict)
    image: str
    mask: str
    height: int = 0
    width: int = 0
    foreground: float = 0.0
    grey: int = 0
    sha256_image: str = ""
    sha256_mask: str = ""


class Problem(NamedTuple):
    """A problem with a file, name list or source, and its fix."""

    file: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}; {self.fix}"


# The type of each column of manifest.csv. The cell of `splits` is a text, which `_row` reads.
TYPES = get_type_hints(Row) | {"splits": str}


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table as a CSV file with a header, atomically: a kill leaves no partial file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_csv(path: Path, row: Callable[[dict[str, Any]], T]) -> list[T]:
    """Return the lines of a CSV file of a prepared dataset, each converted by `row`.

    Args:
        row: returns the value of a line from its cells, texts by column.

    Raises:
        UserError: the file is missing or damaged.
    """
    with (
        reading(
            f"{path} cannot be read",
            expected="the list that `prepare` wrote",
            fix="prepare the dataset (again)",
        ),
        open(path, encoding="utf-8", newline="") as file,
    ):
        return [row(cells) for cells in csv.DictReader(file)]


def write_rows(folder: Path, rows: Iterable[Row]) -> None:
    """Write the samples of a dataset as `folder`/manifest.csv, which `read_rows` reads."""
    table = []
    for row in rows:
        cells = vars(row).copy()  # a field per column, in this order
        cells["splits"] = " ".join(f"{name}:{rank}" for name, rank in row.splits.items())
        cells["foreground"] = f"{row.foreground:.6f}"
        table.append(cells.values())
    write_csv(folder / "manifest.csv", TYPES, table)


def read_rows(folder: Path) -> list[Row]:
    """Return the rows of `folder`/manifest.csv, by stem; UserError if it is missing or damaged."""
    return read_csv(folder / "manifest.csv", _row)


def _row(cells: dict[str, str]) -> Row:
    """Return the sample of a line of manifest.csv, whose cells are texts by column.

    The cell of `splits` is "train:0 val:7": the sample's position in each split that has it.
    """
    values = {key: TYPES[key](text) for key, text in cells.items()}
    values["splits"] = {}
    for item in cells["splits"].split():
        name, rank = item.rsplit(":", 1)
        values["splits"][name] = int(rank)
    return Row(**values)


def select(split: Split, folder: Path) -> list[Row]:
    """Return the samples that `split` of params.yaml chooses, in the order of the dataset's split.

    Args:
        split: names a split of a dataset, or its first or last samples.
        folder: the folder that `prepare` wrote for the dataset.

    Raises:
        UserError: the split is empty, unknown, or shorter than `first` or `last`.
    """
    name = split.split
    rows = read_rows(folder)
    if name != ALL:
        rows = [row for row in rows if name in row.splits]
        rows.sort(key=lambda row: row.splits[name])
    advice = (
        f"see notes and splits in {folder / 'summary.json'} (a missing name list leaves its split "
        "empty)"
    )
    check_size(split, len(rows), advice)
    return [rows[position] for position in positions(split, len(rows))]


def check_size(split: Split, size: int, fix: str) -> None:
    """Check that a dataset's split has as many samples as `split` of params.yaml asks for.

    Args:
        size: number of samples of the dataset's split.
        fix: the advice of the error.

    Raises:
        UserError: it has too few.
    """
    needed = split.skip + (split.first or split.last or 1)  # an empty split is of no use
    if size < needed:
        raise UserError(
            f"{split} has too few samples",
            found=f"{size:,} samples in {split.set}/{split.split}",
            expected=f"{needed:,} or more",
            fix=fix,
        )


def positions(split: Split, size: int) -> range:
    """Return the positions of the images that `split` of params.yaml chooses.

    They are positions in the dataset's split, which has `size` images.
    """
    # `last` counts from the end. `first` counts from the beginning, after `skip` images.
    start = size - split.last if split.last else split.skip
    end = start + split.first if split.first else size
    return range(start, end)


def check_disjoint(
    splits: Mapping[str, Sequence[Any]],
) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Return pairs of byte-identical images that have different ids and lie in two splits.

    Args:
        splits: samples by name of the split, with `id` and `sha256_image`; "train" and "val" are
            compared with each other and with all others (test splits may overlap).

    Returns:
        Pairs of ids by pair of splits. They are reported, not refused: some published datasets
        have such images.

    Raises:
        UserError: a sample is in two splits, and one of them is "train" or "val".
    """
    overlaps = []
    identical = {}
    for first, second in combinations(splits, 2):
        if not {first, second} & {"train", "val"}:
            continue
        ids_by_digest = defaultdict(list)
        for row in splits[first]:
            ids_by_digest[row.sha256_image].append(row.id)
        ids = {row.id for row in splits[first]}
        shared = [row.id for row in splits[second] if row.id in ids]
        if shared:
            overlaps.append(
                f"{first} and {second} share {len(shared):,} samples, the first is {shared[0]}"
            )
        pairs = []
        for row in splits[second]:
            twins = ids_by_digest.get(row.sha256_image, [])
            pairs += [(twin, row.id) for twin in twins if twin != row.id]
        if pairs:
            identical[first, second] = pairs
    if overlaps:
        raise UserError(
            f"parts of the data overlap:{listed(overlaps)}",
            expected="training, validation and test parts without a common sample",
            fix="choose other splits, or `first` and `last` ranges that do not meet, under "
            "`data:` in params.yaml",
        )
    return identical
