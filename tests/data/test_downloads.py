"""The real sets, where a folder of downloads is at hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline_src.data import catalog, manifest
from pipeline_src.data.manifest import check_disjoint
from pipeline_src.data.prepare import prepare
from pipeline_src.data.sources import identify
from pipeline_src.params.schema import Split

EXPECTED = {"DUTS-TR": 5000, "ECSSD": 1000, "DTD": 500, "Brodatz": 56, "CamVid": 701}


@pytest.fixture(scope="module")
def prepared(downloads, tmp_path_factory):
    root = tmp_path_factory.mktemp("real")
    sets = catalog.load()
    summaries = {name: prepare(sets[name], downloads, root / "unpacked", root / name) for name in EXPECTED}
    return root, sets, summaries


def test_counts_and_known_twins(prepared, downloads):
    root, sets, summaries = prepared
    assert {name: summary["samples"] for name, summary in summaries.items()} == EXPECTED
    assert summaries["DUTS-TR"]["splits"] == {"all": 5000, "train": 4000, "val": 1000}
    assert summaries["DTD"]["splits"] == {"all": 500, "test": 500, "official": 205}
    for name, summary in summaries.items():
        assert summary["problems"] == 0 and not any("grey" in note for note in summary["notes"])
        here = identify(sets[name], downloads, root / "unpacked")
        assert here == replace(identify(sets[name], root / "absent", root / "none", root / name), unchecked="")
    parts = {name: manifest.select(Split(set="DUTS-TR", split=name), root / "DUTS-TR") for name in ("train", "val")}
    assert len(check_disjoint(parts)["train", "val"]) == 2
