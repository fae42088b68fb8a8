"""Figures: exactly the files that were promised, the same bytes each time, and nothing clipped or overlapping."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from made_figures import ODD, make_facts, make_results, make_sources, make_store, maps
from made_results import HandMade, analysed, by_hand
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text
from project import ROOT

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.facts import Corruption, Facts, MethodFacts, Perturbation
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.errors import UserError
from pipeline_src.figures import (
    alpha,
    bin_tables,
    comparison,
    entropy,
    examples,
    extremes,
    joint,
    letters,
    overconfidence,
    overview,
    panels,
    reliability,
    risk,
    severity,
    style,
    sweep,
    tradeoff,
)
from pipeline_src.figures.catalogue import FIGURE_TYPES, figure_files, pictures
from pipeline_src.figures.names import labels, shortened
from pipeline_src.figures.types import Sources
from pipeline_src.figures.write import write_figures
from pipeline_src.prediction.corruptions import CORRUPTIONS


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Results, sources, and the folder that was written from them."""
    folder = tmp_path_factory.mktemp("made")
    results, sources = make_results(folder), make_sources(folder)
    (folder / "figures").mkdir()
    write_figures(results, sources, folder / "figures")
    return results, sources, folder / "figures"


def test_exactly_the_promised_files(made):
    results, _, written = made
    promised = figure_files(results.facts)
    assert sorted(path.name for path in written.iterdir()) == promised
    assert len(set(promised)) == len(promised)
    assert all(re.fullmatch(r"[\w.%-]+", name) for name in promised)
    assert all(path.stat().st_size for path in written.iterdir())


@pytest.mark.parametrize("figure_type", FIGURE_TYPES, ids=lambda of: of.name)
def test_same_numbers_same_bytes_without_a_date(made, figure_type, tmp_path):
    results, sources, written = made
    for picture in list(figure_type.pictures(results.facts))[:1]:
        with style.house():
            painted = picture.type.paint(picture, results, sources)
            style.save(painted.figure, tmp_path / picture.name)
        for path in tmp_path.iterdir():
            assert path.read_bytes() == (written / path.name).read_bytes(), path.name
            assert not re.search(rb"<dc:date>|Matplotlib v|CreationDate", path.read_bytes())
        numbers = pd.read_csv(written / f"{picture.name}.csv", dtype={"id": str})
        pd.testing.assert_frame_equal(numbers, painted.tables[""], check_dtype=False, rtol=5e-5)  # five digits


def test_a_method_that_was_not_evaluated_is_named(made, tmp_path):
    results, sources, _ = made
    facts = replace(results.facts, methods=results.facts.methods | {"slp": MethodFacts("slp")})
    with pytest.raises(UserError, match="slp on Set_A, slp on a<b>"):
        write_figures(replace(results, facts=facts), sources, tmp_path)


def test_names_of_figures_are_known_without_what_draws_them():
    """Snakemake asks for them whenever it starts."""
    command = "import sys, pipeline_src.figures.catalogue; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "pipeline_src.figures.tradeoff" in loaded.stdout.split()
    assert not {"matplotlib", "pandas", "scipy", "torch", "cv2"} & set(loaded.stdout.split())


def test_counts_alone_make_a_diagram(tmp_path, monkeypatch):
    """As `judge` asks for it."""
    drawn, draw = [], reliability.draw
    monkeypatch.setattr(reliability, "draw", lambda table, *of: drawn.append(table) or draw(table, *of))
    statistic = MapCounts.empty()
    for k, (probability, truth) in enumerate(maps("baseline", 0, "Set_A")):
        statistic.add(probability, truth, str(k))
    reliability.draw_counts(statistic.raw, 15, "a $ name", ["raw protocol"], tmp_path / "reliability-raw")
    pd.testing.assert_frame_equal(drawn[0], bin_tables.reliability_table(statistic.raw, 15))
    assert {path.name for path in tmp_path.iterdir()} == {f"reliability-raw.{end}" for end in ("svg", "pdf", "png")}


