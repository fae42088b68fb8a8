"""What is drawn is what the numbers say: marks, bars and areas lie where the tables have them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle, StepPatch

from pipeline_src.figures import (
    classes,
    entropy,
    estimates,
    panels,
    reliability,
    style,
)

BINS = pd.DataFrame(  # over-confident in the lower bin, under-confident in the upper one
    {
        "bin": ["1", "2", "all"],
        "lower": [0.5, 0.75, 0.0],
        "upper": [0.75, 1.0, 1.0],
        "share": [0.25, 0.75, 1.0],
        "confidence": [0.7, 0.8, 0.775],
        "accuracy": [0.6, 0.95, 0.8625],
        "gap": [0.1, -0.15, -0.0875],
        "low": [0.55, 0.9, np.nan],
        "high": [0.64, 0.99, np.nan],
    }
)
CURVE = pd.DataFrame({"confidence": [0.7, 0.8], "accuracy": [0.6, 0.95]})


@pytest.fixture(autouse=True)
def house():
    with style.house():
        yield


def colour(artist) -> str:
    return to_hex(np.atleast_2d(artist.get_facecolor())[0])


def ends(axes) -> list[list[list[float]]]:
    """Both ends of each stroke of the axes."""
    segments = [segment for of in axes.collections for segment in getattr(of, "get_segments", list)()]
    return np.round(segments, 6).tolist()


def marks(axes) -> list[list[float]]:
    """Points of lines that are drawn by marks alone."""
    lines = [line for line in axes.lines if line.get_linestyle() == "None"]
    return [np.round(point, 6).tolist() for line in lines for point in line.get_xydata()]


def test_reliability():
    axes = reliability.draw(BINS, "Title", [], CURVE, 0.5).axes[0]
    areas = [of for of in axes.patches if isinstance(of, Rectangle) and of.get_fill()]
    gaps = {colour(of): np.round([of.get_x(), of.get_y(), of.get_height()], 6).tolist() for of in areas}
    assert gaps[style.OVER] == [0.5, 0.6, 0.1] and gaps[style.UNDER] == [0.75, 0.8, 0.15]
    lines = [np.round(line.get_xydata(), 6).tolist() for line in axes.lines]
    for accuracy, left, low, high in ((0.6, 0.5, 0.55, 0.64), (0.95, 0.75, 0.9, 0.99)):
        assert [[left, accuracy], [left + 0.25, accuracy]] in lines
        assert [[left + 0.125, low], [left + 0.125, high]] in lines


def test_entropy():
    of_images = {("m", "id"): np.array([0.01, 0.01, 0.03]), ("m", "ood"): np.array([0.5, 0.6, 0.69])}
    table = entropy.prepare(of_images)
    axes = entropy.draw(table, "Title", []).axes[0]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # so that negative is up
    steps = {colour(of): of.get_data() for of in axes.patches if isinstance(of, StepPatch)}
    for role, sign in (("id", -1), ("ood", 1)):
        values, edges, baseline = steps[style.ROLE_COLORS[role]]
        here = table[table["role"] == role]
        assert baseline == 0 and np.array_equal(edges[:-1], here["lower"])
        assert np.array_equal(np.sign(values), sign * np.sign(here["images"]))
    strokes = [line.get_xydata().tolist() for line in axes.lines]
    assert strokes == [[[0.01, 0], [0.01, -0.46]], [[0.6, 0], [0.6, 0.46]]]


def test_classes_have_their_own_values_over_the_first_methods():
    columns = ("ece", "ece_low", "ece_high", "iou", "iou_low", "iou_high")
    tables = {
        m: pd.DataFrame([[x, x - 0.02, x + 0.01] * 2, [x + 0.1, x + 0.08, x + 0.11] * 2], columns=columns).assign(
            **{"class": ["sky", "road"]}
        )
        for m, x in (("first", 0.2), ("other", 0.5))
    }
    figure = classes.draw(tables, "iou", dict.fromkeys(tables, ""), "Title", [])
    for axes, x in zip(figure.axes, (20, 50), strict=True):
        assert marks(axes) == [[20, 0], [30, 1], [x, 0], [x + 10, 1]]
        assert ends(axes) == [[[x - 2, 0], [x + 1, 0]], [[x + 8, 1], [x + 11, 1]]]


def test_estimates_stand_in_the_colors_of_their_methods():
    rows = [("ce", 0.05, 0.04, 0.07), ("slp", 0.03, 0.01, 0.035)]
    table = pd.DataFrame(rows, columns=["method", "value", "low", "high"]).assign(part="p", role="id")
    axes = estimates.draw(table, "ce", "ECE, %", "Title", []).axes[0]
    assert ends(axes) == [[[4, 0], [7, 0]], [[1, 1], [3.5, 1]]]
    points = axes.collections[1]
    assert points.get_offsets().tolist() == [[5, 0], [3, 1]]
    assert [to_hex(color) for color in points.get_facecolors()] == list(style.METHOD_COLORS[:2])
    assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"] == [5]


def test_lines_of_equal_parameters_stand_side_by_side():
    rows = [("p", name, x, "ece", value) for name, value in (("a", 0.1), ("b", 0.2)) for x in (1, 2)]
    table = pd.DataFrame(rows, columns=["part", "line", "s", "metric", "value"])
    table = table.assign(low=table["value"] - 0.05, high=table["value"] + 0.05)
    looks = style.method_looks(["a", "b"])
    axes = panels.draw_lines(table, looks, ("part", "line", "s"), "s", 0.2, "Title", [], {("p", "ece"): 0.3}).axes[0]
    reference, *lines = axes.lines
    assert reference.get_ydata() == [30, 30]
    assert [line.get_color() for line in lines] == [look["color"] for look in looks.values()]
    assert np.array([line.get_xydata() for line in lines]) == pytest.approx(
        np.array([[[0.95, 10], [1.95, 10]], [[1.05, 20], [2.05, 20]]])
    )
    assert ends(axes)[0] == [[0.95, 5], [0.95, 15]]
