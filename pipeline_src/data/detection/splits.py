"""Splits that a folder brings: sub-folders called train, val, test, or name lists."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline_src.data import pairing
from pipeline_src.data.catalog import ALL, NAME
from pipeline_src.errors import UserError

SPLITS = {
    **dict.fromkeys(("train", "training", "trn", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "te"), "test"),
}
IN_LIST = 0.9  # share of a list's names that must be images of the set


def split_of(word: str) -> tuple[str | None, str]:
    """Split that a folder's name tells, and the rest of the name: (train, masks) of train_masks, (None, "GT") of GT."""
    parts = re.split(r"[-_ ]+", word)
    at = next((i for i, part in enumerate(parts) if part.lower() in SPLITS), None)
    if at is None:
        return None, word
    return SPLITS[parts[at].lower()], "_".join(parts[:at] + parts[at + 1 :])


def from_folders(folders: Iterable[tuple[str, ...]]) -> tuple[dict[str, Any], list[str]]:
    """Splits by the parts of the images' folders, and remarks; none where all are of one split."""
    words = dict.fromkeys(word for folder in folders for word in folder if split_of(word)[0])
    if len(words) < 2:
        return {}, []
    return _named((split_of(word)[0], word, {"folder": word}) for word in words)


def from_lists(files: Iterable[Path], stems: set[str], prefix: str) -> tuple[dict[str, Any], list[str]]:
    """Splits by name lists, most of whose names are `stems`; `prefix` is what names of lists may begin with."""
    found = []
    for file in files:
        try:
            names = pairing.names(file)
        except (UserError, OSError):
            continue
        if names and len(stems.intersection(names)) >= IN_LIST * len(names):
            own = re.sub(rf"^{re.escape(prefix)}[-_]?", "", file.stem) or file.stem
            split = SPLITS.get(re.split("[-_]", file.stem)[-1].lower(), own)
            found.append((split, own, os.fspath(file)))
    return _named(found)


def _named(found: Iterable[tuple[str, str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """Splits from (usual name, own name, where). Of several with the same usual name the first has it."""
    splits, remarks = {}, []
    for usual, own, where in found:
        name = own if usual in splits else usual
        if name in splits or name == ALL or not re.fullmatch(NAME, name):
            continue
        if name != usual:
            remarks.append(f"{own} could be the split {usual}, too; it stands beside as {name}.")
        splits[name] = where
    return splits, remarks