def test_a_page_shows_an_svg_or_a_png_where_that_is_large(tmp_path, monkeypatch):
    for largest, shown in ((style.LARGEST_SVG, ".svg"), (100, ".png")):
        monkeypatch.setattr(style, "LARGEST_SVG", largest)
        stem = tmp_path / shown / "made"
        with style.house():
            style.save_for_page(style.new_figure(1, "made", [])[0], stem)
        assert {path.suffix for path in stem.parent.iterdir()} == {".svg", shown}
        assert style.in_page(stem).suffix == shown


def test_a_pdf_embeds_the_small_font_and_dejavu_where_a_name_needs_it(tmp_path):
    for name, fonts in (("Trade-off, α → 0.05", {b"FigureSans", b"FigureSans-Bold"}), ("עץ", {b"DejaVuSans-Bold"})):
        with style.house(), matplotlib.rc_context({"pdf.compression": 0}):
            figure, _ = style.new_figure(1, name, ["office: 95 %"])
            style.save(figure, tmp_path / "made")
        content = (tmp_path / "made.pdf").read_bytes()
        assert fonts <= set(re.findall(rb"/BaseFont /[A-Z]{6}\+([\w-]+)", content))
        assert b"/FontFile2" in content and b"/Type3" not in content  # publishers refuse Type 3


def test_the_small_font_has_the_glyphs_and_the_kerning_of_dejavu():
    letters.add_font()
    for weight in ("normal", "bold"):
        looks = (FontProperties(family=family, weight=weight) for family in ("Figure Sans", "DejaVu Sans"))
        small, whole = (get_font(findfont(look)) for look in looks)
        for text in ("AVATAR To We y.", "0.05 → 95 %, α − β", "Größe Łódź"):
            for font in (small, whole):
                font.set_size(20, 100)
                font.set_text(text)
            assert small.get_width_height() == whole.get_width_height(), text


def test_the_small_font_outlives_forked_processes_and_what_clears_temporary_files(tmp_path):
    """The folder for temporary files is empty afterwards."""
    script = """
import os, sys
from pathlib import Path
from pipeline_src.figures import style
def draw(name):
    with style.house():
        style.save(style.new_figure(1, name, [])[0], Path(name))
draw("first")
if not os.fork():
    sys.exit()
os.wait()
files = list(Path(os.environ["TMPDIR"]).glob("*/*.ttf"))
assert len(files) == 2
for file in files:
    file.unlink()
files[0].parent.rmdir()
draw("second")
"""
    (temporary := tmp_path / "temporary").mkdir()
    environment = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
    assert all(b"FigureSans-Bold" in (tmp_path / f"{name}.pdf").read_bytes() for name in ("first", "second"))
    assert not list(temporary.iterdir())


def test_style_leaves_the_users_settings_alone():
    before = dict(matplotlib.rcParams)
    with style.house():
        assert matplotlib.rcParams["svg.hashsalt"] == "dense-calibration"
    assert dict(matplotlib.rcParams) == before


def types(facts: Facts) -> set[str]:
    return {picture.type.name for picture in pictures(facts)}


def static(*alphas: float) -> dict[str, MethodFacts]:
    return {f"s{k}": MethodFacts("slp", {"alpha": alpha, "beta": 0.5}) for k, alpha in enumerate(alphas)}


