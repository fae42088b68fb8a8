"""Maps and what is counted of them: exact, mergeable in any order, saved, and clear about bad input."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_statistics import ByProtocol, counted, images, of_scenes, one, scene

from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.bins import positive
from pipeline_src.counting.counts import COLUMNS, UNMEASURED
from pipeline_src.counting.levels import UNIT
from pipeline_src.counting.sample import checked
from pipeline_src.counting.storage import equal_counts, load, save
from pipeline_src.counting.whole_maps import MEASURES, whole_map_measures
from pipeline_src.errors import UserError
from pipeline_src.metrics.registry import summary, value


def together(*parts: ByProtocol) -> ByProtocol:
    """The counts of all images."""
    accumulator = Accumulator(len(parts[0]["raw"].classes) or None, protocols=list(parts[0]))
    for counts in parts:
        accumulator.include(counts)
    return accumulator.counts()


def test_pixels_on_an_edge_belong_to_the_cell_below_it():
    """0.75 is in doubt as 0.25 is, and lies on no edge; of the last level all pixels below 0.5 do."""
    counts = one(np.float32([0.75] * 3 + [0.25] * 2), [1, 0, 1, 0, 1])["raw"].histogram
    assert counts.on_edge.sum() == 2 and positive(counts).count.min() >= 0
    just_below = one(np.nextafter(np.float32([0.5]), np.float32(0)), [1])["raw"].histogram
    assert positive(just_below).count.sum() == positive(just_below).hits.sum() == 1


@pytest.mark.parametrize("kind", ["float32", "uint8", "uint16"])
def test_ignored_pixels_never_count(kind):
    f, y, _name = next(images(1, seed=5, kind=kind))
    other = f.copy()
    other[y == 255] = 0 if kind != "float32" else np.nan
    assert equal_counts(one(f, y), one(other, y))
    nothing = one(f, np.full_like(y, 255))
    assert nothing["raw"].pixels == 0 and len(nothing["raw"].images) == 1


@pytest.mark.parametrize("kind", ["float32", "uint8"])
def test_masks_of_bool_count_as_masks_of_0_and_1(kind):
    f, y, _name = next(images(1, seed=5, kind=kind))
    y = np.where(y == 255, 0, y)
    assert y.any() and equal_counts(counted([(f, y.astype(bool), "a")], whole=False), one(f, y))


def test_measures_of_whole_maps_are_kept_per_image(tmp_path):
    rng = np.random.default_rng(0)
    truths = {"b": (rng.random((20, 30)) < 0.4).astype(np.uint8), "a": np.zeros((9, 8), np.uint8)}
    truths["c"] = np.where(rng.random((20, 30)) < 0.1, 255, truths["b"]).astype(np.uint8)
    maps = {name: (0.2 + 0.5 * rng.random(truth.shape)).astype(np.float32) for name, truth in truths.items()}
    found = {name: whole_map_measures(maps[name], truth) for name, truth in truths.items()}
    save(counted((maps[name], truth, name) for name, truth in truths.items()), tmp_path / "s.npz", {})
    statistic = load(tmp_path / "s.npz")
    for protocol in ("raw", "stretched"):
        expected = np.array([[found[name][protocol][key] for key in MEASURES] for name in "abc"])
        counts = statistic[protocol]
        columns = np.stack([counts.images.column(key) for key in MEASURES], axis=1)
        found_values = np.where(columns == UNMEASURED, np.nan, columns / UNIT)
        np.testing.assert_allclose(found_values, expected, atol=1e-9)  # nine decimals are kept
        assert np.isnan(expected).tolist() == [[False, False], [False, False], [True, True]]
        assert value("s_measure", counts) == pytest.approx(expected[:2, 0].mean(), abs=1e-9)
        assert value("e_measure", counts) == pytest.approx(expected[:2, 1].mean(), abs=1e-9)


def test_a_file_holds_what_was_counted_and_names_what_is_wrong(tmp_path):
    path, statistic = tmp_path / "s.npz", counted(images(3))
    first, *others = images(3)
    several, merged = of_scenes([scene(0)]), together(counted(others), counted([first]))
    for kept in (several, merged, statistic):
        save(kept, path, {"model": "U2Net", "of": ["a", 1]})
        assert equal_counts(load(path), kept)
    save(merged, tmp_path / "merged.npz", {"model": "U2Net", "of": ["a", 1]})
    assert (tmp_path / "merged.npz").read_bytes() == path.read_bytes()
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays["header"].tobytes())
    damaged = [
        {"header": np.frombuffer(json.dumps(header | change).encode(), np.uint8)}
        for change in ({"schema": 9}, {"clamp": 1e-6}, {"columns": [*COLUMNS[1:], COLUMNS[0]]}, {"levels": 10})
    ]
    for change in (*damaged, {"raw_table": arrays["raw_table"][:-1]}, {"ids": arrays["ids"][:-1]}):
        np.savez(path, **arrays | change)
        with pytest.raises(UserError, match=r"s\.npz"):
            load(path)
    for content in (None, b"no", b""):
        path.unlink() if content is None else path.write_bytes(content)
        with pytest.raises(UserError, match=r"s\.npz"):
            load(path)


F, Y = np.float32([[0.5, 0.1]]), np.uint8([[0, 1]])
P, IDS = scene(0, classes=3)


@pytest.mark.parametrize(
    ("f", "y", "named"),
    [
        (F + 1, Y, "1.5"),
        (F - 1, Y, "from -0"),
        (F * np.nan, Y, "NaN"),
        (F, Y + 1, r"\[1, 2\]"),
        (F, Y + 0.5, r"\[0.5, 1.5\]"),
        (F, Y * 255, "ignore=255"),
        (F[:, :1], Y, r"\(1, 1\)"),
        (F[0], Y[0], r"\(2,\)"),
        (F.astype(np.int64), Y, "int64"),
        (P[:, :9], IDS, r"\(3, 9, 40\)"),
        (P[:2], IDS * 0, "sum to 1"),
        (2 * P, IDS, "sum to 1"),
        (P / 2, IDS, "sum to 1"),
        (P, np.where(IDS == 255, 7, IDS), r"\[7\]"),
        (P, np.where(IDS == 255, 254, IDS), r"\[254\]"),
    ],
)
def test_bad_input_is_named(f, y, named):
    with pytest.raises(UserError, match=named) as told:
        checked(f, y, "picture-7")
    assert "picture-7" in str(told.value)


@pytest.mark.parametrize("kind", ["object", "classes"])
def test_an_image_is_counted_once_and_with_the_classes_of_the_others(kind):
    image, other = [(F, Y), (P, IDS)] if kind == "object" else [(P, IDS), (F, Y)]
    accumulator = Accumulator(None if kind == "object" else 3)
    accumulator.add(checked(*image, "picture-7"))
    before = accumulator.counts()
    for refused in (checked(*image, "picture-7"), checked(*other, "picture-8")):
        with pytest.raises(UserError, match=refused.id):
            accumulator.add(refused)
    with pytest.raises(UserError, match="picture-7"):
        accumulator.include(before)
    assert equal_counts(accumulator.counts(), before)


def test_quick_has_the_same_counts():
    f, y, _ = next(images(1))
    f[0, 0] = -0.0
    quick, full = one(f, y, quick=True), one(f, y)
    assert np.array_equal(quick["raw"].histogram.count, full["raw"].histogram.count)
    assert "stretched" not in quick and not len(quick["raw"].images)
    values, reasons = summary(quick["raw"])
    for name in ("ece", "accuracy", "gap"):
        assert values[name] == pytest.approx(value(name, full["raw"]), abs=1e-9)
    assert "nll" not in values and reasons["nll"]
    for other in (full, of_scenes([(P, IDS)], 3)):
        with pytest.raises(ValueError):
            together(quick, other)


KINDS = st.sampled_from(["uint8", "uint16", "float32"])


@settings(max_examples=15)
@given(st.permutations(range(6)), st.lists(st.integers(0, 2), min_size=6, max_size=6), KINDS)
def test_any_order_and_split_of_images_gives_the_same_counts(order, shares, kind):
    """With measures of whole maps; copies count on."""
    everything = list(images(6, kind=kind))
    parts = [Accumulator(whole_maps=True) for _ in range(3)]
    for k in order[:3]:
        parts[shares[k]].add(checked(*everything[k], ignore=255))
    parts = [pickle.loads(pickle.dumps(parts[0])), copy.deepcopy(parts[1]), parts[2]]
    for k in order[3:]:
        parts[shares[k]].add(checked(*everything[k], ignore=255))
    assert equal_counts(together(*(part.counts() for part in parts)), counted(everything))
