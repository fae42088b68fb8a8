"""What is drawn is what the numbers say: marks, bars and areas lie where the tables have them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle, StepPatch

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.facts import Perturbation
from pipeline_src.figures import (
    alpha,
    classes,
    comparison,
    entropy,
    overconfidence,
    overview,
    reliability,
    style,
    sweep,
    tradeoff,
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
    axes = reliability.draw(BINS, "Title", [], CURVE, (0.5, 0.4)).axes[0]
    areas = [of for of in axes.patches if isinstance(of, Rectangle) and of.get_fill()]
    gaps = {colour(of): np.round([of.get_x(), of.get_y(), of.get_height()], 6).tolist() for of in areas}
    assert gaps[style.OVER] == [0.5, 0.6, 0.1] and gaps[style.UNDER] == [0.75, 0.8, 0.15]
    lines = [np.round(line.get_xydata(), 6).tolist() for line in axes.lines]
    for accuracy, left, low, high in ((0.6, 0.5, 0.55, 0.64), (0.95, 0.75, 0.9, 0.99)):
        assert [[left, accuracy], [left + 0.25, accuracy]] in lines
        assert [[left + 0.125, low], [left + 0.125, high]] in lines


def test_comparison():
    axes = comparison.draw({"m": BINS}, {"m": ""}, "Title", [], 0.4).axes[0]
    tinted = {}
    for area in axes.collections:
        points = np.concatenate([path.vertices for path in area.get_paths()] or [np.empty((0, 2))])
        tinted[colour(area)] = points
    assert (tinted[style.OVER][:, 1] <= tinted[style.OVER][:, 0] + 1e-9).all()
    assert (tinted[style.UNDER][:, 1] >= tinted[style.UNDER][:, 0] - 1e-9).all()
    assert [0.7, 0.6] in np.round(tinted[style.OVER], 6).tolist()
    assert [0.8, 0.95] in np.round(tinted[style.UNDER], 6).tolist()
    assert {tuple(point) for point in np.round(tinted[style.INK], 6)} == {
        (0.7, 0.55),
        (0.7, 0.64),
        (0.8, 0.9),
        (0.8, 0.99),
    }


def test_overview():
    cells = np.array([[[25, 75], [15, 71.25], [2.5, -11.25]]])
    table = overview.prepare({("m", "p"): BINS}, {("m", "p"): cells}, {("m", "p"): 0.1375})
    axes = overview.draw(table, ["m"], "Title", [], 0.5).axes[0]
    bars = {(colour(bar), bar.get_x()): bar.get_height() for bar in axes.patches if bar.get_height()}
    reach = overview.REACH
    assert bars == pytest.approx({(style.OVER, 0.5): -reach * 0.025 / 0.1125, (style.UNDER, 0.75): reach})
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # so that negative is up


def test_entropy():
    of_images = {("m", "id"): np.array([0.01, 0.01, 0.03]), ("m", "ood"): np.array([0.5, 0.6, 0.69])}
    table = entropy.prepare(of_images)
    axes = entropy.draw(table, "Title", []).axes[0]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # so that negative is up
    steps = {colour(of): of.get_data() for of in axes.patches if isinstance(of, StepPatch)}
    for role, sign in (("id", -1), ("ood", 1)):
        values, edges, baseline = steps[style.ROLE_STYLES[role]["color"]]
        here = table[table["role"] == role]
        assert baseline == 0 and np.array_equal(edges[:-1], here["lower"])
        assert np.array_equal(np.sign(values), sign * np.sign(here["images"]))
    strokes = [line.get_xydata().tolist() for line in axes.lines]
    assert strokes == [[[0.01, 0], [0.01, -0.46]], [[0.6, 0], [0.6, 0.46]]]


def test_tradeoff():
    estimates = {("ce", "ece"): Estimate({0: 0.05}, 0.04, 0.07), ("slp", "ece"): Estimate({0: 0.03}, 0.01, 0.035)}
    estimates |= {(m, "accuracy"): Estimate({0: 0.9}, 0.88, 0.91) for m in ("ce", "slp")}
    table = tradeoff.prepare(estimates, {"ce": "baseline", "slp": "static perturbation"})
    axes = tradeoff.draw(table, "Title", []).axes[0]
    assert ends(axes) == [[[4, 0], [7, 0]], [[1, 1], [3.5, 1]]]
    assert marks(axes) == [[5, 0], [3, 1]]
    assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"] == [5]


def test_sweep():
    static = {f"s{k}": Perturbation(a, 0.5) for k, a in enumerate((0.1, 0.2, 0.3))}
    places = [(name, "p", metric) for name in static for metric in style.AXES]
    of = {place: Estimate({0: 0.5 + k / 100}, 0.4 + k / 100, 0.55 + k / 100) for k, place in enumerate(places)}
    axes = sweep.draw(sweep.prepare(of, static), {("p", "ece"): 0.3}, "Title", []).axes[0]
    assert ends(axes) == [[[0.1, 40], [0.1, 55]], [[0.2, 43], [0.2, 58]], [[0.3, 46], [0.3, 61]]]
    dashed, curve = axes.lines
    assert dashed.get_ydata() == [30, 30]
    assert curve.get_xydata() == pytest.approx(np.array([[0.1, 50], [0.2, 53], [0.3, 56]]))


def test_methods_of_equal_strength_stand_beside_each_other_in_a_sweep():
    """The second is not the uniform label by beta: it is hollow."""
    static = {"a": Perturbation(0.1, 0.5), "b": Perturbation(0.05, 1), "c": Perturbation(1, 0.05, "label smoothing")}
    places = [(name, "p", metric) for name in static for metric in style.AXES]
    axes = sweep.draw(sweep.prepare(dict.fromkeys(places, Estimate({0: 0.5}, 0.4, 0.6)), static), {}, "Title", []).axes[
        0
    ]
    strength = {round(one.s, 9) for one in static.values()}
    xs = sorted(line.get_xdata()[0] for line in axes.lines)
    assert len(strength) == 1 and len({round(x, 6) for x in xs}) == 3 and np.mean(xs) == pytest.approx(strength.pop())
    assert xs[-1] - xs[0] < 0.025 * axes.get_xlim()[1]
    hollow = [line.get_markerfacecolor() == style.PAPER for line in axes.lines]
    assert sum(hollow) == 1


def test_overconfidence():
    errors = {"a": 0.01, "b": 0.02, "c": 0.06, "t": 0.1}
    oe = {("m", part): Estimate({0: value}, value - 0.005, value + 0.001) for part, value in errors.items()}
    table = overconfidence.prepare(oe, {"a": "id", "b": "id", "c": "id", "t": "ood"})
    axes = overconfidence.draw(table, "Title", []).axes[0]
    assert sorted(x for x, _ in marks(axes)) == [1, 2, 6, 10]
    assert sorted([low[0], high[0]] for low, high in ends(axes)) == [[0.5, 1.1], [1.5, 2.1], [5.5, 6.1], [9.5, 10.1]]
    strokes = [line.get_xdata() for line in axes.lines if line.get_linestyle() == "-"]
    assert np.array(strokes) == pytest.approx(np.array([[3, 3]]))


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


def test_alpha_bands_are_of_the_quantiles():
    values = pd.DataFrame({"id": range(5)} | {str(e): np.arange(5) * e / 50 for e in (1, 2)})
    epochs = alpha.quantiles([values])
    main, side = alpha.draw(epochs, alpha.histogram([values]), "Title", []).axes
    for area, (low, high) in zip(main.collections, (("q05", "q95"), ("q25", "q75")), strict=True):
        points = {tuple(point) for path in area.get_paths() for point in np.round(path.vertices, 6)}
        expected = zip([*epochs["epoch"]] * 2, [*epochs[low], *epochs[high]], strict=True)
        assert points == {(epoch, round(value, 6)) for epoch, value in expected}
    assert main.lines[0].get_ydata() == pytest.approx(epochs["q50"].to_numpy())
    assert sum(bar.get_width() for bar in side.patches) == 5
