"""Figures: exactly the files that were promised, drawn from the statistics, with nothing clipped or overlapping."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from pipeline_src.errors import UserError
from pipeline_src.figures import alpha, comparison, reliability, style
from pipeline_src.figures.catalogue import Facts, figure_files
from pipeline_src.figures.main import Sources, write_figures
from pipeline_src.statistics.statistic import Statistic
from pipeline_src.tables.results import Results

ODD = "a<b>&c_d$e$ 100%"
PARTS = {"Set_A": "id", ODD: "ood"}


def maps(method: str, seed: int, part: str) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng([len(method), seed, *part.encode()])
    truth = rng.random((2, 20, 20)) < (0 if part == ODD else 0.4)
    wrong = rng.random(truth.shape) < 0.2
    probability = (
        np.where(truth ^ wrong, rng.integers(520, 1025, truth.shape), rng.integers(0, 505, truth.shape)) / 1024
    )
    return list(zip(probability.astype(np.float32), truth.astype(np.uint8), strict=True))


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    folder, files = tmp_path_factory.mktemp("statistics"), {}
    for method in ("baseline", "aslp_mc"):
        for seed in (0, 1):
            for number, part in enumerate(PARTS):
                statistic = Statistic.empty()
                for k, (probability, truth) in enumerate(maps(method, seed, part)):
                    statistic.add(probability, truth, str(k))
                files[method, seed, part] = folder / f"{method}-{seed}-{number}.npz"
                statistic.save(files[method, seed, part], {})
    return Results("tiny", files, PARTS, bins=10, epochs=3, labels={"aslp_mc": "ASLP <MC> & co"})


@pytest.fixture(scope="module")
def alphas(tmp_path_factory) -> dict[tuple[str, int], Path]:
    folder, files = tmp_path_factory.mktemp("alphas"), {}
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        table = pd.DataFrame(
            {"id": [f"s/{k}" for k in range(50)], "1": 0.0} | {str(e): rng.random(50) / 3 for e in (2, 3)}
        )
        files["aslp_mc", seed] = folder / f"{seed}.csv"
        table.to_csv(files["aslp_mc", seed], index=False)
    return files


FACTS = Facts(["baseline", "aslp_mc"], PARTS, (0, 1), learned=["aslp_mc"], labels={"aslp_mc": "ASLP <MC> & co"})


@pytest.fixture(scope="module")
def written(results, alphas, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    write_figures(results, FACTS, Sources(alphas), folder)
    return folder


def test_exactly_the_promised_files(written):
    promised = figure_files(FACTS)
    assert sorted(path.name for path in written.iterdir()) == promised
    assert len(set(promised)) == len(promised) == 4 * 2 * 2 * (2 + 1) + 5
    assert all(re.fullmatch(r"[\w.%-]+", name) for name in promised)


def test_diagram_numbers_are_those_of_all_seeds_pixels(written):
    table = pd.read_csv(written / "reliability-raw-baseline-Set_A.csv").set_index("bin")
    both = [pair for seed in (0, 1) for pair in maps("baseline", seed, "Set_A")]
    f = np.concatenate([p.ravel() for p, _ in both]).astype(np.float64)
    y = np.concatenate([t.ravel() for _, t in both])
    confidence, right = np.maximum(f, 1 - f), (f >= 0.5) == y
    k = np.ceil(confidence * 10).astype(int)
    for bin_ in range(1, 11):
        row, inside = table.loc[str(bin_)], k == bin_
        assert row["pixels"] == inside.sum()
        assert row["share"] == pytest.approx(inside.mean())
        if inside.any():
            assert row["confidence"] == pytest.approx(confidence[inside].mean(), abs=1e-9)
            assert row["accuracy"] == pytest.approx(right[inside].mean())
            assert row["gap"] == pytest.approx(confidence[inside].mean() - right[inside].mean(), abs=1e-9)
    assert table.loc["all", "confidence"] == pytest.approx(confidence.mean(), abs=1e-9)
    assert table.loc["all", "accuracy"] == pytest.approx(right.mean())


def test_comparison_holds_each_methods_numbers(written):
    together = pd.read_csv(written / "comparison-stretched-Set_A.csv")
    for method, rows in together.groupby("method"):
        alone = pd.read_csv(written / f"reliability-stretched-{method}-Set_A.csv")
        pd.testing.assert_frame_equal(rows.drop(columns="method").reset_index(drop=True), alone)
    assert set(together["method"]) == {"baseline", "aslp_mc"}


def test_alpha_numbers(written, alphas):
    values = pd.concat([pd.read_csv(path) for path in alphas.values()])
    course = pd.read_csv(written / "alpha-aslp_mc.csv").set_index("epoch")
    for epoch in (1, 2, 3):
        expected = np.quantile(values[str(epoch)], alpha.QUANTILES)
        assert course.loc[epoch, ["q05", "q25", "q50", "q75", "q95"]].to_numpy() == pytest.approx(expected)
    last = pd.read_csv(written / "alpha-aslp_mc-last.csv")
    assert last["images"].sum() == 100
    inside = values["3"].between(last["lower"][3], last["upper"][3], inclusive="left")
    assert last["images"][3] == inside.sum()


def test_same_numbers_same_bytes_without_a_date(results, alphas, written, tmp_path):
    fewer = {"Set_A": "id"}
    files = {key: path for key, path in results.statistics.items() if key[2] == "Set_A"}
    again = write_figures(
        Results("tiny", files, fewer, 10, 3, results.labels), replace(FACTS, parts=fewer), Sources(alphas), tmp_path
    )
    for path in again:
        assert path.read_bytes() == (written / path.name).read_bytes(), path.name
    for path in again:
        if path.suffix == ".svg":
            text = path.read_text(encoding="utf-8")
            assert "<dc:date>" not in text
            assert "Matplotlib v" not in text


def test_style_leaves_the_users_settings_alone(results, alphas, tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    with style.house():
        assert matplotlib.rcParams["svg.hashsalt"] == "dense-calibration"
    assert dict(matplotlib.rcParams) == before


def test_a_method_that_was_not_evaluated_is_named(results, alphas, tmp_path):
    files = {key: path for key, path in results.statistics.items() if key[::2] != ("aslp_mc", "Set_A")}
    with pytest.raises(UserError, match="aslp_mc on Set_A"):
        write_figures(Results("tiny", files, PARTS, 10, 3), FACTS, Sources(alphas), tmp_path)


def bins_of(share, confidence, accuracy) -> pd.DataFrame:
    edges = np.arange(11) / 10
    table = pd.DataFrame(
        {"lower": edges[:-1], "upper": edges[1:], "share": 0.0, "confidence": np.nan, "accuracy": np.nan}
    )
    table.loc[5:, ["share", "confidence", "accuracy"]] = np.column_stack([share, confidence, accuracy])
    return table


def many_bins(number: int) -> pd.DataFrame:
    edges = np.arange(number + 1) / number
    middle = (edges[1:] + edges[:-1]) / 2
    share = np.where(edges[1:] > 0.5, middle**9, 0)
    table = pd.DataFrame({"lower": edges[:-1], "upper": edges[1:], "share": share / share.sum()})
    table["confidence"] = np.maximum(middle, 0.5)
    return table.assign(accuracy=table["confidence"] ** 1.2)


MIDDLES = (0.55, 0.65, 0.75, 0.85, 0.95)
CASES = {
    "over-confident": bins_of(
        (0.01, 0.01, 0.01, 0.02, 0.95), (0.55, 0.65, 0.75, 0.85, 0.999), (0.5, 0.5, 0.6, 0.7, 0.93)
    ),
    "under-confident": bins_of((0.2, 0.2, 0.2, 0.2, 0.2), MIDDLES, (0.8, 0.9, 0.95, 0.99, 1)),
    "all in the first bin": bins_of((1, 0, 0, 0, 0), (0.52, np.nan, np.nan, np.nan, np.nan), (0.97, *4 * [np.nan])),
    "all wrong": bins_of((0, 0, 0, 0, 1), (*4 * [np.nan], 0.999), (*4 * [np.nan], 0.001)),
    "all right": bins_of((0.00001, 0, 0, 0, 0.99999), (0.55, *3 * [np.nan], 1), (0.4, *3 * [np.nan], 1)),
    "15 bins": many_bins(15),
    "100 bins": many_bins(100),
    "empty": bins_of(5 * [0], 5 * [np.nan], 5 * [np.nan]),
}
NAMES = ["Baseline", "SLP", "a method with a name that is far too long for its key", ODD]


def figure_of(case: str, bins: pd.DataFrame) -> Figure:
    filled = bins[bins["share"] > 0]
    mean = {k: (filled["share"] * filled[k]).sum() if len(filled) else np.nan for k in ("confidence", "accuracy")}
    lines = [
        "stretched protocol · 5,019 images · 1,234.5 M pixels",
        "ECE 10.02 % · OE 10.91 % · 10 bins · seeds 0, 1, 2 pooled",
    ]
    return reliability.draw(
        bins, pd.Series(mean), f"Method on {case} " + "and on " * 8, lines, reliability.floor_of([bins])
    )


def drawn() -> dict[str, Figure]:
    with style.house():
        figures = {case: figure_of(case, bins) for case, bins in CASES.items()}
        for number in (1, 4):
            curves = dict(zip(NAMES[:number], [CASES["over-confident"]] * number, strict=True))
            note = dict.fromkeys(curves, "ECE 10.02 %   OE 10.91 %")
            figures[f"{number} methods"] = comparison.draw(curves, note, f"All methods on {ODD}", ["one", "two"], 0.0)
        curves = {name: many_bins(20) for name in NAMES}
        figures["20 bins compared"] = comparison.draw(curves, dict.fromkeys(NAMES, ""), "All", [], 0.4)
        for name, values in (("spread", np.linspace(0, 0.49, 50)), ("zero", np.zeros(50))):
            table = pd.DataFrame({"id": range(50)} | {str(e): values * e / 30 for e in range(1, 31)})
            numbers = alpha.course([table]), alpha.histogram([table])
            figures[f"alpha {name}"] = alpha.draw(*numbers, "ASLP-MC: learned α", ["9,553 training images"])
    return figures


FIGURES = drawn()


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_clipped_or_lies_on_another(name):
    figure = FIGURES[name]
    with style.house():
        figure.canvas.draw()
    beyond = set()  # ticks outside of the limits have labels that are never drawn
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        ticks = [tick for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high]
        beyond.update(label for tick in ticks for label in (tick.label1, tick.label2))
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    shown = [(text.get_text(), text.get_window_extent()) for text in texts if text not in beyond]
    page = figure.bbox
    for words, box in shown:
        inside = (
            box.x0 >= page.x0 - 0.5 and box.x1 <= page.x1 + 0.5 and box.y0 >= page.y0 - 0.5 and box.y1 <= page.y1 + 0.5
        )
        assert inside, f"{words!r} is clipped"
    for (first, a), (second, b) in combinations(shown, 2):
        wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert not (wide > 1 and high > 1.5), f"{first!r} lies on {second!r}"


def test_the_few_pixels_of_confidence_one_half_are_not_drawn():
    bins = pd.DataFrame({"lower": [0.4, 0.5], "upper": [0.5, 0.6], "share": [0.0005, 0.9995]})
    assert reliability.drawn(bins)["upper"].tolist() == [0.6]
    bins["share"] = [0.5, 0.5]
    assert reliability.drawn(bins)["upper"].tolist() == [0.5, 0.6]
