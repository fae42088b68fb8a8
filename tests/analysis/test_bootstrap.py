"""The bootstrap: exact on the set itself and for 8-bit maps, close for float maps, covering, paired, fast."""

from __future__ import annotations

import time

import numpy as np
import pytest

from pipeline_src.analysis import bootstrap
from pipeline_src.analysis.bootstrap import difference, resample
from pipeline_src.counting.statistic import Statistic
from pipeline_src.counting.whole_maps import KEPT, whole_map_measures
from pipeline_src.errors import UserError
from pipeline_src.metrics import metrics


def draw(count, seed=0, kind="float32", sharp=1.5, shape=(24, 30)):
    """Images whose difficulty varies, so that resampling images matters; id, map, mask."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        z = rng.normal(rng.normal(0, 2), 3, shape)
        y = (rng.random(shape) < 1 / (1 + np.exp(-z))).astype(np.uint8)
        f = 1 / (1 + np.exp(-sharp * z))
        top = {"uint8": 255, "uint16": 65535}.get(kind)
        yield f"{k:04d}", (np.round(f * top) if top else f).astype(kind), y


def counted(images) -> Statistic:
    statistic = Statistic.empty()
    for name, f, y in images:
        statistic.add(f, y, name, whole=whole_map_measures(f, y, KEPT))
    return statistic


@pytest.mark.parametrize("kind", ["float32", "uint8", "uint16"])
@pytest.mark.parametrize("protocol", ["raw", "stretched"])
def test_the_set_itself_gives_its_own_values(kind, protocol, monkeypatch):
    counts = getattr(counted(draw(6, kind=kind)), protocol)
    monkeypatch.setattr(bootstrap, "draws", lambda n, resamples, seed: [(slice(0, n), np.ones((resamples, n)))])
    found = resample(counts, resamples=2)
    values, _ = metrics.summary(counts)
    assert found.values.keys() == values.keys()
    for name, value in values.items():
        assert found.values[name] == pytest.approx([value, value], abs=1e-9), name


@pytest.mark.parametrize("kind, close", [("uint8", 1e-9), ("float32", 3e-3)])
def test_a_resample_is_the_statistic_of_the_images_drawn(kind, close):
    images = list(draw(12, kind=kind))
    counts = counted(images).raw
    found = resample(counts, resamples=3, seed=4)
    generator = np.random.Generator(np.random.PCG64(4))
    for k in range(3):
        drawn = generator.integers(0, 12, 12)
        again = counted((f"{n}-{images[i][0]}", *images[i][1:]) for n, i in enumerate(drawn)).raw
        for name, value in metrics.summary(again)[0].items():
            # the smooth ECE is resampled on coarser cells
            assert found.values[name][k] == pytest.approx(value, abs=max(close, 1e-5 * (name == "smooth_ece"))), name


def test_intervals_cover_and_shrink():
    def small(count, seed):
        return counted(draw(count, seed=seed, shape=(8, 10), kind="uint8")).raw

    truth = metrics.ece(small(1000, 99))
    inside = 0
    for seed in range(8):
        low, high = resample(small(60, seed), resamples=60, seed=seed).interval("ece")
        inside += low <= truth <= high
        assert low < high
    assert inside >= 6
    wide, narrow = (np.diff(resample(small(n, 1), resamples=60).interval("accuracy"))[0] for n in (30, 400))
    assert narrow < wide / 2


def test_the_same_seed_gives_the_same_interval_in_any_order_of_images():
    images = list(draw(10))
    a, b = resample(counted(images).raw, resamples=50), resample(counted(reversed(images)).raw, resamples=50)
    assert a.intervals() == b.intervals()
    assert a.intervals() != resample(counted(images).raw, resamples=50, seed=1).intervals()


def test_paired_difference_is_tighter_than_two_intervals():
    sharp, mild = counted(draw(40, sharp=2.0)).raw, counted(draw(40, sharp=1.6)).raw
    result = difference(sharp, mild, resamples=100)
    gap, low, high = result["ece"]
    assert gap == pytest.approx(metrics.ece(sharp) - metrics.ece(mild))
    assert 0 < low < gap < high
    alone = resample(sharp, resamples=100).interval("ece")
    assert high - low < alone[1] - alone[0]
    assert difference(sharp, sharp, resamples=50)["nll"] == (0, 0, 0)


def test_pairs_need_the_same_images():
    with pytest.raises(UserError, match="same images") as told:
        difference(counted(draw(4)).raw, counted(draw(5)).raw)
    assert "0004" in str(told.value)


def test_without_foreground_the_rest_has_intervals():
    images = [(name, f, np.zeros_like(y)) for name, f, y in draw(5)]
    found = resample(counted(images).raw, resamples=50)
    assert "max_f" not in found.values and found.interval("ece") is not None
    # one image with foreground: a resample may miss it, and F has no interval then
    images[0] = next(draw(1))
    found = resample(counted(images).raw, resamples=50)
    assert found.interval("max_f") is None and found.interval("ap") is None and found.interval("ece") is not None
    assert resample(Statistic.empty().raw).values == {}


def test_a_thousand_resamples_take_seconds():
    images = list(draw(50, shape=(60, 60)))
    statistic = Statistic.empty()
    for k in range(400):
        name, f, y = images[k % 50]
        statistic.add(f, y, f"{name}-{k}")
    counts = statistic.raw
    start = time.process_time()
    resample(counts)
    assert time.process_time() - start < 8
