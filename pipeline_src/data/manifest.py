"""The list of a set's samples: written by `prepare`, read by all that comes after it."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import combinations
from pathlib import Path
from typing import Any

from pipeline_src.data.catalog import ALL, Part
from pipeline_src.errors import UserError, listed
from pipeline_src.files import write_text


@dataclass
class Row:
    """A sample. Paths are relative to the set's folder; `mask` is empty for OOD.

    `splits` holds the sample's place (from 0) in each split, `foreground` the share of mask pixels above 127, `grey`
    how many are neither 0 nor 255.
    """

    id: str
    stem: str
    image: str
    mask: str
    splits: dict[str, int] = field(default_factory=dict)
    height: int = 0
    width: int = 0
    foreground: float = 0.0
    grey: int = 0
    sha256_image: str = ""
    sha256_mask: str = ""


COLUMNS = (
    "id",
    "stem",
    "splits",
    "image",
    "mask",
    "height",
    "width",
    "foreground",
    "grey",
    "sha256_image",
    "sha256_mask",
)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table atomically."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write manifest.csv."""

    def cells(row: Row) -> list[object]:
        splits = " ".join(f"{name}:{rank}" for name, rank in row.splits.items())
        special = {"splits": splits, "foreground": f"{row.foreground:.6f}"}
        return [special.get(name, getattr(row, name)) for name in COLUMNS]

    write_csv(path, COLUMNS, map(cells, rows))


def read(folder: Path) -> list[Row]:
    """Rows of `folder`/manifest.csv, by stem."""
    path = Path(folder) / "manifest.csv"
    if not path.is_file():
        raise UserError(f"no manifest {path}", do="prepare the data set first")
    kinds = {each.name: {"int": int, "float": float}.get(each.type, str) for each in fields(Row)}

    def row(cells: dict[str, str]) -> Row:
        pairs = (item.rsplit(":", 1) for item in cells.pop("splits").split())
        return Row(
            splits={name: int(rank) for name, rank in pairs}, **{key: kinds[key](value) for key, value in cells.items()}
        )

    with open(path, encoding="utf-8", newline="") as file:
        return [row(cells) for cells in csv.DictReader(file)]


def select(part: Part | Mapping[str, Any], folder: Path) -> list[Row]:
    """Rows of a part, in the order of its split.

    Raises:
        UserError: the split is empty, unknown, or shorter than what is asked for.
    """
    part = part if isinstance(part, Part) else Part(**part)
    rows = read(folder)
    if part.split != ALL:
        rows = sorted((row for row in rows if part.split in row.splits), key=lambda row: row.splits[part.split])
    asked = part.first or part.last or 1
    if len(rows) < asked:
        raise UserError(
            f"{part} asks for more than there is",
            found=f"{len(rows):,} samples in {part.set}/{part.split}",
            expected=f"{asked:,} or more",
            do=f"see notes and splits in {Path(folder) / 'summary.json'} (a missing name list leaves its split empty)",
        )
    return rows[-part.last :] if part.last else rows[: part.first]


def check_disjoint(parts: Mapping[str, Sequence[Any]]) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Make sure that no sample serves two purposes: train, val and each test part have to be disjoint.

    Args:
        parts: rows of `select` or of `Store.index` by part; "train" and "val" are compared with each other and with all
            others (test parts may overlap among themselves).

    Returns:
        Byte-identical images of different ids, by pair of parts, as (id, id); to be reported: some sets have them.

    Raises:
        UserError: a sample is in two parts.
    """
    shared, twins = [], {}
    for one, two in combinations(parts, 2):
        if not {one, two} & {"train", "val"}:
            continue
        ids = {row.id for row in parts[one]}
        both = [row.id for row in parts[two] if row.id in ids]
        if both:
            shared.append(f"{one} and {two} share {len(both):,} samples, the first is {both[0]}")
        by_hash = defaultdict(list)
        for row in parts[one]:
            by_hash[row.sha256_image].append(row.id)
        pairs = [
            (other, row.id) for row in parts[two] for other in by_hash.get(row.sha256_image, ()) if other != row.id
        ]
        if pairs:
            twins[one, two] = pairs
    if shared:
        raise UserError(
            f"parts of the data overlap:{listed(shared)}",
            expected="training, validation and test parts without a common sample",
            do="choose other splits, or `first` and `last` ranges that do not meet, under `data:` in params.yaml",
        )
    return twins