def test_what_an_experiment_lacks_is_not_in_its_catalogue():
    least = Facts("least", {"temperature": MethodFacts("temperature", trains=False)}, {"val": "val"})
    assert types(least) == {"reliability", "comparison"}
    assert "overconfidence" not in types(replace(least, parts={"a": "id"}))
    assert "overconfidence" in types(replace(least, parts={"a": "id", "b": "shifted"}))
    assert "entropy" not in types(replace(least, parts={"a": "id", "b": "shifted"}))
    assert "sweep" not in types(replace(least, parts={"a": "id"}, methods=static(0.1, 0.2, 0.2)))
    assert "sweep" in types(replace(least, parts={"a": "id"}, methods=static(0.1, 0.2, 0.3)))
    everything = replace(make_facts(), methods=make_facts().methods | static(0.1, 0.2, 0.3))
    every = {figure_type.name for figure_type in FIGURE_TYPES}
    assert types(everything) == every - {"classes", "severity"}
    more = {"b-jpeg-1": Corruption("b", "jpeg", 1, "b")}
    assert types(replace(everything, class_names=["sky", "road", "car"], corrupted=more)) == every


def test_pictures_have_titles_of_their_own():
    shown = pictures(make_facts())
    assert len({(p.type.name, p.title, p.protocol) for p in shown}) == len(shown)
    assert all(p.caption.endswith(".") and p.title for p in shown)


def test_examples_are_of_the_baseline_and_aslp_mc():
    codes = {"b": "focal", "a": "baseline", "c": "aslp_mc", "d": "mmce"}
    methods = {name: MethodFacts(code) for name, code in codes.items()}
    facts = Facts("x", methods, {"x": "id"})
    assert examples.shown_methods(facts) == ["a", "c"]
    assert examples.shown_methods(replace(facts, methods={n: methods[n] for n in "bd"})) == ["b", "d"]
    assert examples.shown_methods(replace(facts, methods={"b": methods["b"]})) == ["b"]


def test_the_baseline_is_known_by_its_code():
    def drawn(name: str) -> list:
        facts = Facts("x", {**static(0.1, 0.2, 0.3), name: MethodFacts("baseline")}, {"set": "id"})
        measured = by_hand({"ece": [0.1], "oe": [0.1], "accuracy": [0.9]}, np.array([-0.01, 0.01]))
        results = HandMade(facts, {}, {("raw", "set", method): measured for method in facts.methods})
        shown = []
        for figure_type in (sweep.FIGURE, tradeoff.FIGURE):
            painted = figure_type.paint(next(iter(figure_type.pictures(facts))), results, Sources())
            texts = [text.get_text() for text in painted.figure.findobj(Text)]
            shown += ["its name" if text in (name, "baseline") else text for text in texts]  # which is a family, too
            shown += painted.tables[""].replace({"method": {name: "its name"}}).astype(str).to_numpy().tolist()
        return shown

    assert drawn("ce") == drawn("baseline")
    assert "raw protocol · strokes: 95 % intervals over images · dashed: baseline" in drawn("ce")


@pytest.mark.parametrize(
    ("grouped", "over"),
    [({}, "images"), ({"a"}, "images or their groups"), ({"a", "b"}, "groups of images")],
)
def test_intervals_over_groups_are_called_so(grouped, over):
    """A figure of several sets, of which some have groups."""
    facts = Facts("x", {"ce": MethodFacts("baseline")}, {"a": "id", "b": "ood"}, seeds=(0, 1))
    measured = by_hand({"oe": [0.1]}, np.array([-0.01, 0.01]))
    of_groups = replace(measured, arrays=dict(measured.arrays) | {"groups": np.zeros(2, np.int64)})
    results = HandMade(facts, {}, {("raw", p, "ce"): of_groups if p in grouped else measured for p in facts.parts})
    painted = overconfidence.FIGURE.paint(next(iter(overconfidence.FIGURE.pictures(facts))), results, Sources())
    texts = [text.get_text() for text in painted.figure.findobj(Text)]
    assert f"strokes: 95 % intervals over {over} and seeds" in " ".join(" ".join(texts).split())  # which is wrapped


