"""`verify` believes nothing that was read before."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from damaged import written_into
from made_sets import pairs, write_zip

from pipeline_src import verified
from pipeline_src.engine.execute import execute
from pipeline_src.engine.job import Job
from pipeline_src.files import sha256
from pipeline_src.inspection.verify import Verification, verify
from pipeline_src.params.load import read
from pipeline_src.steps.build import build

SPLITS = {"val": {"of": "all", "fraction": 0.25}, "rest": {"of": "all", "without": "val"}}
PARTS = {name: {"set": "mine", "split": split} for name, split in (("train", "rest"), ("val", "val"))}
SMALL = {"data": PARTS | {"id": {"test": PARTS["val"]}}, "methods": ["baseline"]}
SMALL |= {"model": {"config": "tiny_fpn", "pretrained": False}}


@pytest.fixture
def prepared(tmp_path, monkeypatch) -> Job:
    """The job of a set whose archive is named by its SHA-256, and unpacked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASLP_DOWNLOADS", raising=False)
    (tmp_path / "downloads").mkdir()
    archive = write_zip(tmp_path / "downloads/a.zip", pairs(4))
    entry = {"archive": "a.zip", "sha256": sha256(archive), "images": "Image", "masks": "GT", "splits": SPLITS}
    params = {"experiment": "small", "data_root": "downloads", "datasets": {"mine": entry}}
    params |= {"methods": {"baseline": {}}, "defaults": {"image_size": 32}, "experiments": {"small": SMALL}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    job = build(read()).job("prepare/mine")
    execute(job)
    return job


def faults(of: Verification) -> list[tuple[str, str]]:
    return [(job, fault.file.name) for job, fault in of.faults]


def test_all_that_vouches_for_a_set_is_read(prepared):
    found = verify([prepared])
    assert found.is_sound and not found.absent
    assert found.files == len(prepared.files) + 1 + 2 * 4  # of the result, the archive, images and masks


def test_what_a_disk_changed_by_itself_is_found(prepared):
    """Times and record say that nothing has touched it."""
    result = prepared.paths[0]
    before = prepared.valid_stamp.files[result.name]["sha256"]
    written_into(result)
    kept = verified._read(prepared.record)
    trusted = verified.Reading(verified._state(result), before, "then")
    verified._write(prepared.record, kept | {result.name: trusted})
    assert prepared.current
    assert faults(verify([prepared])) == [("prepare/mine", result.name)]


def test_an_archive_that_is_not_the_one_that_was_unpacked_is_found(prepared):
    archive = Path("downloads/a.zip")
    written_into(archive)
    found = verify([prepared])
    assert faults(found) == [("prepare/mine", "a.zip")] and found.advice
