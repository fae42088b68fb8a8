"""The main table: every number follows from the maps, and survives every spelling."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_results import analysed

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables import table_files
from pipeline_src.tables.write import MAIN_COLUMNS, write_tables
from pipeline_src.text_tables import Group, Table, latex, markdown

PARTS = {"val": "val", "Set_A": "id", "textures": "ood"}
METHODS = {"baseline": MethodFacts("baseline"), "aslp_mc": MethodFacts("aslp_mc")}
FACTS = Facts("tiny", METHODS, PARTS, (0, 1), 10, 2)
TWO_CLASSES = [name for name in MAIN_COLUMNS if name != "mean_iou"]


def maps(method: str, seed: int, part: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Three made-up maps, on a grid that float32 holds exactly, and their masks."""
    for number in range(3):
        rng = np.random.default_rng([len(method), seed, number, *part.encode()])
        truth = np.zeros((12, 10), np.uint8) if part == "textures" else (rng.random((12, 10)) < 0.4).astype(np.uint8)
        wrong = rng.random((12, 10)) < (0.3 if method == "baseline" else 0.1)
        probability = np.where(truth ^ wrong, rng.integers(520, 1025, (12, 10)), rng.integers(0, 505, (12, 10))) / 1024
        yield probability.astype(np.float32), truth


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    return analysed(tmp_path_factory.mktemp("statistics"), FACTS, maps)