def bins_of(share, confidence, accuracy) -> pd.DataFrame:
    edges = np.arange(11) / 10
    table = pd.DataFrame(
        {"lower": edges[:-1], "upper": edges[1:], "share": 0.0, "confidence": np.nan, "accuracy": np.nan}
    )
    table.loc[5:, ["share", "confidence", "accuracy"]] = np.column_stack([share, confidence, accuracy])
    return whole(table)


def whole(bins: pd.DataFrame) -> pd.DataFrame:
    """The bins with bands, and the row of all pixels."""
    filled = bins[bins["share"] > 0]
    mean = {k: (filled["share"] * filled[k]).sum() if len(filled) else np.nan for k in ("confidence", "accuracy")}
    last = pd.DataFrame([{"lower": 0.0, "upper": 1.0, "share": 1.0, **mean}])
    table = pd.concat([bins, last], ignore_index=True)
    table.insert(0, "bin", [*map(str, range(1, len(bins) + 1)), "all"])
    room = 0.05 * table["share"].clip(upper=0.5)
    pixels, gap = (1000 * table["share"]).round(), table["confidence"] - table["accuracy"]
    low, high = (table["accuracy"] - room).clip(lower=0), (table["accuracy"] + room).clip(upper=1)
    return table.assign(pixels=pixels, gap=gap, low=low, high=high)


def many_bins(number: int) -> pd.DataFrame:
    edges = np.arange(number + 1) / number
    middle = (edges[1:] + edges[:-1]) / 2
    share = np.where(edges[1:] > 0.5, middle**9, 0)
    table = pd.DataFrame({"lower": edges[:-1], "upper": edges[1:], "share": share / share.sum()})
    table["confidence"] = np.maximum(middle, 0.5)
    return whole(table.assign(accuracy=table["confidence"] ** 1.2))


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
    "20 bins": many_bins(20),
    "empty": bins_of(5 * [0], 5 * [np.nan], 5 * [np.nan]),
}
NAMES = ["Baseline", "SLP", "a method with a name that is far too long for its key", ODD]
MANY = [f"aslp_mei_baseline_{k}" for k in range(21)]
LINES = [
    "stretched protocol · 5,019 images · 1,234.5 M pixels",
    "ECE 10.02 % · OE 10.91 % · 10 bins · seeds 0, 1, 2 pooled",
]
HEADING = "Method on a set " + "and on " * 8


def figure_of(bins: pd.DataFrame) -> Figure:
    curve = pd.DataFrame({"confidence": [0.5, 0.9, 1.0], "accuracy": [0.4, 0.7, 0.95]})
    return reliability.draw(bins, HEADING, LINES, curve)


def compared(names, bins: pd.DataFrame) -> Figure:
    return comparison.draw(dict.fromkeys(names, bins), dict.fromkeys(names, "ECE 10.02 %"), HEADING, LINES, 0.0)


def overviewed(names, parts) -> Figure:
    tables = {(name, part): CASES["over-confident"] for name in names for part in parts}
    bins = CASES["over-confident"].iloc[:-1]
    cells = np.nan_to_num([[bins["pixels"], bins["pixels"] * bins["accuracy"], bins["pixels"] * bins["gap"]]])
    table = overview.prepare(tables, dict.fromkeys(tables, cells), dict.fromkeys(tables, 0.1))
    return overview.draw(table, names, HEADING, LINES, 0.5)


def joined(names, images: int) -> Figure:
    confidence = np.linspace(0.6, 1, images)
    table = joint.prepare(confidence, confidence**3)
    return joint.draw(dict.fromkeys(names, table), dict.fromkeys(names, "100 % below"), HEADING, LINES)


def traded(names, apart: float) -> Figure:
    estimates = {(name, "ece"): Estimate({0: 0.05}, 0.04, 0.06) for name in names}
    estimates |= {(name, "accuracy"): Estimate({0: 0.9 + apart * k}, 0.88, 0.93) for k, name in enumerate(names)}
    families = {name: "post-hoc" if k else "baseline" for k, name in enumerate(names)}
    return tradeoff.draw(tradeoff.prepare(estimates, families), HEADING, LINES)


