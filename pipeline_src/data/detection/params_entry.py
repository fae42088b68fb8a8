"""The entry of a detected set, and writing it into params.yaml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from pipeline_src.data.detection.detect import Detected
from pipeline_src.data.lookup import find_path
from pipeline_src.errors import UserError
from pipeline_src.files import remove_leftovers, write_text
from pipeline_src.locks import alone
from pipeline_src.params.load import Loader


def entry_of(path: Path, root: Path, detected: Detected, data_root: Path) -> dict[str, Any]:
    """The set's entry. Missing splits are completed by seeded shares.

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
        entry["classes"] = ["background", *names[1:]] if 0 in detected.values.ids else names  # it is right on textures
    if detected.values.void is not None:
        entry["void"] = detected.values.void
    return {**entry, "splits": complete_splits({name: source(split) for name, split in detected.splits.items()})}


def _name(path: Path, data_root: Path, subfolder: str) -> str:
    """The name by which `find_path` finds a path: relative to the folder of downloads, as it is, or absolute."""
    full = path.resolve()
    for folder in ((data_root / subfolder).resolve(), data_root.resolve()):
        if full.is_relative_to(folder):
            name = full.relative_to(folder).as_posix()
            break
    else:
        name = path.as_posix()
    match = find_path(name, data_root, subfolder)
    return name if match is not None and match.resolve() == full else full.as_posix()


def complete_splits(splits: dict[str, Any]) -> dict[str, Any]:
    """`splits` with train and val (and test, unless train is given); missing ones are seeded shares of the rest."""
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


def yaml_block(name: str, entry: dict[str, Any]) -> str:
    """The entry as YAML, indented by two spaces."""
    text = yaml.safe_dump({name: entry}, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)
    return "".join(f"  {line}\n" for line in text.splitlines())


def insert(file: Path, name: str, entry: dict[str, Any]) -> bool:
    """Put an entry last under `datasets:` (added at the end if the key is missing); all other lines stay as they are.
    Returns whether that was needed: the same entry may be there already.

    Raises:
        UserError: the name is that of another entry, or `datasets:` does not begin a line with braces, or before
            indented lines.
    """
    file = file.resolve()  # a link stays one
    lock = file.parent / "results" / ".cache" / "locks" / file.name
    with alone(str(file), lock):  # else one of two at once would be lost
        remove_leftovers([file])
        text = file.read_bytes().decode("utf-8")
        before = yaml.load(text, Loader)
        if name in (datasets := before.get("datasets") or {}):
            if datasets[name] == entry:
                return False
            raise UserError(
                f"{file} has another data set {name} already", do="choose another --name, or remove the old entry"
            )
        write_text(file, _inserted(file, text, before, name, entry))
    return True


def _inserted(file: Path, text: str, before: dict[str, Any], name: str, entry: dict[str, Any]) -> str:
    """The text with the entry; UserError where it would not be what it was and the entry."""
    after = _with_block(text, yaml_block(name, entry), "datasets" in before)
    try:
        unchanged = yaml.load(after, Loader) == {**before, "datasets": {**(before.get("datasets") or {}), name: entry}}
    except yaml.YAMLError:
        unchanged = False
    if not unchanged:
        raise UserError(
            f"the entry cannot be inserted into {file} automatically",
            expected="`datasets:` with its entries below, indented by two spaces, or in the same line between braces",
            do="insert the lines printed above yourself",
        )
    return after


def _with_block(text: str, block: str, has_datasets: bool) -> str:
    """`text` with a block of lines below those of `datasets:`."""
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    if not has_datasets:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += newline
        lines.append(f"datasets: {{}}{newline}")
    at = next((i for i, line in enumerate(lines) if line.startswith("datasets:")), None)
    if at is None:
        return text
    line = lines[at].rstrip("\r\n")
    head, mark, after = line.partition("#")
    head, comment = head.rstrip(), mark + after
    if entries := _in_braces(line):
        head, comment = "datasets:", line[entries[-1].stop :].lstrip(" },")
        block = "".join(f"  {line[entry]}\n" for entry in entries) + block
    lines[at] = re.sub(r"\s*\{\s*\}$", "", head) + (f"  {comment}" if comment else "") + newline
    last = at
    for i, line in enumerate(lines[at + 1 :], at + 1):
        if line[:1] not in " \t\r\n#":  # the next key
            break
        if line.startswith("  ") and line.strip():
            last = i
    if not lines[last].endswith("\n"):
        lines[last] += newline
    lines.insert(last + 1, block.replace("\n", newline))
    return "".join(lines)


def _in_braces(line: str) -> list[slice]:
    """Where the entries of `datasets: {one: {...}, two: {...}}` are in its line; none of a line that is no such."""
    try:
        if (root := yaml.compose(line)) is None:
            return []
        (_, value), *_ = root.value
        return [slice(key.start_mark.index, of.end_mark.index) for key, of in value.value if value.flow_style]
    except (yaml.YAMLError, AttributeError, ValueError, TypeError):
        return []
