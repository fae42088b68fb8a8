"""Archives are unpacked whole; what is refused, and that nothing lands outside of the folder, is in tests/faults."""

from __future__ import annotations

import pytest
from made_sets import pairs, write_tar, write_zip

from pipeline_src.data.unpack import unpack, whole_folder


@pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_every_kind_of_archive_gives_its_files(tmp_path, mode):
    files = pairs(3)
    path, into = tmp_path / "archive", tmp_path / "deep" / "into"  # the kind is told by content, not by name
    write_zip(path, files) if mode == "zip" else write_tar(path, files, mode)
    unpack(path, into)
    assert {p.relative_to(into).as_posix(): p.read_bytes() for p in into.rglob("*") if p.is_file()} == files


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "set"
    with pytest.raises(RuntimeError), whole_folder(target) as folder:
        (folder / "half").write_text("x")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    stale = tmp_path / ".set.partial"  # as left by a killed run
    stale.mkdir()
    (stale / "old").write_text("x")
    with whole_folder(target) as folder:
        (folder / "new").write_text("x")
        assert not target.exists()
    assert [p.name for p in target.iterdir()] == ["new"] and [p.name for p in tmp_path.iterdir()] == ["set"]