def over(names, roles) -> Figure:
    oe = {(name, part): Estimate({0: 0.01}, 0.005, 0.02) for name in names for part in roles}
    return overconfidence.draw(overconfidence.prepare(oe, roles), HEADING, LINES)


def entropies(names) -> Figure:
    of_images = {(name, role): np.linspace(0, 0.6, 30) ** 2 for name in names for role in ("id", "ood")}
    return entropy.draw(entropy.prepare(of_images), HEADING, LINES)


def curved(names, y_range) -> Figure:
    curve = pd.DataFrame({"x": range(1, 101), "y": np.linspace(0, 12, 100), "low": 1.0, "high": 2.0})
    notes = dict.fromkeys(names, "0.387 → 0.0629")
    return panels.draw_curves(
        dict.fromkeys(names, curve), notes, HEADING, LINES, ("Pixels kept, %", "Error, %"), (0, 100), y_range
    )


def alphas_of(values: np.ndarray) -> Figure:
    table = pd.DataFrame({"id": range(50)} | {str(e): values * e / 30 for e in range(1, 31)})
    return alpha.draw(alpha.quantiles([table]), alpha.histogram([table]), "ASLP-MC: learned α", LINES)


def swept(parts) -> Figure:
    of = {f"s{a}-{b}": Perturbation(a, b) for a in (0.025, 0.05, 0.1) for b in (0.5, 0.75, 1.0)}
    of |= {"ls": Perturbation(1.0, 0.05, "label smoothing"), "noisy": Perturbation(0.1, 0.5, "noise 0.25")}
    places = [(name, part, metric) for name in of for part in parts for metric in style.AXES]
    table = sweep.prepare(dict.fromkeys(places, Estimate({0: 0.912}, 0.9, 0.92)), of)
    return sweep.draw(table, {(part, "ece"): 0.05 for part in parts}, HEADING, LINES)


def store(tmp_path: Path):
    from pipeline_src.data.store import Store

    return Store(make_store(tmp_path / "store", [truth for _, truth in maps("baseline", 0, "Set_A")]))


def pictured(tmp_path: Path) -> Figure:
    opened = store(tmp_path)
    shown = {name: {str(k): maps("baseline", 0, "Set_A")[k][0] for k in range(5)} for name in NAMES[2:]}
    return examples.draw(examples.prepare(shown, opened), shown, opened, HEADING, LINES)


def extreme(tmp_path: Path) -> Figure:
    table = pd.DataFrame({"id": list("01234"), "5": [0.1, 0.2, 0.3, 0.2, 0.1]})
    return extremes.draw(extremes.prepare([table]), store(tmp_path), HEADING, LINES)


def corrupted(names: list[str], corruptions: list[str]) -> Figure:
    places = [
        (name, f"ECSSD-c-{of}-{k}", of, k, metric)
        for name in names
        for of in corruptions
        for k in range(6)
        for metric in severity.METRICS
    ]
    table = severity.prepare(dict.fromkeys(places, Estimate({0: 0.912}, 0.9, 0.92)))
    return severity.draw(table, HEADING, LINES)


