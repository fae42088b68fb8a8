"""Tables that span experiments."""

from __future__ import annotations

from pipeline_src.tables.across import ExperimentSummary, tasks
from pipeline_src.tables.sheet import COLUMNS


def test_the_table_of_tasks_tells_what_a_shown_set_needs(tmp_path):
    known = {"protocol": "raw", "part": "foggy", "method": "m", "seeds": "0", "role": "shifted"}
    cell = dict.fromkeys(COLUMNS, 0) | known
    for name, metric in (("T1", "ece"), ("T2", "accuracy")):
        row = cell | {"metric": metric}
        (tmp_path / f"{name}.csv").write_text(",".join(row) + "\n" + ",".join(map(str, row.values())) + "\n")
    captions = {"foggy": "Near-duplicates.", "not shown": "Nothing."}
    shown = [
        ExperimentSummary("fog", "smoke", "small", 0, folder, captions) for folder in (tmp_path, tmp_path / "none")
    ]
    table = tasks("own", shown, {}, {})
    assert set(table.numbers["group"]) == {"smoke: fog, foggy, under shift"}
    notes = table.notes
    assert notes[0] == "foggy: Near-duplicates." and not any("Nothing" in note for note in notes)
