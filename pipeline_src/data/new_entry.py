"""The entry of a detected dataset, and its insertion into params.yaml."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import yaml

from pipeline_src.data.detection import Detected
from pipeline_src.data.lookup import find_path
from pipeline_src.errors import UserError
from pipeline_src.files import write_text
from pipeline_src.params.load import Loader

ENOUGH = 30  # validation images
LARGEST = 0.3  # share of the images that validate


def create_entry(path: Path, root: Path, detected: Detected, data_root: Path) -> dict[str, Any]:
    """Create a dataset's entry. Missing splits are completed by seeded shares.

    Args:
        path: the folder or archive.
        root: the folder, or where the archive was unpacked.
        detected: the result of `detect` for `root`.
        data_root: the folder of downloads.
    """

    def split_source(split: Any) -> Any:
        if isinstance(split, dict):
            return split
        file = Path(split)
        return file.relative_to(root).as_posix() if file.is_relative_to(root) else _name(file, data_root, "splits")

    kind, subfolder = ("folder", ".") if path.is_dir() else ("archive", "archives")
    entry: dict[str, Any] = {kind: _name(path, data_root, subfolder), "images": detected.images}
    if not detected.masks:
        return {**entry, "ood": True}
    entry["masks"] = detected.masks
    values = detected.values
    if values.foreground is not None:
        entry["foreground"] = values.foreground
    if values.ids:
        names = [f"class{i}" for i in range(values.classes)]
        entry["classes"] = ["background", *names[1:]] if 0 in values.ids else names  # the class of textures
    splits = {name: split_source(split) for name, split in detected.splits.items()}
    return {**entry, "splits": complete_splits(splits, detected.pairs)}


def _name(path: Path, data_root: Path, subfolder: str) -> str:
    """The name by which `find_path` finds a path: relative to the folder of downloads, unchanged, or absolute."""
    full = path.resolve()
    folders = ((data_root / subfolder).resolve(), data_root.resolve())
    name = next((full.relative_to(f).as_posix() for f in folders if full.is_relative_to(f)), path.as_posix())
    match = find_path(name, data_root, subfolder)
    return name if match is not None and match.resolve() == full else full.as_posix()


def complete_splits(splits: dict[str, Any], images: int) -> dict[str, Any]:
    """`splits` with train and val (and test, unless train is given); missing splits are seeded shares of the rest.

    The share of val is a tenth, or up to `LARGEST` in a dataset whose tenth has fewer than `ENOUGH` images.
    """
    pool = images if {"train", "test"} & splits.keys() else 0.8 * images
    val = min(LARGEST, max(0.1, math.ceil(100 * ENOUGH / max(pool, 1)) / 100))
    splits = dict(splits)
    if "train" in splits:
        if "val" in splits:
            return splits
        rest, shares = "train-all", {"val": val}
        splits[rest] = splits.pop("train")
    else:
        rest = "all"
        shares = {name: share for name, share in (("test", 0.2), ("val", val)) if name not in splits}
        for name in [name for name in ("test", "val") if name in splits]:
            splits[f"not-{name}"] = {"of": rest, "without": name}
            rest = f"not-{name}"
    for name, share in shares.items():
        splits[name] = {"of": rest, "fraction": share, "seed": 0}
        splits[f"not-{name}"] = {"of": rest, "without": name}
        rest = f"not-{name}"
    splits["train"] = splits.pop(rest)
    return splits


def yaml_block(name: str, entry: dict[str, Any]) -> str:
    """The entry as YAML, indented by two spaces."""
    text = yaml.safe_dump({name: entry}, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)
    return "".join(f"  {line}\n" for line in text.splitlines())


def insert_entry(file: Path, name: str, entry: dict[str, Any]) -> bool:
    """Insert an entry as the first of `datasets:` (added at the end if the key is missing); all other lines stay.

    Returns:
        Whether that was needed: the same entry may be present already.

    Raises:
        UserError: another entry has the name, or `datasets:` is written in braces.
    """
    file = file.resolve()  # a link stays a link
    text = file.read_bytes().decode("utf-8")
    parsed = yaml.load(text, Loader)
    datasets = parsed.get("datasets") or {}
    if name in datasets:
        if datasets[name] == entry:
            return False
        raise UserError(f"{file} has another dataset {name}", fix="choose another --name, or remove the old entry")
    newline = "\r\n" if "\r\n" in text else "\n"
    key = re.compile(r"^datasets:(?:[ \t]*\{[ \t]*\})?([ \t]*(?:#.*?)?)(?:\r?\n|$)", re.MULTILINE)
    if not re.search(r"^datasets:", text, re.MULTILINE):
        text = f"{text.rstrip()}{newline}datasets:{newline}"
    block = yaml_block(name, entry).replace("\n", newline)
    changed = key.sub(lambda match: f"datasets:{match[1]}{newline}{block}", text, count=1)
    try:
        inserted = yaml.load(changed, Loader) == {**parsed, "datasets": {**datasets, name: entry}}
    except yaml.YAMLError:
        inserted = False
    if not inserted:
        raise UserError(
            f"the entry cannot be inserted into {file} automatically",
            expected="`datasets:` with its entries below, indented by two spaces",
            fix="insert the lines printed above yourself",
        )
    write_text(file, changed)
    return True
