"""Recognises the splits of a folder: sub-folders called train, val, test, or name lists."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline_src.data.entry import SET_NAME
from pipeline_src.data.lookup import read_name_list
from pipeline_src.errors import UserError
from pipeline_src.params.parts import ALL

SPLITS = {
    **dict.fromkeys(("train", "training", "trn", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "te"), "test"),
}
MIN_SHARE = 0.9  # share of a list's names that must be images of the set


def split_of(folder: str) -> tuple[str | None, str]:
    """Split in a folder's name, and the rest of the name: (train, masks) of train_masks, (None, "GT") of GT."""
    parts = re.split(r"[-_ ]+", folder)
    at = next((i for i, part in enumerate(parts) if part.lower() in SPLITS), None)
    if at is None:
        return None, folder
    return SPLITS[parts[at].lower()], "_".join(parts[:at] + parts[at + 1 :])


def splits_from_folders(folders: Iterable[tuple[str, ...]]) -> tuple[dict[str, Any], list[str]]:
    """Splits by the parts of the images' folders, and notes; none if all images are of one split."""
    names = dict.fromkeys(name for folder in folders for name in folder if split_of(name)[0])
    if len(names) < 2:
        return {}, []
    return _named((split, name, {"folder": name}) for name in names if (split := split_of(name)[0]))


def splits_from_lists(files: Iterable[Path], stems: set[str], prefix: str) -> tuple[dict[str, Any], list[str]]:
    """Splits by the name lists whose names are mostly `stems`, and notes; file names may begin with `prefix`."""
    candidates = []
    for file in files:
        try:
            names = read_name_list(file)
        except (UserError, OSError):
            continue
        if names and len(stems.intersection(names)) >= MIN_SHARE * len(names):
            own_name = re.sub(rf"^{re.escape(prefix)}[-_]?", "", file.stem) or file.stem
            split = SPLITS.get(re.split("[-_]", file.stem)[-1].lower(), own_name)
            candidates.append((split, own_name, os.fspath(file)))
    return _named(candidates)


def _named(candidates: Iterable[tuple[str, str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """Splits from (usual name, own name, source). The first of several with one usual name gets it."""
    splits, notes = {}, []
    for usual, own, source in candidates:
        name = own if usual in splits else usual
        if name in splits or name == ALL or not re.fullmatch(SET_NAME, name):
            continue
        if name != usual:
            notes.append(f"{own} could be the split {usual}, too; the entry has it as {name}.")
        splits[name] = source
    return splits, notes
