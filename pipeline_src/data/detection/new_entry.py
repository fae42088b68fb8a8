"""The entry of a set that was looked into: what it says, and its place in params.yaml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from pipeline_src.data import sources
from pipeline_src.data.detection.detect import Detected
from pipeline_src.errors import UserError
from pipeline_src.files import write_text


def entry_of(path: Path, root: Path, found: Detected, data_root: Path) -> dict[str, Any]:
    """The set's entry. Where there are no splits, seeded shares stand in.

    Args:
        path: the folder or archive.
        root: the folder, or what the archive holds.
        found: what was found in it.
        data_root: the folder of downloads.
    """

    def where(split: Any) -> Any:
        if isinstance(split, dict):
            return split
        file = Path(split)
        return file.relative_to(root).as_posix() if file.is_relative_to(root) else _named(file, data_root, "splits")

    if path.is_dir():
        entry: dict[str, Any] = {"folder": _named(path, data_root, ".")}
    else:
        entry = {"archive": _named(path, data_root, "archives")}
    entry["images"] = found.images
    if not found.masks:
        return {**entry, "ood": True}
    entry["masks"] = found.masks
    if found.meaning.foreground is not None:
        entry["foreground"] = found.meaning.foreground
    if found.meaning.classes:
        entry["classes"] = ["background", *(f"class{i}" for i in range(1, found.meaning.classes))]
    return {**entry, "splits": complete({name: where(split) for name, split in found.splits.items()})}


def _named(path: Path, data_root: Path, below: str) -> str:
    """A path as `sources.look_up` finds it: by the folder of downloads, as it is, or else in full."""
    full = path.resolve()
    for folder in ((data_root / below).resolve(), data_root.resolve()):
        if full.is_relative_to(folder):
            name = full.relative_to(folder).as_posix()
            break
    else:
        name = path.as_posix()
    found = sources.look_up(name, data_root, below)
    return name if found is not None and found.resolve() == full else full.as_posix()


def complete(splits: dict[str, Any]) -> dict[str, Any]:
    """With train and val (and test, unless there is a train): what is missing is a seeded share of what is left."""
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


def block_of(name: str, entry: dict[str, Any]) -> str:
    """The entry as lines of YAML, two blanks in front of each."""
    text = yaml.safe_dump({name: entry}, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)
    return "".join(f"  {line}\n" for line in text.splitlines())


def insert(file: Path, name: str, entry: dict[str, Any]) -> None:
    """Put an entry at the head of `datasets:` (made at the end if there is none); all other lines stay as they are.

    Raises:
        UserError: the name is taken, or `datasets:` does not begin a line and hold {} or lines below it.
    """
    file = file.resolve()  # a link stays one
    text = file.read_bytes().decode("utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # as params.load: it takes a tab that the other does not
    before = yaml.load(text, loader)
    if name in (before.get("datasets") or {}):
        raise UserError(f"{file} has a data set {name} already", do="choose another --name, or remove the old entry")
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    if "datasets" not in before:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += end
        lines.append(f"datasets: {{}}{end}")
    at = next((i for i, line in enumerate(lines) if line.startswith("datasets:")), None)
    new = None
    if at is not None:
        head, comment = re.fullmatch(r"([^#]*?)\s*(#.*)?", lines[at].rstrip("\r\n")).groups()
        lines[at] = re.sub(r"\s*\{\s*\}$", "", head) + (f"  {comment}" if comment else "") + end
        lines.insert(at + 1, block_of(name, entry).replace("\n", end))
        new = "".join(lines)
    try:
        fits = new and yaml.load(new, loader) == {
            **before,
            "datasets": {**(before.get("datasets") or {}), name: entry},
        }
    except yaml.YAMLError:
        fits = False
    if not fits:
        raise UserError(
            f"the entry cannot be put into {file} by itself",
            expected="a line `datasets: {}`, or `datasets:` with its entries indented by two below it",
            do="put the lines above there yourself",
        )
    write_text(file, new)
