"""What dvc.lock lists, and DVC's cache, whose files DVC takes unread for what their names say."""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import yaml

from pipeline_src.errors import UserError
from pipeline_src.files import state, write_text
from pipeline_src.verified import READINGS

LOCK, FOLDER, OBJECTS = Path("dvc.lock"), Path(".dvc"), Path("files/md5")
RECORD = READINGS / "dvc.json"  # states in which files of the cache were found whole
MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


def outputs(experiment: str) -> dict[str, str]:
    """Path -> MD5 of what dvc.lock lists as made by the stages of an experiment."""
    with suppress(OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        of = yaml.safe_load(LOCK.read_text(encoding="utf-8"))["stages"].items()
        outs = [out for stage, entry in of if stage.endswith(f"@{experiment}") for out in entry.get("outs", ())]
        return {out["path"]: str(out["md5"]) for out in outs}
    return {}


def absent(experiment: str) -> list[str]:
    """Outputs that dvc.lock lists and that are not here."""
    return [path for path in outputs(experiment) if FOLDER.is_dir() and not Path(path).exists()]


def cache() -> Path:
    """DVC's cache, by the files of its configuration: of the system, of the user, and in this folder."""
    from platformdirs import site_config_path, user_config_path

    system = Path(os.environ.get("DVC_SYSTEM_CONFIG_DIR") or site_config_path("dvc", "iterative"))
    user = Path(os.environ.get("DVC_GLOBAL_CONFIG_DIR") or user_config_path("dvc", "iterative"))
    place = FOLDER / "cache"
    for file in (system / "config", user / "config", FOLDER / "config", FOLDER / "config.local"):
        config = configparser.ConfigParser(interpolation=None, strict=False)
        with suppress(configparser.Error, ValueError, OSError):
            config.read(file, encoding="utf-8")
            place = file.parent / config.get("cache", "dir", fallback=place.absolute())
    return place


def discard_damaged(experiment: str) -> list[str]:
    """Remove the files of DVC's cache that are not what their names say, among those that dvc.lock lists for an
    experiment: DVC would not store a sound file of that name, but put the damaged one in its place.

    Returns:
        Their places in the cache, which are those in a remote.
    """
    objects, before, whole, damaged = cache() / OBJECTS, _whole_before(), {}, []
    for name in _names(experiment, objects):
        file = objects / name[:2] / name[2:]
        with suppress(OSError):  # it is not there, or can't be read
            now = state(file)
            if before.get(name) != now and _md5(file) != name[:32]:
                file.unlink()
                damaged.append(file.relative_to(cache()).as_posix())
            else:
                whole[name] = now
    if whole != before:
        with suppress(OSError, UserError):
            write_text(RECORD, json.dumps(whole))
    return damaged


def _names(experiment: str, objects: Path) -> Iterator[str]:
    """Names of files in the cache: those of outputs, and of what the lists in them name."""
    for name in filter(MD5.fullmatch, outputs(experiment).values()):
        if name.endswith(".dir"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                listed = json.loads((objects / name[:2] / name[2:]).read_bytes())
                yield from filter(MD5.fullmatch, [entry["md5"] for entry in listed])
        yield name


def _whole_before() -> dict[str, list[int]]:
    with suppress(OSError, ValueError):
        kept = json.loads(RECORD.read_bytes())
        return kept if isinstance(kept, dict) else {}
    return {}


def _md5(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