SEVEN = [f"DUTS-held-out-{k}" for k in range(7)]
DRAWN: dict[str, Callable[[], Figure]] = {
    **{f"diagram, {case}": lambda bins=bins: figure_of(bins) for case, bins in CASES.items()},
    "one compared": lambda: compared(NAMES[:1], CASES["over-confident"]),
    "four compared": lambda: compared(NAMES, CASES["20 bins"]),
    "21 compared": lambda: compared(MANY, CASES["under-confident"]),
    "none has pixels": lambda: compared(NAMES, CASES["empty"]),
    "overview of one": lambda: overviewed(NAMES[:1], ["a"]),
    "overview of 21 on 7": lambda: overviewed(MANY, SEVEN),
    "joint density of one image": lambda: joined(NAMES[:1], 1),
    "joint densities of 21": lambda: joined(MANY, 30),
    "joint density of 3,000 images": lambda: joined(NAMES[:1], 3000),
    "trade-off of one": lambda: traded(NAMES[:1], 0),
    "trade-off of 21 alike": lambda: traded(MANY, 0),
    "trade-off of 21": lambda: traded(MANY, 0.001),
    "over-confidence of one": lambda: over(NAMES[3:], {"a": "id", "b": "ood"}),
    "over-confidence of 21": lambda: over(MANY, {"a": "id", "b": "shifted", "c": "ood"}),
    "over-confidence on 7": lambda: over(NAMES, dict.fromkeys(SEVEN, "id") | {"a": "ood"}),
    "entropy of one": lambda: entropies(NAMES[2:3]),
    "entropy of 21": lambda: entropies(MANY),
    "a curve": lambda: curved(NAMES[:1], (0, 12.5)),
    "21 curves": lambda: curved(MANY, None),
    "alphas": lambda: alphas_of(np.linspace(0, 0.49, 50)),
    "alphas at 0": lambda: alphas_of(np.zeros(50)),
    "severities of one": lambda: corrupted(NAMES[:1], ["jpeg"]),
    "severities of 21 in two corruptions": lambda: corrupted(MANY, ["gaussian_noise", "defocus_blur"]),
    "severities of 21, all corruptions": lambda: corrupted(MANY, list(CORRUPTIONS)),
    "a sweep": lambda: swept(["ECSSD"]),
    "a sweep on 7": lambda: swept(SEVEN),
}
DRAWN_OF_STORE = {"examples": pictured, "extremes": extreme}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*DRAWN, *DRAWN_OF_STORE])
def test_no_text_is_clipped_or_lies_on_another(name, tmp_path):
    with style.house():
        figure = DRAWN[name]() if name in DRAWN else DRAWN_OF_STORE[name](tmp_path)
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
    bins = pd.DataFrame({"bin": ["5", "6"], "lower": [0.4, 0.5], "upper": [0.5, 0.6], "share": [0.0005, 0.9995]})
    assert bin_tables.drawn_bins(bins)["upper"].tolist() == [0.6]
    bins["share"] = [0.5, 0.5]
    assert bin_tables.drawn_bins(bins)["upper"].tolist() == [0.5, 0.6]


ALIKE = ["temperature_averaged", "temperature_aslp_cl_averaged", "temperature_aslp_mc_averaged", "averaged"]
GRID = [f"static-alpha{a}-beta{b}" for a in ("0_025", "0_05", "0_1") for b in ("0_5", "1_0")]
TWINS = ["a" * 30 + k + "b" * 30 for k in "12"] + ["1" + "a" * 30 + "b" * 30, "a" * 30 + "b" * 30 + "2"]


@pytest.mark.parametrize("width", [12, 15, 19, 24])
@pytest.mark.parametrize("names", [ALIKE, GRID, MANY, TWINS], ids=["averages", "static grid", "many", "middles"])
def test_different_names_are_shortened_to_different_labels(names, width):
    shown = [shortened(name, width, names) for name in names]
    assert len(set(shown)) == len(names)
    assert all(len(label) <= width for label in shown)
    assert all(label == name for name, label in zip(names, shown, strict=True) if len(name) <= width)


def test_a_name_alone_is_cut_in_its_middle():
    assert shortened("temperature_aslp_cl_averaged", 19) == "temperatu…_averaged"


def test_panels_and_rows_of_similar_names_are_told_apart():
    with style.house():
        for figure in (compared(GRID, CASES["empty"]), traded(GRID, 0), over(GRID, {"a": "id", "b": "ood"})):
            figure.canvas.draw()
            texts = {text.get_text().replace("\n", " ") for text in figure.findobj(Text)}
            assert {text for text in texts if text.startswith("α 0.")} == {
                f"α {a}, β {b}" for a in ("0.025", "0.05", "0.1") for b in ("0.5", "1.0")
            }


