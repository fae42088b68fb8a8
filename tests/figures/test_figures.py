"""Figures: the named files, the same bytes each time, marks where the numbers are, and no text that is clipped."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from made_figures import ODD, SEEDS, make_facts, make_results, make_runs
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.errors import UserError
from pipeline_src.figures import bin_tables, gallery, joint, registry, reliability, strength, style, training
from pipeline_src.figures.registry import FIGURE_TYPES, draw, figure_files, pictures
from pipeline_src.figures.types import FigureType, Picture


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Results, folders, and the folder that was written from them."""
    folder = tmp_path_factory.mktemp("made")
    results, folders = make_results(folder), make_runs(folder)
    draw(results, folders, folder / "figures")
    return results, folders, folder / "figures"


def test_exactly_the_named_files(made):
    results, _, written = made
    named = figure_files(pictures(results.facts))
    assert sorted(path.name for path in written.iterdir()) == named
    assert len(set(named)) == len(named)
    assert all(re.fullmatch(r"[\w.%-]+", name) for name in named)
    assert all(path.stat().st_size for path in written.iterdir())


@pytest.mark.parametrize("figure_type", FIGURE_TYPES.values(), ids=FIGURE_TYPES)
def test_equal_numbers_have_equal_bytes(made, figure_type, tmp_path):
    results, folders, written = made
    for picture in list(figure_type.pictures(results.facts))[:1]:
        with style.house():
            figure, table = picture.type.paint(picture, results, folders)
            style.save(figure, tmp_path / picture.name)
        for path in tmp_path.iterdir():
            assert path.read_bytes() == (written / path.name).read_bytes(), path.name
        numbers = pd.read_csv(written / f"{picture.name}.csv", dtype={"id": str})
        pd.testing.assert_frame_equal(numbers, table, check_dtype=False, rtol=5e-5)  # five digits


def test_images_are_counted_in_cells_of_confidence_and_accuracy():
    table = joint.image_cells(np.array([0.99, 1, 0.61, np.nan]), np.array([0.981, 1, 0.4, np.nan]))
    assert table.to_numpy() == pytest.approx(np.array([[0.61, 0.41, 1], [0.99, 0.99, 2]]))


def test_the_joint_density_has_the_images_of_all_seeds_and_both_marginals(made):
    results, folders, _ = made
    picture = next(iter(joint.FIGURE.pictures(results.facts)))
    figure, table = joint.FIGURE.paint(picture, results, folders)
    images = results.measurement("raw", "baseline", picture.split).images
    assert table.groupby("method")["images"].sum().tolist() == [images * len(SEEDS)] * len(results.facts.methods)
    for panel in figure.axes:
        _, above, right = panel.child_axes
        assert sum(bar.get_height() for bar in above.patches) == images * len(SEEDS)
        assert sum(bar.get_width() for bar in right.patches) == images * len(SEEDS)


def test_the_strength_of_a_grid_has_a_curve_per_beta(made):
    results, _, _ = made
    places = [("slp", 0.1, 0.5), ("baseline", 0.05, 0.5), ("aslp_mc", 0.2, 1.0)]
    grid = {name: MethodFacts("slp", {"alpha": alpha, "beta": beta}) for name, alpha, beta in places}
    facts = replace(results.facts, methods=grid)
    assert list(strength.FIGURE.pictures(results.facts)) == []
    (picture,) = strength.FIGURE.pictures(replace(facts, methods={m: grid[m] for m in ("baseline", "aslp_mc")}))
    evaluated = replace(results, facts=replace(facts, methods={m: grid[m] for m in ("baseline", "aslp_mc")}))
    figure, table = strength.FIGURE.paint(picture, evaluated, {})
    assert table["strength"].tolist() == [0.05, 0.4] and table["method"].tolist() == ["baseline", "aslp_mc"]
    assert figure.axes[0].get_legend_handles_labels()[1] == ["β = 0.5", "β = 1"]


