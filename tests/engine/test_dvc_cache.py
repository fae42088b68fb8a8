"""What DVC trusts unread: files of its cache that are not what their names say."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from pipeline_src.engine import dvc_cache

PLACES = {
    ".dvc/cache": "[core]\n",
    "elsewhere": "[cache]\n    dir = ../elsewhere\n['remote \"of%me\"']\n    url = s3://a\n",
}


def stored(cache: Path, content: bytes, suffix: str = "") -> str:
    name = hashlib.md5(content).hexdigest() + suffix
    file = cache / "files/md5" / name[:2] / name[2:]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    file.chmod(0o444)
    return name


def place(name: str) -> str:
    return f"files/md5/{name[:2]}/{name[2:]}"


@pytest.fixture(params=[*PLACES, "of-user", "of-system"])
def cache(request, tmp_path, monkeypatch) -> tuple[Path, dict[str, str]]:
    """A cache with a folder of two files, and a file of its own, of one experiment; another experiment has one more."""
    monkeypatch.chdir(tmp_path)
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text(PLACES.get(request.param, PLACES[".dvc/cache"]))
    for whose, variable in (("of-user", "DVC_GLOBAL_CONFIG_DIR"), ("of-system", "DVC_SYSTEM_CONFIG_DIR")):
        monkeypatch.setenv(variable, str(tmp_path / f"{whose}-configuration"))
        Path(f"{whose}-configuration").mkdir()
        names_cache = whose == request.param or request.param == "of-user"  # that of the user comes before the system's
        text = f"[cache]\n    dir = {tmp_path / whose}\n" if names_cache else "[core]\n"
        Path(f"{whose}-configuration/config").write_text(text)
    cache = Path(request.param)
    names = {name: stored(cache, name.encode()) for name in ("a", "b", "page", "other")}
    listed = [{"md5": names[name], "relpath": name} for name in ("a", "b")]
    names["runs"] = stored(cache, json.dumps(listed).encode(), ".dir")
    outs = {"train@mine": ["runs"], "report@mine": ["page"], "report@other": ["other"]}
    stages = {stage: {"outs": [{"path": of, "md5": names[of]} for of in group]} for stage, group in outs.items()}
    Path("dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}))
    return cache, names


def flip(file: Path) -> None:
    file.chmod(0o644)
    file.write_bytes(b"?" + file.read_bytes()[1:])
    file.chmod(0o444)


def test_what_is_damaged_is_removed_and_the_rest_is_read_once(cache, monkeypatch):
    cache, names = cache
    assert dvc_cache.discard_damaged("mine") == []
    with monkeypatch.context() as patch:
        patch.setattr(dvc_cache, "_md5", lambda file: pytest.fail(f"{file} is read again"))
        assert dvc_cache.discard_damaged("mine") == []
    for name in ("b", "other"):
        flip(cache / place(names[name]))
    assert dvc_cache.discard_damaged("mine") == [place(names["b"])]
    there = {name for name in names if (cache / place(names[name])).exists()}
    assert there == {"a", "page", "runs", "other"}  # what another experiment has is looked at when that is run
    flip(cache / place(names["runs"]))
    assert dvc_cache.discard_damaged("mine") == [place(names["runs"])]


@pytest.mark.parametrize("text", ["", "[", "stages: [1]", "stages: {train@mine: {outs: [{path: a}]}}", "schema: '2.0'"])
def test_a_lock_that_says_nothing_lists_nothing(cache, text):
    assert dvc_cache.absent("mine") == ["runs", "page"]
    Path("dvc.lock").write_text(text)
    assert dvc_cache.absent("mine") == dvc_cache.discard_damaged("mine") == []


def test_a_name_that_leads_out_of_the_cache_is_passed_over(cache):
    (mine := Path("mine.txt")).write_text("mine")
    up = f"/{mine.absolute()}"
    outs = [
        {"path": "a", "md5": up},
        {"path": "b", "md5": stored(cache[0], json.dumps([{"md5": up}]).encode(), ".dir")},
    ]
    Path("dvc.lock").write_text(json.dumps({"stages": {"train@mine": {"outs": outs}}}))
    assert dvc_cache.discard_damaged("mine") == [] and mine.exists()


def test_outputs_that_are_here_are_not_absent(cache):
    Path("page").touch()
    assert dvc_cache.absent("mine") == ["runs"]
    Path(".dvc").rename("no.dvc")
    assert dvc_cache.absent("mine") == []
