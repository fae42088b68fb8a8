"""Croissant metadata of a prepared data set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_sets import entry, pairs, write_files

from pipeline_src.data import croissant, manifest
from pipeline_src.data.prepare import prepare


@pytest.fixture
def prepared(tmp_path) -> tuple[object, Path]:
    write_files(tmp_path / "set", pairs(3))
    mine = entry(
        folder="set", images="Image", masks="GT", terms="Research only.", citation="Me, 2026", get="https://example.org"
    )
    prepare(mine, tmp_path, tmp_path / "unpacked", tmp_path / "out")
    return mine, tmp_path / "out"


def test_the_manifest_is_described_column_by_column(prepared):
    written = json.loads(croissant.write(*prepared).read_text())
    assert written["license"] == "Research only." and written["citeAs"] == "Me, 2026"
    assert written["url"] == "https://example.org" and "3 images" in written["description"]
    fields = [field["source"]["extract"]["column"] for field in written["recordSet"][0]["field"]]
    assert fields == list(manifest.TYPES)


def test_it_is_valid_and_its_records_are_those_of_the_manifest(prepared):
    mlcroissant = pytest.importorskip("mlcroissant")
    dataset = mlcroissant.Dataset(jsonld=croissant.write(*prepared))
    assert not dataset.metadata.ctx.issues.errors
    records = list(dataset.records("samples"))
    assert len(records) == 3
    for record, row in zip(records, manifest.read(prepared[1]), strict=True):
        values = {key.removeprefix("samples/"): value for key, value in record.items()}
        assert values["id"].decode() == row.id and values["sha256_image"].decode() == row.sha256_image
        assert values["height"] == row.height and values["foreground"] == pytest.approx(row.foreground, abs=1e-6)
