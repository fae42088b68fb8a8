"""The samples of a dataset and its problems: tables that `prepare` writes and later steps read."""

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
from pipeline_src.params.schema import ALL, Part

T = TypeVar("T")


@dataclass(kw_only=True)
class Row:
    """A sample.

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


TYPES = get_type_hints(Row) | {"splits": str}  # of the columns


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table atomically."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_csv(path: Path, row: Callable[[dict[str, Any]], T]) -> list[T]:
    """Return the rows of a table that `prepare` wrote; UserError if it is missing or damaged."""
    fix = "prepare the dataset (again)"
    with (
        reading(f"{path} cannot be read", expected="the list that `prepare` wrote", fix=fix),
        open(path, encoding="utf-8", newline="") as file,
    ):
        return [row(cells) for cells in csv.DictReader(file)]


def write_rows(folder: Path, rows: Iterable[Row]) -> None:
    """Write `folder`/manifest.csv."""

    def cells(row: Row) -> Iterable[object]:
        splits = " ".join(f"{name}:{rank}" for name, rank in row.splits.items())
        return (vars(row) | {"splits": splits, "foreground": f"{row.foreground:.6f}"}).values()

    write_csv(Path(folder) / "manifest.csv", TYPES, map(cells, rows))


def read_rows(folder: Path) -> list[Row]:
    """Return the rows of `folder`/manifest.csv, by stem; UserError if it is missing or damaged."""

    def row(cells: dict[str, str]) -> Row:
        ranks = dict(item.rsplit(":", 1) for item in cells.pop("splits").split())
        values = {key: TYPES[key](value) for key, value in cells.items()}
        return Row(splits={name: int(rank) for name, rank in ranks.items()}, **values)

    return read_csv(Path(folder) / "manifest.csv", row)


def select(part: Part, folder: Path) -> list[Row]:
    """Return the rows of a part, in the order of its split.

    Raises:
        UserError: the split is empty, unknown, or shorter than `first` or `last`.
    """
    rows = read_rows(folder)
    if part.split != ALL:
        rows = sorted(
            (row for row in rows if part.split in row.splits),
            key=lambda row: row.splits[part.split],
        )
    summary = Path(folder) / "summary.json"
    check_size(
        part,
        len(rows),
        f"see notes and splits in {summary} (a missing name list leaves its split empty)",
    )
    return [rows[position] for position in positions(part, len(rows))]


def check_size(part: Part, size: int, fix: str) -> None:
    """Raise a UserError if a part needs more samples than the `size` of its split."""
    needed = part.skip + (part.first or part.last or 1)
    if size < needed:
        raise UserError(
            f"{part} has too few samples",
            found=f"{size:,} samples in {part.set}/{part.split}",
            expected=f"{needed:,} or more",
            fix=fix,
        )


def positions(part: Part, size: int) -> range:
    """Return the positions of a part's images in a split of `size` images, which reaches to the end of the part."""
    if part.last:
        return range(size - part.last, size)
    return range(part.skip, part.skip + part.first if part.first else size)


def check_disjoint(
    parts: Mapping[str, Sequence[Any]],
) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Check that train, val and each test part are disjoint.

    Args:
        parts: rows of `select` or of `Store.index` by part; "train" and "val" are compared with
            each other and with all others (test parts may overlap).

    Returns:
        Byte-identical images of different ids, by pair of parts, as (id, id). Some datasets have
        them.

    Raises:
        UserError: a sample is in two parts.
    """
    overlaps, identical = [], {}
    for first, second in combinations(parts, 2):
        if not {first, second} & {"train", "val"}:
            continue
        ids = {row.id for row in parts[first]}
        if shared := [row.id for row in parts[second] if row.id in ids]:
            overlaps.append(
                f"{first} and {second} share {len(shared):,} samples, the first is {shared[0]}"
            )
        by_hash = defaultdict(list)
        for row in parts[first]:
            by_hash[row.sha256_image].append(row.id)
        pairs = [
            (twin, row.id)
            for row in parts[second]
            for twin in by_hash[row.sha256_image]
            if twin != row.id
        ]
        if pairs:
            identical[first, second] = pairs
    if overlaps:
        raise UserError(
            f"parts of the data overlap:{listed(overlaps)}",
            expected="training, validation and test parts without a common sample",
            fix="choose other splits, or `first` and `last` ranges that do not meet, under `data:` in params.yaml",
        )
    return identical
