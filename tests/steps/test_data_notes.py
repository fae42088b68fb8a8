"""What captions say of data sets."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from made_sets import pairs, write_files

from pipeline_src.data import catalog
from pipeline_src.data.prepare import prepare
from pipeline_src.params.schema import Part
from pipeline_src.steps.data_notes import remarks
from pipeline_src.tables.across import Elsewhere, tasks
from pipeline_src.tables.sheet import COLUMNS


@pytest.fixture
def graph(tmp_path):
    """What `remarks` asks of a graph: a set of six images, of which others use four, three of these, tested thrice."""
    write_files(tmp_path / "set", pairs(6))
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits/usual.txt").write_text("s00\ns01\ns02\nelsewhere\n")
    raw = {
        "folder": "set",
        "images": "Image",
        "masks": "GT",
        "benchmark_list": "usual.txt",
        "caption": "Of one camera.",
    }
    mine = catalog.load({"mine": raw})["mine"]
    prepare(mine, tmp_path, tmp_path / "u", tmp_path / "m")
    parts = {
        "val": (Part(set="mine"), "val"),
        "whole": (Part(set="mine"), "id"),
        "two": (Part(set="mine", last=2), "id"),
    }
    return SimpleNamespace(
        tested=dict.fromkeys(parts, "id"),
        parts=parts,
        entries={"mine": mine},
        data_root=tmp_path,
        manifest=lambda _: tmp_path / "m",
    )


def test_the_caption_and_how_many_of_the_usual_images_are_there(graph):
    assert remarks(graph) == {
        "whole": "Of one camera. 3 of its 6 images are among the 4 of usual.txt.",
        "two": "Of one camera. 0 of its 2 images are among the 4 of usual.txt.",
    }
    (graph.data_root / "splits/usual.txt").write_text("s04\ns05\n")
    assert remarks(graph)["two"] == "Of one camera."
    (graph.data_root / "splits/usual.txt").unlink()
    assert remarks(graph)["whole"] == "Of one camera."


def test_the_table_of_tasks_tells_what_a_shown_set_needs(tmp_path):
    told = {"protocol": "raw", "part": "foggy", "method": "m", "seeds": "0", "role": "shifted"}
    cell = dict.fromkeys(COLUMNS, 0) | told
    for name, metric in (("T1", "ece"), ("T2", "accuracy")):
        row = cell | {"metric": metric}
        (tmp_path / f"{name}.csv").write_text(",".join(row) + "\n" + ",".join(map(str, row.values())) + "\n")
    captions = {"foggy": "Near-duplicates.", "not shown": "Nothing."}
    shown = [Elsewhere("fog", "smoke", "small", 0, tables, captions) for tables in (tmp_path, tmp_path / "none")]
    sheet = tasks("own", shown, {}, {})
    assert set(sheet.numbers["group"]) == {"smoke: fog, foggy, under shift"}
    notes = sheet.notes
    assert notes[0] == "foggy: Near-duplicates." and not any("Nothing" in note for note in notes)
