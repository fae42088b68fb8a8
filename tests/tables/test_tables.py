"""The main table: every number follows from the maps, and survives every spelling."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_results import analysed

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.analysis.results import Results
from pipeline_src.tables import write
from pipeline_src.tables.captions import SYNTHETIC
from pipeline_src.tables.paper_table import PaperTable
from pipeline_src.tables.registry import MAIN, TABLE_FILES, TABLES, ByMethod
from pipeline_src.tables.write import write_tables
from pipeline_src.text_tables import Group, Table, markdown

PARTS = {"val": "val", "Set_A": "id", "textures": "ood"}
METHODS = {"baseline": MethodFacts("baseline"), "aslp_mc": MethodFacts("aslp_mc")}
FACTS = Facts("tiny", METHODS, PARTS, (0, 1), 10, 2)


def maps(method: str, seed: int, part: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Three made-up maps, on a grid that float32 holds exactly, and their masks."""
    for number in range(3):
        rng = np.random.default_rng([len(method), seed, number, *part.encode()])
        target = np.zeros((12, 10), np.uint8) if part == "textures" else (rng.random((12, 10)) < 0.4).astype(np.uint8)
        wrong = rng.random((12, 10)) < (0.3 if method == "baseline" else 0.1)
        probability = np.where(target ^ wrong, rng.integers(520, 1025, (12, 10)), rng.integers(0, 505, (12, 10))) / 1024
        yield probability.astype(np.float32), target


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    return analysed(tmp_path_factory.mktemp("statistics"), FACTS, maps)


@pytest.fixture(scope="module")
def written(results, tmp_path_factory) -> Path:
    """All tables, with a table of metrics and a table of another kind that somebody adds."""

    def sizes(results: Results) -> PaperTable:
        rows = [{"row": part, "column": "gap", "metric": "gap", "mean": 0.1, "part": part} for part in PARTS]
        return PaperTable("Sizes", rows)

    folder = tmp_path_factory.mktemp("written")
    with pytest.MonkeyPatch.context() as patch:
        added = {"T20": ByMethod("Confidence and accuracy", ("id",), ("gap", "oe")), "T21": sizes}
        patch.setattr(write, "TABLES", TABLES | added)
        write_tables(results, folder)
    more = {f"{name}.{suffix}" for name in ("T20", "T21") for suffix in ("csv", "md")}
    assert {path.name for path in folder.iterdir()} == {*TABLE_FILES} | more
    return folder


def test_a_new_table_is_an_entry_or_a_function(written):
    assert set(pd.read_csv(written / "T20.csv")["metric"]) == {"gap", "oe"}
    assert pd.read_csv(written / "T21.csv")["part"].tolist() == list(PARTS)


def from_maps(method: str, seed: int, part: str, protocol: str) -> dict[str, float]:
    """The metrics of a run from its maps, by plain formulas and without any statistic."""
    f, y = [], []
    for probability, target in maps(method, seed, part):
        if protocol == "stretched":
            probability = (probability - probability.min()) / (probability.max() - probability.min())
        f.append(probability.ravel())
        y.append(target.ravel())
    f, y = np.concatenate(f), np.concatenate(y)
    confidence, correct = np.maximum(f, 1 - f).astype(np.float64), (f >= 0.5) == y
    bins = np.ceil(confidence * 10) - 1
    ece = oe = 0.0
    for inside in (bins == k for k in np.unique(bins)):
        gap = confidence[inside].mean() - correct[inside].mean()
        ece += inside.mean() * abs(gap)
        oe += inside.mean() * confidence[inside].mean() * max(gap, 0)
    brier, mae = ((f - y) ** 2).mean(), np.abs(f - y).mean()
    return {"ece": ece, "oe": oe, "accuracy": correct.mean(), "brier": brier, "mae": mae}


def test_numbers_agree_with_the_maps(written):
    numbers = pd.read_csv(written / "main.csv")
    assert len(numbers) == 2 * len(PARTS) * len(METHODS) * 2
    for row in numbers.itertuples():
        expected = from_maps(row.method, row.seed, row.part, row.protocol)
        values = {name: getattr(row, name) for name in expected}
        assert values == pytest.approx(expected, abs=1e-6), (row.protocol, row.part, row.method, row.seed)
        assert (row.role, row.images, row.pixels) == (PARTS[row.part], 3, 360)
    tree = json.loads((written / "metrics.json").read_text(encoding="utf-8"))["metrics"]
    values = {(p, m, s): tree[p][m][s]["ece"]["mean"] for p in tree for m in tree[p] for s in tree[p][m]}
    assert values == pytest.approx(numbers.groupby(["protocol", "method", "part"])["ece"].mean().to_dict(), rel=1e-7)


ODD = r"a_b & <c> 50% $x$ #1 {y} ~z ^w \v [u] *t* |s| `r`"
ODD_TABLE = Table(ODD, ["", "ECE %"], [Group(ODD, [["[first]", "1 ± 2"], [ODD, "–"]])], [ODD])


def test_markdown_escapes_what_it_would_read():
    escaped = r"a\_b &amp; &lt;c&gt; 50% $x$ #1 {y} ~z ^w \\v \[u\] \*t\* \|s\| \`r\`"
    text = markdown(ODD_TABLE)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert f"| {escaped} | – |" in rows
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 3 for row in rows)
    assert "<c>" not in text and "&lt;c&gt;" in text


def test_notes_of_the_main_table(tmp_path):
    methods = METHODS | {"together": MethodFacts("baseline", of_all_seeds=True)}
    facts = replace(FACTS, methods=methods, splits={"Set_A": "id"}, synthetic=True, captions={"Set_A": "Its masks."})
    table = MAIN(analysed(tmp_path, facts, maps, {("aslp_mc", 1, "Set_A")})).printed()["raw"]
    rows = {row[0]: " ".join(row[1:]) for row in table.groups[0].rows}
    assert "±" in rows["baseline"] and "±" not in rows["together (one network set, seed 0)"]
    text = " ".join(table.notes)
    assert "aslp_mc seed 1 on Set_A" in text and "together" in text and "together seed" not in text
    assert SYNTHETIC in text and "Set_A: Its masks." in text