def test_the_gallery_chooses_worst_median_and_best_images():
    gaps = np.array([0.5, np.nan, 0.1, 0.9, 0.3, 0.2, 0.4, 0.8])
    ranks = {3: "worst", 7: "worst", 0: "median", 6: "median", 5: "best", 2: "best"}
    assert gallery.choose(gaps) == ranks and list(gallery.choose(gaps)) == list(ranks)
    assert gallery.choose(gaps[:1]) == {0: "worst"} and gallery.choose(gaps[1:2]) == {}


def test_the_gallery_shows_confidence_and_errors_of_the_pixels_that_count():
    target = np.array([[0, 1], [1, 255]], np.uint8)
    maps = {"binary": np.array([[51, 255], [0, 0]], np.uint8)}
    image = np.zeros((8, 8, 3), np.uint8)
    drawn = {layer.name: (layer.array, layer.mean) for layer in gallery.layers(shown(image, target, maps))}
    assert list(drawn) == ["image", "mask", "binary: confidence", "binary: errors"]
    np.testing.assert_allclose(drawn["binary: confidence"][0], [[0.8, 1], [1, np.nan]])
    np.testing.assert_allclose(drawn["binary: errors"][0], [[np.nan, np.nan], [1, np.nan]])
    assert [drawn[name][1] for name in list(drawn)[1:]] == pytest.approx([2 / 3, 2.8 / 3, 2 / 3])
    classes = np.array([[[0.2, 0.1], [0.5, 0.5]], [[0.7, 0.3], [0.4, 0.3]], [[0.1, 0.6], [0.1, 0.2]]])
    of_classes = shown(None, target, {"several": classes})
    numbers = {layer.name: layer.mean for layer in gallery.layers(of_classes)}
    assert numbers == pytest.approx({"mask": 2 / 3, "several: confidence": 1.8 / 3, "several: errors": 0})
    figure, table = gallery.draw([of_classes, of_classes], HEADING, LINES)
    assert len(figure.axes) == 6 and table["layer"].tolist() == 2 * list(numbers)


def shown(image: np.ndarray | None, target: np.ndarray, maps: dict[str, np.ndarray]) -> gallery.Prediction:
    return gallery.Prediction("worst", "a", image, target, maps)


def test_a_method_that_was_not_evaluated_is_named(made, tmp_path):
    results, folders, _ = made
    facts = replace(results.facts, methods=results.facts.methods | {"slp": MethodFacts("slp")})
    with pytest.raises(UserError, match="slp on Set_A, slp on a<b>"):
        draw(replace(results, facts=facts), folders, tmp_path)


def test_pictures_have_titles_of_their_own_and_short_captions():
    shown = pictures(make_facts())
    assert len({(p.type.name, p.title, p.protocol) for p in shown}) == len(shown)
    assert all(0 < len(p.caption.split()) <= 25 for p in shown)


# Every figure with short and with long names: text and angles

NAMES = ["Baseline", "SLP", "a method with a name that is far too long for its key", ODD]
MANY = [f"aslp_mei_baseline_{k}" for k in range(21)]
SETS = {f"DUTS-held-out-{k}": "id" for k in range(6)} | {"textures": "ood"}
LINES = ["stretched protocol · 5,019 images · 1,234.5 M pixels", "ECE 10.02 % · OE 10.91 % · 10 bins · seeds 0, 1, 2"]
HEADING = "Method on a set " + "and on " * 8


def bins_of(share: list[float], accuracy: list[float], number: int = 10) -> np.recarray:
    """A table as `reliability_table` of the upper half of the bins, and of all pixels."""
    edges = np.arange(number + 1) / number
    table = pd.DataFrame({"lower": edges[:-1], "upper": edges[1:], "share": 0.0})[-len(share) :]
    table["share"], table["accuracy"] = share, accuracy
    table["confidence"] = table["lower"] + 0.5 / number
    mean = {name: (table["share"] * table[name]).sum() for name in ("confidence", "accuracy")}
    table = pd.concat([table, pd.DataFrame([{"lower": 0.0, "upper": 1.0, "share": 1.0, **mean}])], ignore_index=True)
    table.insert(0, "bin", [*map(str, range(1, len(share) + 1)), "all"])
    low, high = (table["accuracy"] - 0.03).clip(lower=0), (table["accuracy"] + 0.03).clip(upper=1)
    return table.assign(gap=table["confidence"] - table["accuracy"], low=low, high=high).to_records(index=False)