def test_long_names_are_broken_after_a_word():
    names = ["temperature_mixup", "temperature_slp_cl_averaged", "baseline", "weird-seed3", "one-seed3"]
    assert labels(names, 13) == [
        "temperature_\nmixup",
        "temperature_\nslp_cl…eraged",
        "baseline",
        "weird-seed3",
        "one-seed3",
    ]
    assert labels(["sweep-gain0_5", "other-gain0_5"], 10) == ["sweep-\ngain0_5", "other-\ngain0_5"]


@pytest.mark.parametrize("longest", ["temperature", "temperature_aslp_groups", "temperature_aslp_groups_averaged"])
def test_names_of_rows_are_of_one_size(longest):
    with style.house():
        axes = style.place(style.new_figure(1, "Names", [])[0], 1.3, 0.5, 2, 0.5)
        style.name_rows(axes, ["baseline", longest])
    shown = axes.get_yticklabels()
    assert len({text.get_fontsize() for text in shown}) == 1
    assert [text.get_text().replace("\n", "") for text in shown] == ["baseline", longest]


@pytest.mark.parametrize(("form", "drawn"), [("drawn", True), ("expected", False)])
def test_a_level_is_called_a_probability_where_labels_are_drawn_by_it(form, drawn):
    facts = Facts("x", {"m": MethodFacts("aslp_cl", {"form": form}, learns=True)}, {})
    [picture] = alpha.pictures(facts)
    assert ("probability" in picture.caption) == drawn and "probabilit" not in alpha.FIGURE.reading


def test_intervals_and_means_are_called_what_they_are():
    one = Facts("x", {}, {})
    several = replace(one, seeds=(0, 1))
    assert style.intervals(one, "images") == "95 % intervals over images" and style.averaged(one) == "seed 0"
    assert style.intervals(several, "images") == "95 % intervals over images and seeds"
    assert style.averaged(several) == "means over seeds 0, 1"


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_whiskers_are_called_what_they_are(seeds):
    """One of the methods is one network of all seeds."""
    methods = {"one": MethodFacts(), "together": MethodFacts(of_all_seeds=True)}
    facts = Facts("x", methods, {"set": "id"}, seeds)
    shown = [picture.caption for module in (reliability, comparison) for picture in module.pictures(facts)]
    several = len(seeds) > 1
    assert ["and training." in caption for caption in shown] == [several, False] * 2 + [several] * 2  # in two protocols
    assert all("over images or their groups" in caption for caption in shown)


def relative_luminance(colour: str) -> float:
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_lines_stand_out_from_the_paper_and_letters_more():
    """Contrasts as the guidelines for accessibility (WCAG 2.2) ask of graphics and of text."""
    paper = relative_luminance(style.PAPER) + 0.05
    lines = [style.FAINT, style.OVER, style.UNDER, *style.METHOD_COLOURS]
    assert min(paper / (relative_luminance(of) + 0.05) for of in lines) >= 3
    assert min(paper / (relative_luminance(of) + 0.05) for of in (style.INK, style.MUTED)) >= 4.5


def test_a_mark_of_its_own_for_every_set_of_a_role():
    with style.house():
        figure = over(NAMES, {"a": "id", "b": "id", "c": "ood", "d": "ood"})
    texts = {text.get_text() for text in figure.findobj(Text)}
    assert {"a", "b", "c", "d", "in distribution", "out of distribution"} <= texts
    axes = figure.axes[0]
    marks = {
        (line.get_color(), line.get_marker(), line.get_fillstyle()) for line in axes.lines if len(line.get_xdata()) == 1
    }
    assert len(marks) == 4


