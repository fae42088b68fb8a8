"""The paper tables T1 to T9: every number traces back to a file, marks follow from paired differences."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline_src.analysis.bootstrap import image_means, percentiles, resampled
from pipeline_src.analysis.results import Results, read
from pipeline_src.analysis.samples import CURVES, FEW, PIXELS, RESAMPLES, Sampled, sample
from pipeline_src.claims.view import View
from pipeline_src.counting.statistic import PROTOCOLS, Statistic
from pipeline_src.counting.whole_maps import KEPT, of_images, whole_map_measures
from pipeline_src.data import known
from pipeline_src.metrics.metrics import summary
from pipeline_src.tables import PAPER
from pipeline_src.tables.across import ExperimentSummary, backbones, judged, tasks
from pipeline_src.tables.captions import heading
from pipeline_src.tables.cost import Run
from pipeline_src.tables.measured import marks
from pipeline_src.tables.paper import BY_METHOD, Beside, sheets
from pipeline_src.tables.sheet import BEST, COLUMNS, TIED

PARTS = {"val": "val", "one": "id", "dots": "ood"}
BLOCKS = {
    "baseline": {"code": "baseline"},
    "slp": {"code": "slp", "alpha": 0.05, "beta": 1.0, "noise": 0.0, "form": "drawn"},
    "slp_m": {"code": "slp", "alpha": 0.1, "beta": 0.5, "noise": 0.0, "form": "drawn"},
    "slp_dm": {"code": "slp", "alpha": 0.1, "beta": 0.5, "noise": 0.25, "form": "drawn"},
    "label_smoothing": {"code": "label_smoothing", "eps": 0.1},
}
SURE = {"baseline": 0.95, "slp": 0.85, "slp_m": 0.85, "slp_dm": 0.84, "label_smoothing": 0.7}
SORTED = ("ece_equal_mass", "ece_sweep", "smooth_ece")


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    """Five methods, two seeds, maps of noise about a truth that a fifth of the pixels miss."""
    folder, files = tmp_path_factory.mktemp("statistics"), {}
    for method, sure in SURE.items():
        for seed in (0, 1):
            for part in PARTS:
                rng = np.random.default_rng([seed, *method.encode(), *part.encode()])
                statistic = Statistic.empty()
                for number in range(8):
                    truth = np.zeros((12, 10), np.uint8) if part == "dots" else rng.integers(0, 2, (12, 10), np.uint8)
                    shown = truth ^ (rng.random((12, 10)) < 0.2)
                    near = np.clip(rng.normal(sure, 0.05, (12, 10)), 0.5, 1)
                    f = np.where(shown, near, 1 - near).astype(np.float32)
                    void = np.where(number == 3, 255, truth).astype(np.uint8)  # S and E of one image are undefined
                    statistic.add(f, truth, f"{part}/{number}", whole=whole_map_measures(f, void, KEPT))
                files[method, seed, part] = folder / f"{method}-{seed}-{part}.npz"
                statistic.save(files[method, seed, part], {})
    return Results("made", files, PARTS, 10, 3, labels={"slp_m": "SLP_M & 50 %"})


@pytest.fixture(scope="module")
def written(results, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    for sheet in sheets(results, read(results), Beside(BLOCKS)):
        sheet.write(folder)
    return folder


@pytest.fixture(scope="module")
def tables(written) -> dict[str, pd.DataFrame]:
    return {name: pd.read_csv(written / f"{name}.csv") for name in PAPER}


def test_every_number_is_that_of_the_statistics(results, tables):
    for name, table in BY_METHOD.items():
        parts = [part for part, role in PARTS.items() if role in table.roles]
        metrics = set(table.metrics) - {"mean_iou", "classwise_ece"}  # of several classes
        assert set(tables[name]["metric"]) == metrics
        assert len(tables[name]) == 2 * len(parts) * len(SURE) * len(metrics)
    for part in ("one", "dots"):
        for method in ("baseline", "label_smoothing"):  # sorting pixels 250 times takes a while
            counts = [Statistic.load(results.statistics[method, seed, part])[0] for seed in (0, 1)]
            for protocol in PROTOCOLS:
                runs = [_resampled(getattr(of, protocol), part) for of in counts]
                for name in BY_METHOD:
                    shown = tables[name].query("protocol == @protocol and part == @part and method == @method")
                    for row in shown.itertuples():
                        _compare(row, runs)


def _resampled(counts, part: str) -> dict[str, tuple[float, np.ndarray]]:
    points = {name: value for name, value in summary(counts, 10)[0].items() if value is not None}
    found = {}
    for few in (False, True) if part == "one" else (False,):
        chosen = {name: value for name, value in points.items() if (name in SORTED) == few}
        of = resampled(counts, chosen, 10, FEW if few else RESAMPLES, zlib.crc32(part.encode()))
        found |= {name: (points[name], of.values[name]) for name in of.values}
    resampled_means = image_means(of_images(counts), RESAMPLES, zlib.crc32(part.encode()))
    return found | {name: (points[name], of) for name, of in zip(KEPT, resampled_means.T, strict=True)}


def _compare(row, runs: list[dict[str, tuple[float, np.ndarray]]]) -> None:
    points = np.array([run[row.metric][0] for run in runs])
    assert (row.mean, row.sd) == pytest.approx((points.mean(), points.std(ddof=1)), abs=1e-12)
    low, high = percentiles(np.mean([run[row.metric][1] for run in runs], axis=0))
    # Metrics that sort pixels are resampled on coarser cells here.
    off = 0.2 * (high - low) if row.metric in SORTED else 1e-9
    assert (row.low, row.high) == pytest.approx((low, high), abs=off), row
    assert (row.images, row.seeds) == (8, "0 1")


def test_static_grid(tables, written):
    grid = tables["T3"]
    at = grid[(grid["protocol"] == "raw") & (grid["metric"] == "s")].set_index("method")
    assert at[["alpha", "beta", "s"]].to_dict("index") == {
        "slp": {"alpha": 0.05, "beta": 1.0, "s": 0.1},
        "slp_m": {"alpha": 0.1, "beta": 0.5, "s": 0.1},
        "slp_dm": {"alpha": 0.1, "beta": 0.5, "s": 0.1},
        "label_smoothing": {"alpha": 1.0, "beta": 0.05, "s": 0.1},
    }
    text = (written / "T3.md").read_text(encoding="utf-8")
    assert "|  | β = 0.05 | β = 0.5 | β = 1 |" in text
    rows = ["α = 0.05", "α = 0.1", "α = 0.1, noise 0.25", "α = 1, label smoothing"]
    assert [line.split(" | ")[0][2:] for line in text.split("s = 2 α β")[1].splitlines()[1:5]] == rows
    same = tables["T1"].merge(grid, on=["protocol", "part", "method", "metric"])
    assert len(same) == 2 * 2 * 4
    for name in ("mean", "sd", "low", "high"):
        assert (same[f"{name}_x"] == same[f"{name}_y"]).all()


def test_two_methods_of_one_place_have_a_row_each(results):
    twice = BLOCKS | {"slp_m": BLOCKS["slp"]}
    few = replace(results, statistics={key: path for key, path in results.statistics.items() if "slp" in key[0]})
    grid = next(sheet for sheet in sheets(few, read(few), Beside(twice)) if sheet.name == "T3").numbers
    assert set(grid["row"]) == {"α = 0.05", "α = 0.05 (SLP_M & 50 %)", "α = 0.1, noise 0.25"}


def by_hand(points: list[float], course=(0.0, 0.0), seeds=(0,), **more) -> Sampled:
    """Resampled values that go from `course[0]` below to `course[1]` above the points."""
    steps = np.linspace(*course, 101)
    values = {metric: np.array(points)[:, None] + steps for metric in ("ece", "accuracy")}
    return Sampled(5, list(seeds), {metric: np.array(points) for metric in values}, values, **more)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"a": by_hand([0.1]), "b": by_hand([0.2])}, {"a": BEST}),
        # Together up and down: the difference is certain, however wide each interval.
        ({"a": by_hand([0.1], (-0.3, 0.3)), "b": by_hand([0.2], (-0.3, 0.3))}, {"a": BEST}),
        ({"a": by_hand([0.1], (-0.3, 0.3)), "b": by_hand([0.2], (0.3, -0.3))}, {"a": TIED, "b": TIED}),
        (
            {"a": by_hand([0.1]), "b": by_hand([0.12], (-0.1, 0.1)), "c": by_hand([0.5], (-0.1, 0.1))},
            {"a": TIED, "b": TIED},
        ),
        ({"a": by_hand([0.1])}, {}),
        ({"a": by_hand([0.1]), "b": by_hand([0.2], seeds=(7,))}, {"a": TIED, "b": TIED}),
        ({"a": by_hand([0.1, 0.3], seeds=(0, 1)), "b": by_hand([0.25], of_all_seeds=True)}, {"a": BEST}),
    ],
)
def test_marks(found, expected):
    assert marks("ece", found) == expected


def test_the_best_score_is_the_highest():
    assert marks("accuracy", {"a": by_hand([0.1]), "b": by_hand([0.2])}) == {"b": BEST}
    assert marks("mae", {"a": by_hand([0.1]), "b": by_hand([0.2])}) == {}


def test_marks_are_shown_and_explained(tables, written):
    text = (written / "T1.md").read_text(encoding="utf-8")
    for mark, sign in ((BEST, "★"), (TIED, "†")):
        marked = tables["T1"][tables["T1"]["mark"] == mark]
        assert len(re.findall(rf"\d{sign}", text)) == len(marked)
        assert (f"{sign} " in text) == (len(marked) > 0)
    assert len(tables["T1"]["mark"].dropna()) > 0


def test_captions_name_protocol_images_and_interval(written):
    for name in BY_METHOD:
        captions = (written / f"{name}.md").read_text(encoding="utf-8").split("**Table.**")[1:]
        for protocol, caption in zip(PROTOCOLS, captions, strict=True):
            head = caption.splitlines()[0]
            assert f"{protocol} protocol" in head
            assert re.search(r"Images: (one|dots) 8\.", head)
            assert "95 %" in head
            assert "seeds 0, 1" in head


def test_what_is_missing_is_told_with_the_command(results):
    files = {key: path for key, path in results.statistics.items() if key[0] == "baseline" and key[2] != "dots"}
    bare = replace(results, statistics=files, parts={"val": "val", "one": "id"})
    around = Beside(BLOCKS, judged=Path("nowhere"), tasks=known.tasks())
    made = {sheet.name: sheet for sheet in sheets(bare, read(bare), around)}
    for name in ("T3", "T4", "T5", "T7", "T8", "T9"):
        assert made[name].numbers.empty, name
        assert list(made[name].numbers.columns) == list(COLUMNS)
        notes = " ".join(made[name].notes)
        assert "Not run: " in notes, name
        assert ("pipeline_src judge --pred" if name == "T8" else "snakemake --cores all") in notes, name
    assert "add one to “data: ood:”" in made["T4"].notes[0]
    del files["baseline", 1, "one"]
    partial = replace(bare, statistics=files)
    found = next(iter(sheets(partial, read(partial), Beside())))
    assert found.notes == [
        "Not run: baseline seed 1 on one. To have that, run: snakemake --cores all --config experiment=made"
    ]


def test_other_experiments_are_read_from_their_tables(tables, written):
    made, data = Path("nowhere"), ["one"]
    here = ExperimentSummary("made", "sod", "small", data, made)
    experiments = [
        here,
        ExperimentSummary("large", "sod", "big", data, written),
        ExperimentSummary("larger", "sod", "huge", data, made),
        ExperimentSummary("longer", "sod", "big", data, made),  # not run, but its network was
        ExperimentSummary("unrelated", "sod", "huge", ["two"], made),
        ExperimentSummary("hidden", "cod", "small", ["three"], written),
        ExperimentSummary("foggy", "smoke", "small", ["four"], made),
    ]
    own = {name: table.assign(mean=0.5) for name, table in tables.items()}
    networks = backbones("made", experiments, own)
    assert set(networks.numbers["model"]) == {"small", "big"}
    assert (networks.numbers[networks.numbers["model"] == "small"]["mean"] == 0.5).all()
    there = networks.numbers[networks.numbers["model"] == "big"]
    for metric, name in (("ece", "T1"), ("oe", "T1"), ("accuracy", "T2")):
        of = tables[name][tables[name]["metric"] == metric]
        assert there[there["metric"] == metric]["mean"].tolist() == of["mean"].tolist()
    assert networks.notes == ["Not run: huge. To have that, run: snakemake --cores all --config experiment=larger"]
    others = tasks("made", experiments, own, known.tasks())
    assert set(others.numbers["experiment"]) == {"hidden"}
    assert others.numbers["group"].iloc[0] == "camouflaged objects: hidden, one"
    assert any(note.startswith("Not run: smoke.") and note.endswith("experiment=foggy") for note in others.notes)
    assert any(note.startswith("Not run: polyps.") and "docs/data.md" in note for note in others.notes)
    assert "camouflaged" not in " ".join(others.notes)


def test_judged_maps(tmp_path):
    values = {"ece": 0.1, "oe": None, "accuracy": 0.9, "mean_iou": None, "s_measure": 0.8}
    told = {"name": "U2Net", "n_images": 7, "raw": values, "intervals": {"raw": {"ece": [0.05, 0.15], "oe": None}}}
    other = {"name": "Other", "n_images": 7, "raw": {"oe": 0.01}, "intervals": {}}
    for name, content in {"U2Net": told, "other": other, "foreign": {"accuracy": 1}, "list": []}.items():
        (tmp_path / "ECSSD" / name).mkdir(parents=True)
        (tmp_path / "ECSSD" / name / "metrics.json").write_text(json.dumps(content))
    sheet = judged(tmp_path)
    assert [note.removeprefix(f"{tmp_path}/ECSSD/") for note in sheet.notes] == [
        "foreign/metrics.json is not shown: `judge` did not write it.",
        "list/metrics.json is not shown: `judge` did not write it.",
    ]
    rows = sheet.numbers.set_index(["method", "metric"])
    assert rows.loc[("U2Net", "ece"), ["part", "mean", "low", "high", "images"]].tolist() == [
        *("ECSSD", 0.1, 0.05, 0.15, 7)
    ]
    (table,) = sheet.tables().values()
    assert table.columns == ["", "ECE %", "Acc. %", "S", "OE %"]  # nobody has a mean IoU
    assert table.groups[0].rows == [
        ["U2Net", "10.00 [5.00, 15.00]", "90.00", "0.800", "–"],
        ["Other", "–", "–", "–", "1.00"],
    ]


def test_cost(results, tmp_path):
    (tmp_path / "timing.csv").write_text("epoch,images_per_second,seconds\n1,10,60\n2,30,30\n")
    (tmp_path / "run.json").write_text('{"parameters": 2000000}')
    (tmp_path / "train.tsv").write_text("s\tmax_rss\n95\t512.5\n")
    (tmp_path / "one.tsv").write_text("s\tmax_rss\n4\t-\n")
    run = Run.read(tmp_path, tmp_path / "train.tsv", [tmp_path / "one.tsv", tmp_path / "one.tsv"])
    assert run == Run(90.0, 15.0, 512.5, 8.0, 2e6)
    nothing = Run.read(tmp_path / "none", tmp_path / "none.tsv", [tmp_path / "none.tsv"])
    runs = {("baseline", 0): run, ("baseline", 1): replace(run, training=150.0), ("slp", 0): nothing}
    sheet = next(s for s in sheets(results, read(results), Beside(runs=runs)) if s.name == "T9")
    (table,) = sheet.tables().values()
    assert table.groups[0].rows == [
        ["baseline", "2.0 ± 0.7", "15.0 ± 0.0", "512 ± 0", "8.0 ± 0.0", "2.00 ± 0.00"],
        ["slp", "–", "–", "–", "–", "–"],
    ]


def test_csv_loads_in_pandas(tables):
    for name, table in tables.items():
        assert list(table.columns[: len(COLUMNS)]) == list(COLUMNS), name
        if len(table):
            assert table[["mean", "low", "high"]].dtypes.map(pd.api.types.is_float_dtype).all(), name


def test_latex_is_well_formed(written):
    for name in PAPER:
        text = (written / f"{name}.tex").read_text(encoding="utf-8").split("\n\n", 1)[1]
        assert text.isascii(), name
        bare = re.sub(r"\\[{}]", "", text)
        assert bare.count("{") == bare.count("}"), name
        assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") >= 1
        for table in text.split("\\begin{table}")[1:]:
            columns = len(re.search(r"@\{\}(lr*)@\{\}", table)[1])
            for row in re.findall(r"^.*\\\\$", table, re.MULTILINE):
                cells = len(re.findall(r"(?<!\\)&", row)) + 1
                assert cells == columns or row.startswith(f"\\multicolumn{{{columns}}}"), (name, row)


def test_latex_compiles(written, tmp_path):
    styles = shutil.which("kpsewhich") and subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True).stdout
    if not shutil.which("pdflatex") or not styles:
        pytest.skip("no pdflatex with booktabs here")
    inputs = "".join(f"\\input{{{name}}}\\clearpage " for name in PAPER)
    for name in PAPER:
        shutil.copy(written / f"{name}.tex", tmp_path)
    document = f"\\documentclass{{article}}\\usepackage{{booktabs}}\\begin{{document}}{inputs}\\end{{document}}"
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", document]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


def test_sets_under_shift_are_judged_as_those_in_distribution(results):
    files = {run: file for run, file in results.statistics.items() if run[2] == "one" and run[0] == "baseline"}
    near, far = (replace(results, parts={"one": role}, statistics=files) for role in ("id", "shifted"))
    here, there = (sample(each, 10, (PIXELS, CURVES)) for each in (near, far))
    assert here.keys() == there.keys() and here
    for key, sampled in here.items():
        assert {"ece", "max_f"} <= sampled.values.keys() == there[key].values.keys()
        assert all(np.array_equal(values, there[key].values[name]) for name, values in sampled.values.items())
    assert "one: under shift, " in heading(far, read(far), "one")
    assert View(far, {}, {}).parts("id") == ["one"] and View(far, {}, {}).parts("ood") == []