@pytest.fixture(scope="module")
def written(results, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    write_tables(results, folder)
    return folder


@pytest.fixture(scope="module")
def numbers(written) -> pd.DataFrame:
    return pd.read_csv(written / "main.csv")


def only_set_a(tmp_path: Path, facts: Facts, without=()) -> str:
    """main.md of one data set, of which some runs may be missing."""
    facts = replace(facts, parts={"Set_A": "id"})
    write_tables(analysed(tmp_path, facts, maps, without), tmp_path)
    return (tmp_path / "main.md").read_text(encoding="utf-8")


def from_maps(method: str, seed: int, part: str, protocol: str) -> dict[str, float]:
    """The metrics of a run from its maps, by plain formulas and without any statistic."""
    f, y = [], []
    for probability, truth in maps(method, seed, part):
        if protocol == "stretched":
            probability = (probability - probability.min()) / (probability.max() - probability.min())
        f.append(probability.ravel())
        y.append(truth.ravel())
    f, y = np.concatenate(f), np.concatenate(y)
    confidence, right = np.maximum(f, 1 - f), (f >= 0.5) == y
    bins = np.ceil(confidence.astype(np.float64) * 10) - 1
    ece = oe = 0.0
    for k in np.unique(bins):
        inside = bins == k
        gap = float(confidence[inside].mean(dtype=np.float64) - right[inside].mean())
        ece += inside.mean() * abs(gap)
        oe += inside.mean() * confidence[inside].mean(dtype=np.float64) * max(gap, 0)
    return {"ece": ece, "oe": oe, "accuracy": right.mean(), "brier": ((f - y) ** 2).mean(), "mae": np.abs(f - y).mean()}


def test_files_are_those_that_are_named(written):
    assert sorted(path.name for path in written.iterdir()) == sorted(table_files())


def test_names_of_files_are_known_without_pandas():
    """Snakemake asks for them whenever it starts."""
    code = """
import sys
from pipeline_src.tables import table_files
from pipeline_src.tables.several_experiments import OVERVIEW_TABLES
from pipeline_src.claims import CLAIM_FILES
assert table_files() and OVERVIEW_TABLES and CLAIM_FILES
print({"pandas", "scipy", "matplotlib", "torch", "cv2"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def test_csv_agrees_with_the_maps(numbers):
    assert len(numbers) == 2 * len(PARTS) * len(METHODS) * 2
    for row in numbers.itertuples():
        expected = from_maps(row.method, row.seed, row.part, row.protocol)
        values = {name: getattr(row, name) for name in expected}
        assert values == pytest.approx(expected, abs=1e-6), (row.protocol, row.part, row.method, row.seed)
        assert (row.role, row.images, row.pixels) == (PARTS[row.part], 3, 360)


def test_protocols_differ(numbers):
    both = numbers.set_index(["part", "method", "seed", "protocol"])["ece"].unstack("protocol")
    assert set(both.columns) == {"raw", "stretched"}
    assert (both["raw"] != both["stretched"]).all()


def test_markdown_shows_mean_and_spread_over_seeds(written, numbers):
    raw, stretched = (written / "main.md").read_text(encoding="utf-8").split("**Table.**")[1:]
    for protocol, text in (("raw", raw), ("stretched", stretched)):
        assert f"{protocol} protocol" in text.splitlines()[0]
        rows = [line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| (baseline|aslp)", line)]
        assert len(rows) == 2 * len(PARTS)
        at = iter(rows)
        for part in PARTS:
            for method in METHODS:
                cells = dict(zip(TWO_CLASSES, next(at)[1:], strict=True))
                same = (numbers["protocol"] == protocol) & (numbers["part"] == part) & (numbers["method"] == method)
                for name, cell in cells.items():
                    values = numbers[same][name].to_numpy() * METRICS[name].factor
                    if np.isnan(values).all():
                        assert cell == "–"
                        continue
                    mean, spread = (float(text) for text in cell.split(" ± "))
                    unit = 10.0 ** -METRICS[name].digits
                    assert mean == pytest.approx(values.mean(), abs=0.51 * unit)
                    assert spread == pytest.approx(values.std(ddof=1), abs=0.51 * unit)


def test_one_seed_has_no_spread(tmp_path):
    text = only_set_a(tmp_path, replace(FACTS, seeds=(0,)))
    assert "±" not in text
    assert "seed 0" in text


def test_undefined_is_a_dash_with_its_reason_and_never_zero(written, numbers):
    assert numbers[numbers["part"] == "textures"]["max_f"].isna().all()
    assert numbers[numbers["part"] != "textures"]["max_f"].notna().all()
    tree = json.loads((written / "metrics.json").read_text(encoding="utf-8"))
    assert tree["raw"]["baseline"]["textures"]["max_f"] is None
    for name in ("main.md", "main.tex"):
        text = (written / name).read_text(encoding="utf-8")
        assert re.search(r"max F is undefined on textures: .*foreground", text), name


def test_json_holds_means(written, numbers):
    tree = json.loads((written / "metrics.json").read_text(encoding="utf-8"))
    means = numbers.groupby(["protocol", "method", "part"])["ece"].mean()
    values = {(p, m, s): tree[p][m][s]["ece"] for p in tree for m in tree[p] for s in tree[p][m]}
    assert values == pytest.approx(means.to_dict(), rel=1e-7)  # eight digits


def test_tables_as_printed_are_those_of_the_report(written):
    printed = json.loads((written / "printed.json").read_text(encoding="utf-8"))
    assert list(printed)[:2] == ["main", "T1"]
    table = printed["main"]["raw"]
    text = markdown(Table(**table | {"groups": [Group(**group) for group in table["groups"]]}))
    assert text == (written / "main.md").read_text(encoding="utf-8").split("\n\n**Table.**")[0] + "\n"


def test_a_missing_run_is_named(tmp_path):
    text = only_set_a(tmp_path, FACTS, {("aslp_mc", 1, "Set_A")})
    assert r"Not run: aslp\_mc seed 1 on Set\_A." in text


def test_a_run_of_all_seeds_is_no_missing_run(tmp_path):
    methods = METHODS | {"aslp_mc": MethodFacts("aslp_mc", of_all_seeds=True)}
    text = only_set_a(tmp_path, replace(FACTS, methods=methods))
    assert "Not run" not in text
    assert r"aslp\_mc is one run, made of the networks of all seeds" in text
    assert any("±" in line for line in text.splitlines() if "baseline" in line)
    assert not any("±" in line for line in text.splitlines() if line.startswith(r"| aslp\_mc"))


def test_blocks_of_the_baseline_are_shown_by_their_own_names(tmp_path):
    methods = {"ce": MethodFacts("baseline"), "ce_again": MethodFacts("baseline")}
    text = only_set_a(tmp_path, replace(FACTS, methods=methods, seeds=(0,)))
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ce")]
    assert rows == ["| ce", r"| ce\_again"] * 2


def test_generated_images_decide_no_claim(results, tmp_path):
    write_tables(replace(results, facts=replace(FACTS, synthetic=True)), tmp_path)
    for name in ("main.md", "main.tex"):
        assert "decide no claim" in (tmp_path / name).read_text(encoding="utf-8")


def test_same_results_same_bytes(results, written, tmp_path):
    write_tables(Results(results.facts, results.files), tmp_path)
    for name in table_files():
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes(), name


ODD = r"a_b & <c> 50% $x$ #1 {y} ~z ^w \v [u] *t* |s|"
ODD_TABLE = Table("tab:odd", ODD, ["", "ECE %"], [Group(ODD, [["[first]", "1 ± 2"], [ODD, "–"]])], [ODD])


def test_latex_escapes():
    text = latex(ODD_TABLE)
    assert r"a\_b \& \textless{}c\textgreater{} 50\% \$x\$ \#1 \{y\} \textasciitilde{}z" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [1, 1, 1]
    bare = text.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    assert not any(line.startswith(("[", "*")) for line in text.splitlines()), "LaTeX would read an option of \\\\"


def test_markdown_escapes():
    text = markdown(ODD_TABLE)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 3 for row in rows)
    assert "<c>" not in text
    assert "&lt;c&gt;" in text


def test_latex_compiles(written, tmp_path):
    styles = shutil.which("kpsewhich") and subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True).stdout
    if not shutil.which("pdflatex") or not styles:
        pytest.skip("no pdflatex with booktabs here")
    (tmp_path / "odd.tex").write_text(latex(ODD_TABLE), encoding="utf-8")
    shutil.copy(written / "main.tex", tmp_path)
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{main}\input{odd}\end{document}"
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", document]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout.split("odd.tex")[0]