def test_an_accuracy_that_all_share_has_no_axis():
    same = Estimate({0: 1.0}, 1.0, 1.0)
    for spread, panels_ in (((0.9, 0.95), 2), ((1.0, 1.0), 1)):
        estimates = {(name, "ece"): Estimate({0: 0.05}, 0.04, 0.06) for name in "ab"}
        estimates |= {("a", "accuracy"): same, ("b", "accuracy"): replace(same, image_low=spread[0])}
        table = tradeoff.prepare(estimates, {"a": "baseline", "b": "post-hoc"})
        with style.house():
            assert len(tradeoff.draw(table, HEADING, LINES).axes) == panels_


def test_no_axis_of_percent_leaves_what_is_possible():
    for values, from_zero in (
        ([99.0, 100.0], False),
        ([0.0, 0.2], False),
        ([3.0], True),
        ([100.0], False),
        ([0.0], True),
    ):
        low, high = tradeoff.limits(pd.DataFrame({"ece": [*values, np.nan]}), from_zero)
        assert 0 <= low < high <= 100 and low <= min(values) and max(values) <= high


@pytest.mark.parametrize(
    "confidence, accuracy, shown", [(0.9, 0.8, {"over"}), (0.8, 0.9, {"under"}), (0.9, 0.9, set())]
)
def test_the_key_of_a_diagram_names_what_is_in_it(confidence, accuracy, shown):
    bins = bins_of((0, 0, 0, 1, 0), [np.nan] * 3 + [confidence, np.nan], [np.nan] * 3 + [accuracy, np.nan])
    with style.house():
        legend = figure_of(bins).axes[0].get_legend()
    texts = {text.get_text() for text in legend.get_texts()}
    assert texts == {f"{word}-confident" for word in shown} | {"isotonic regression"}


def test_alphas_that_are_all_zero_are_said_not_drawn(made, tmp_path):
    results, sources, _ = made
    zero = {}
    for run, file in sources.alphas.items():
        table = pd.read_csv(file)
        zero[run] = tmp_path / f"{run[1]}.csv"
        table.assign(**dict.fromkeys(table.columns[1:], 0.0)).to_csv(zero[run], index=False)
    for of, number in ((sources.alphas, 2), (zero, 0)):
        [picture] = alpha.pictures(results.facts)
        with style.house():
            painted = alpha.paint(picture, results, replace(sources, alphas=of))
        assert len(painted.figure.axes) == number
        assert sorted(painted.tables) == ["", "last"]


def test_an_error_of_0_everywhere_is_said_not_drawn(tmp_path):
    facts = Facts("one", {"m": MethodFacts()}, {"p": "ood"})
    truth = np.zeros((4, 4), np.uint8)
    for right, number in ((16, 0), (15, 1)):
        probability = np.full(16, 0.1, np.float32)
        probability[right:] = 0.9
        results = analysed(tmp_path / str(right), facts, lambda *run, p=probability: [(p.reshape(4, 4), truth)] * 2)
        with style.house():
            painted = risk.paint(next(iter(risk.pictures(facts))), results, Sources())
        assert len(painted.figure.axes) == number
        assert len(painted.tables[""]) == risk.POINTS


def test_shades_of_the_joint_density_do_not_depend_on_the_number_of_seeds():
    once = joint.prepare(np.array([0.7, 0.9, 0.9, 0.9]), np.array([0.7, 0.9, 0.9, 0.9]))
    thrice = joint.prepare(np.repeat([0.7, 0.9, 0.9, 0.9], 3), np.repeat([0.7, 0.9, 0.9, 0.9], 3))
    with style.house():
        figure = joint.draw({"once": once, "thrice": thrice}, {"once": "", "thrice": ""}, HEADING, LINES)
    shades = [axes.collections[0].get_facecolors() for axes in figure.axes[:2]]
    assert np.array_equal(*shades) and len(np.unique(shades[0], axis=0)) == 2
    assert any("25 %" in text.get_text() for text in figure.findobj(Text))
