"""The main table: every number traces back to a statistic, and survives every spelling."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline_src.analysis.results import Results
from pipeline_src.counting.statistic import Statistic
from pipeline_src.tables import TABLE_FILES
from pipeline_src.tables.main import METRICS, write_tables
from pipeline_src.text_tables import Group, Table, latex, markdown

PARTS = {"val": "val", "Set_A": "id", "textures": "ood"}
RUNS = [("baseline", 0), ("baseline", 1), ("aslp_mc", 0), ("aslp_mc", 1)]


def image(method: str, seed: int, part: str, number: int) -> tuple[np.ndarray, np.ndarray]:
    """A made-up map, on a grid that float32 holds exactly, and its mask."""
    rng = np.random.default_rng([len(method), seed, number, *part.encode()])
    truth = np.zeros((12, 10), np.uint8) if part == "textures" else (rng.random((12, 10)) < 0.4).astype(np.uint8)
    wrong = rng.random((12, 10)) < (0.3 if method == "baseline" else 0.1)
    probability = np.where(truth ^ wrong, rng.integers(520, 1025, (12, 10)), rng.integers(0, 505, (12, 10))) / 1024
    return probability.astype(np.float32), truth


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    folder, files = tmp_path_factory.mktemp("statistics"), {}
    for method, seed in RUNS:
        for part in PARTS:
            statistic = Statistic.empty()
            for number in range(3):
                statistic.add(*image(method, seed, part, number), f"{part}/{number}")
            files[method, seed, part] = folder / f"{method}-{seed}-{part}.npz"
            statistic.save(files[method, seed, part], {})
    return Results("tiny", files, PARTS, bins=10, epochs=2, labels={"aslp_mc": "ASLP & MC"})


@pytest.fixture(scope="module")
def written(results, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    write_tables(results, folder / "tables", folder / "metrics.json")
    return folder


@pytest.fixture(scope="module")
def numbers(written) -> pd.DataFrame:
    return pd.read_csv(written / "tables/main.csv")


def one_seed(results: Results) -> Results:
    files = {key: path for key, path in results.statistics.items() if key[1] == 0}
    return Results("tiny", files, results.parts, 10, 2)


def from_maps(method: str, seed: int, part: str, protocol: str) -> dict[str, float]:
    """The metrics of a run from its maps, by plain formulas and without any statistic."""
    f, y = [], []
    for number in range(3):
        probability, truth = image(method, seed, part, number)
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


def test_csv_agrees_with_the_maps(numbers):
    assert len(numbers) == 2 * len(PARTS) * len(RUNS)
    for row in numbers.itertuples():
        expected = from_maps(row.method, row.seed, row.part, row.protocol)
        found = {name: getattr(row, name) for name in expected}
        assert found == pytest.approx(expected, abs=1e-6), (row.protocol, row.part, row.method, row.seed)
        assert (row.role, row.images, row.pixels) == (PARTS[row.part], 3, 360)


def test_protocols_are_told_apart(numbers):
    both = numbers.set_index(["part", "method", "seed", "protocol"])["ece"].unstack("protocol")
    assert set(both.columns) == {"raw", "stretched"}
    assert (both["raw"] != both["stretched"]).all()


def test_markdown_shows_mean_and_spread_over_seeds(written, numbers):
    raw, stretched = (written / "tables/main.md").read_text(encoding="utf-8").split("**Table.**")[1:]
    for protocol, text in (("raw", raw), ("stretched", stretched)):
        assert f"{protocol} protocol" in text.splitlines()[0]
        rows = [line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| (baseline|ASLP)", line)]
        assert len(rows) == 2 * len(PARTS)
        at = iter(rows)
        for part in PARTS:
            for method in ("baseline", "aslp_mc"):
                cells = dict(zip(METRICS, next(at)[1:], strict=True))
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


def test_one_seed_has_no_spread(results, tmp_path):
    write_tables(one_seed(results), tmp_path, tmp_path / "metrics.json")
    text = (tmp_path / "main.md").read_text(encoding="utf-8")
    assert "±" not in text
    assert "seed 0" in text


def test_undefined_is_a_dash_with_its_reason_and_never_zero(written, numbers):
    assert numbers[numbers["part"] == "textures"]["max_f"].isna().all()
    assert numbers[numbers["part"] != "textures"]["max_f"].notna().all()
    tree = json.loads((written / "metrics.json").read_text(encoding="utf-8"))
    assert tree["raw"]["baseline"]["textures"]["max_f"] is None
    for name in ("main.md", "main.tex"):
        text = (written / "tables" / name).read_text(encoding="utf-8")
        assert re.search(r"max F is undefined on textures: .*foreground", text), name


def test_json_holds_means(written, numbers):
    tree = json.loads((written / "metrics.json").read_text(encoding="utf-8"))
    means = numbers.groupby(["protocol", "method", "part"])["ece"].mean()
    found = {(p, m, s): tree[p][m][s]["ece"] for p in tree for m in tree[p] for s in tree[p][m]}
    assert found == pytest.approx(means.to_dict(), abs=1e-15)


def test_a_missing_run_is_named(results, tmp_path):
    files = {key: path for key, path in results.statistics.items() if key != ("aslp_mc", 1, "Set_A")}
    partial = Results("tiny", files, PARTS, 10, 2)
    write_tables(partial, tmp_path, tmp_path / "metrics.json")
    assert r"Not run: aslp\_mc seed 1 on Set\_A." in (tmp_path / "main.md").read_text(encoding="utf-8")


def test_a_run_of_all_seeds_is_no_missing_run(results, tmp_path):
    files = {key: path for key, path in results.statistics.items() if key[:2] != ("aslp_mc", 1)}
    write_tables(Results("tiny", files, PARTS, 10, 2, of_all_seeds=["aslp_mc"]), tmp_path, tmp_path / "metrics.json")
    text = (tmp_path / "main.md").read_text(encoding="utf-8")
    assert "Not run" not in text
    assert r"aslp\_mc is one run, made of the networks of all seeds" in text
    assert any("±" in line for line in text.splitlines() if "baseline" in line)
    assert not any("±" in line for line in text.splitlines() if line.startswith(r"| aslp\_mc"))


def test_generated_images_decide_no_claim(results, tmp_path):
    synthetic = Results("tiny", results.statistics, PARTS, 10, 2, synthetic=True)
    write_tables(synthetic, tmp_path, tmp_path / "metrics.json")
    for name in ("main.md", "main.tex"):
        assert "decide no claim" in (tmp_path / name).read_text(encoding="utf-8")


def test_same_statistics_same_bytes(results, written, tmp_path):
    write_tables(results, tmp_path / "tables", tmp_path / "metrics.json")
    for name in (*(f"tables/{name}" for name in TABLE_FILES), "metrics.json"):
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
    shutil.copy(written / "tables/main.tex", tmp_path)
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{main}\input{odd}\end{document}"
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", document]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout.split("odd.tex")[0]