def compared(names, bins: np.recarray) -> Figure:
    low = bin_tables.corner([bins])
    return reliability.draw_panels(
        dict.fromkeys(names, bins), dict.fromkeys(names, "ECE 10.02 %"), HEADING, LINES, axis_start=low
    )


def curved(names, curve: str) -> Figure:
    values = {"middle": np.linspace(0, 0.12, 100), "low": 0.01, "high": 0.02}
    table = pd.DataFrame({"epoch": range(1, 101)} | values)
    return training.draw(dict.fromkeys(names, table), training.CURVES[curve], HEADING, LINES)


def joined(names) -> Figure:
    cells = joint.image_cells(np.linspace(0.6, 1, 50), np.linspace(0.31, 1, 50))
    return joint.draw(dict.fromkeys(names, cells), HEADING, LINES)


OVER = bins_of([0.01, 0.01, 0.01, 0.02, 0.95], [0.5, 0.5, 0.6, 0.7, 0.93])
UNDER = bins_of([0.2] * 5, [0.8, 0.9, 0.95, 0.99, 1])
WRONG = bins_of([0, 0, 0, 0, 1], [*4 * [np.nan], 0.001])
FINE = bins_of([0.02] * 50, list(np.linspace(0.5, 1, 50) ** 1.2), 100)
DRAWN: dict[str, Callable[[], Figure]] = {
    **{f"diagram {k}": lambda bins=bins: compared([""], bins) for k, bins in enumerate((OVER, UNDER, WRONG, FINE))},
    "one compared": lambda: compared(NAMES[:1], OVER),
    "21 compared": lambda: compared(MANY, UNDER),
    "a curve": lambda: curved(NAMES[:1], "ece"),
    "21 curves": lambda: curved(MANY, "loss"),
    "a joint density": lambda: joined(NAMES[:1]),
    "21 joint densities": lambda: joined(MANY),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_no_text_is_clipped_or_lies_on_another(name):
    with style.house():
        figure = DRAWN[name]()
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
        assert page.x0 - 0.5 <= box.x0 and box.x1 <= page.x1 + 0.5, f"{words!r} is clipped"
        assert page.y0 - 0.5 <= box.y0 and box.y1 <= page.y1 + 0.5, f"{words!r} is clipped"
    for (first, a), (second, b) in combinations(shown, 2):
        wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert not (wide > 1 and high > 1.5), f"{first!r} lies on {second!r}"


@pytest.mark.parametrize("name", [name for name in DRAWN if name.startswith(("diagram", "one c", "21 compared"))])
def test_the_diagonal_has_45_degrees(name):
    with style.house():
        axes = DRAWN[name]().axes[0]
    box, (left, right), (bottom, top) = axes.get_position(), axes.get_xlim(), axes.get_ylim()
    wide, high = (box.width, box.height) * axes.figure.get_size_inches()
    assert high / (top - bottom) == pytest.approx(wide / (right - left))


# Marks lie where the tables have them


@pytest.mark.parametrize(("accuracy", "shown"), [(0.8, "overconfident"), (0.99, "underconfident")])
def test_bars_gaps_and_legend_of_a_diagram(accuracy, shown):
    with style.house():
        axes = Figure().add_subplot()
        reliability.draw_accuracy(axes, bins_of([1.0], [accuracy]))
    areas = {
        to_hex(patch.get_facecolor()): np.round([patch.get_x(), patch.get_y(), patch.get_height()], 6).tolist()
        for patch in axes.patches
        if isinstance(patch, Rectangle) and patch.get_fill()
    }
    color = style.OVER if accuracy < 0.95 else style.UNDER
    assert areas[color] == [0.9, min(accuracy, 0.95), pytest.approx(abs(0.95 - accuracy))]
    lines = [np.round(line.get_xydata(), 6).tolist() for line in axes.lines]
    assert [[0.9, accuracy], [1.0, accuracy]] in lines
    assert [[0.95, round(accuracy - 0.03, 6)], [0.95, min(1, round(accuracy + 0.03, 6))]] in lines
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == [shown]


def test_a_method_keeps_its_color():
    with style.house():
        figure = curved(NAMES[:3], "ece")
    for name, axes in zip(NAMES[:3], figure.axes, strict=True):
        assert axes.lines[-1].get_color() == style.METHOD_COLORS[style.color_number(name)]


def test_curves_are_over_seeds_and_images():
    histories = [pd.DataFrame({"epoch": [1, 2], "loss": loss}) for loss in ([1.0, 0.5], [3.0, 1.5])]
    table = training.prepare_history(histories, "loss")
    assert table.to_numpy().tolist() == [[1, 2.0, 1.0, 3.0], [2, 1.0, 0.5, 1.5]]
    rng = np.random.default_rng(0)
    alphas = [pd.DataFrame({"id": range(50), "1": 0.0, "2": rng.random(50), "10": rng.random(50)}) for _ in SEEDS]
    table, values = training.prepare_alphas(alphas).set_index("epoch"), pd.concat(alphas)["2"]
    assert table.index.tolist() == [1, 2, 10]
    assert table.loc[2].tolist() == pytest.approx(np.quantile(values, [0.5, 0.05, 0.95]))


def test_few_pixels_up_to_a_half_are_drawn_where_others_are():
    """Of two classes a few pixels are exactly at 0.5; of several classes bins with few pixels are as others."""
    bins = {"bin": np.array(["1", "2", "3", "all"]), "upper": np.array([0.25, 0.5, 1, 1])}
    for shares, drawn in (([0, 0.0009, 0.9991], ["3"]), ([0.9, 0.0009, 0.0991], ["1", "2", "3"])):
        columns = bins | {"share": np.array([*shares, 1.0])}
        table = np.rec.fromarrays(list(columns.values()), names=list(columns))
        assert bin_tables.drawn_bins(table)["bin"].tolist() == drawn


@pytest.mark.parametrize(
    ("accuracy", "low", "corner"), [(0.55, np.nan, 0.5), (0.55, 0.5, 0.5), (0.55, 0.48, 0.4), (0.1, 0.05, 0.0)]
)
def test_both_axes_begin_where_no_accuracy_is_lower(accuracy, low, corner):
    bins = {"bin": ["6", "7"], "lower": [0.5, 0.6], "upper": [0.6, 0.7], "share": [0.5, 0.5]}
    table = pd.DataFrame(bins | {"confidence": [0.55, 0.65], "accuracy": [accuracy, 0.7], "low": [low, 0.68]})
    assert bin_tables.corner([table.to_records()]) == corner


def test_a_new_figure_is_a_file_and_a_line(made, tmp_path, monkeypatch):
    """The file holds what is defined here, the entry stands in `FIGURE_TYPES`."""

    def drawn(facts: Facts):
        yield Picture(new, ("raw",), "Brier score", "Brier score of all methods.", "raw")

    def paint(picture: Picture, results, folders):
        table = pd.DataFrame({"method": list(results.facts.methods), "brier": 0.1})
        return style.new_figure(0.5, picture.title, [])[0], table

    new = FigureType("brier", "Brier score", "Lower is better.", drawn, paint)
    monkeypatch.setattr(registry, "FIGURE_TYPES", {"brier": new})
    draw(*made[:2], tmp_path)
    named = [f"brier-raw.{ending}" for ending in ("csv", "pdf", "png", "svg")]
    assert sorted(path.name for path in tmp_path.iterdir()) == named == figure_files(pictures(made[0].facts))
