"""The real sets, where a folder of downloads is at hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline_src.data import catalog, manifest
from pipeline_src.data.build import build
from pipeline_src.data.manifest import check_disjoint
from pipeline_src.data.pairing import find_path, read_name_list
from pipeline_src.data.prepare import prepare
from pipeline_src.data.sources import identify
from pipeline_src.data.store import Store
from pipeline_src.params.schema import Part

EXPECTED = {"DUTS-TR": 5000, "ECSSD": 1000, "DTD": 500, "Brodatz": 56}


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
        assert here == replace(identify(sets[name], None, root / "none", root / name), unchecked="")
    parts = {name: manifest.select(Part(set="DUTS-TR", split=name), root / "DUTS-TR") for name in ("train", "val")}
    assert len(check_disjoint(parts)["train", "val"]) == 2


@pytest.mark.parametrize("end", ["first", "last"])
def test_halves_of_the_validation_list(prepared, downloads, tmp_path, end):
    root, sets, _ = prepared
    names = read_name_list(find_path("DUTS-TR-val.txt", downloads, "splits"))
    part = Part(set="DUTS-TR", split="val", **{end: 500})
    build(part, sets["DUTS-TR"], downloads, root / "unpacked", root / "DUTS-TR", 96, tmp_path / "s")
    store = Store(tmp_path / "s")
    assert store.ids == [f"DUTS-TR/{name}" for name in (names[:500] if end == "first" else names[500:])]
    share = np.mean([store.truth(i).mean() for i in range(500)])
    assert store.masks.mean() / 255 == pytest.approx(share, abs=0.002)
    assert 0.1 < share < 0.5
