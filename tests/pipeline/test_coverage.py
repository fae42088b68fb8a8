"""What is told of data sets: captions, and how many of the usual images a part has."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_sets import pairs, write_files

from pipeline_src.data import catalog
from pipeline_src.data.lookup import benchmark_file
from pipeline_src.data.prepare import prepare
from pipeline_src.params.parts import Part
from pipeline_src.pipeline.work import coverage

NAMES = "usual.txt"


@pytest.fixture
def prepared(tmp_path) -> Path:
    """The manifest of a set of six images, of which others use four, three of these."""
    write_files(tmp_path / "set", pairs(6))
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / NAMES).write_text("s00\ns01\ns02\nelsewhere\n")
    raw = {"folder": "set", "images": "Image", "masks": "GT", "benchmark_list": NAMES}
    prepare(catalog.load({"mine": raw})["mine"], tmp_path, tmp_path / "u", tmp_path / "m")
    return tmp_path / "m"


def test_how_many_of_the_usual_images_are_there(prepared, tmp_path):
    names, whole, two = tmp_path / "splits" / NAMES, Part(set="mine"), Part(set="mine", last=2)
    assert coverage(whole, prepared, names, NAMES) == "3 of its 6 images are among the 4 of usual.txt."
    assert coverage(two, prepared, names, NAMES) == "0 of its 2 images are among the 4 of usual.txt."
    assert coverage(two, prepared, None, NAMES) == "" == coverage(two, tmp_path / "nowhere", names, NAMES)
    names.write_text("s04\ns05\n")
    assert coverage(two, prepared, names, NAMES) == ""


def test_the_list_is_found_where_splits_lie(prepared, tmp_path):
    entry = catalog.load({"mine": {"folder": "set", "images": "I", "masks": "G", "benchmark_list": NAMES}})["mine"]
    assert benchmark_file(entry, tmp_path) == tmp_path / "splits" / NAMES
    assert benchmark_file(entry, tmp_path / "set") is None
    assert benchmark_file(entry.model_copy(update={"benchmark_list": ""}), tmp_path) is None
