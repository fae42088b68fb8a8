"""The entry of a detected dataset, and its insertion into params.yaml."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import yaml

from pipeline_src.data.detection.detect import Detected
from pipeline_src.data.lookup import find_path
from pipeline_src.errors import UserError
from pipeline_src.files import write_text
from pipeline_src.params.load import Loader

ENOUGH = 30  # validation images
LARGEST = 0.3  # share of the training images that validate


def entry_of(path: Path, root: Path, detected: Detected, data_root: Path) -> dict[str, Any]:
    """The dataset's entry. Missing splits are completed by seeded shares.

    Args:
        path: the folder or archive.
        root: the folder, or where the archive was unpacked.
        detected: the result of `detect` for `root`.
        data_root: the folder of downloads.
    """

    def source(split: Any) -> Any:
        if isinstance(split, dict):
            return split
        file = Path(split)
        return file.relative_to(root).as_posix() if file.is_relative_to(root) else _name(file, data_root, "splits")

    if path.is_dir():
        entry: dict[str, Any] = {"folder": _name(path, data_root, ".")}
    else:
        entry = {"archive": _name(path, data_root, "archives")}
    entry["images"] = detected.images
    if not detected.masks:
        return {**entry, "ood": True}
    entry["masks"] = detected.masks
    if detected.values.foreground is not None:
        entry["foreground"] = detected.values.foreground
    if detected.values.classes:
        names = [f"class{i}" for i in range(detected.values.classes)]
        entry["classes"] = ["background", *names[1:]] if 0 in detected.values.ids else names  # right on textures
    if detected.values.void is not None:
        entry["void"] = detected.values.void
    return {**entry, "splits": complete_splits({name: source(split) for name, split in detected.splits.items()})}


def _name(path: Path, data_root: Path, subfolder: str) -> str:
    """The name by which `find_path` finds a path: relative to the folder of downloads, unchanged, or absolute."""
    full = path.resolve()
    folders = ((data_root / subfolder).resolve(), data_root.resolve())
    name = next((full.relative_to(f).as_posix() for f in folders if full.is_relative_to(f)), path.as_posix())
    match = find_path(name, data_root, subfolder)
    return name if match is not None and match.resolve() == full else full.as_posix()


def complete_splits(splits: dict[str, Any]) -> dict[str, Any]:
    """`splits` with train and val (and test, unless train is given); missing splits are seeded shares of the rest."""
    splits = dict(splits)
    if "train" in splits:
        if "val" in splits:
            return splits
        rest = "train-all"
        splits[rest] = splits.pop("train")
        shares = {"val": 0.1}
    else:
        rest = "all"
        shares = {name: share for name, share in (("test", 0.2), ("val", 0.1)) if name not in splits}
        for name in [name for name in ("test", "val") if name in splits]:
            splits[f"not-{name}"] = {"of": rest, "without": name}
            rest = f"not-{name}"
    for name, share in shares.items():
        splits[name] = {"of": rest, "fraction": share, "seed": 0}
        splits[f"not-{name}"] = {"of": rest, "without": name}
        rest = f"not-{name}"
    splits["train"] = splits.pop(rest)
    return splits


def validation_share(images: int) -> float:
    """The `fraction` of val among so many training and validation images: `ENOUGH` images if `LARGEST` allows."""
    return min(LARGEST, max(0.1, math.ceil(100 * ENOUGH / max(images, 1)) / 100))


def yaml_block(name: str, entry: dict[str, Any]) -> str:
    """The entry as YAML, indented by two spaces."""
    text = yaml.safe_dump({name: entry}, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)
    return "".join(f"  {line}\n" for line in text.splitlines())


def insert(file: Path, name: str, entry: dict[str, Any]) -> bool:
    """Put an entry last under `datasets:` (added at the end if the key is missing); all other lines stay.

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
    after = _with_block(text, yaml_block(name, entry))
    try:
        unchanged = yaml.load(after, Loader) == {**parsed, "datasets": {**datasets, name: entry}}
    except yaml.YAMLError:
        unchanged = False
    if not unchanged:
        raise UserError(
            f"the entry cannot be inserted into {file} automatically",
            expected="`datasets:` with its entries below, indented by two spaces",
            fix="insert the lines printed above yourself",
        )
    write_text(file, after)
    return True


def _with_block(text: str, block: str) -> str:
    """`text` with a block of lines below those of `datasets:`."""
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = [line.rstrip("\r\n") for line in text.splitlines()]
    start = next((i for i, line in enumerate(lines) if line.startswith("datasets:")), None)
    if start is None:
        start = len(lines)
        lines.append("datasets:")
    lines[start] = re.sub(r"^datasets:\s*\{\s*\}", "datasets:", lines[start])
    last = start
    for i, line in enumerate(lines[start + 1 :], start + 1):
        if line[:1] not in " \t#" and line:  # the next key
            break
        last = i if line.startswith("  ") and line.strip() else last
    lines[last + 1 : last + 1] = block.splitlines()
    return newline.join(lines) + newline
