"""Conformal risk control: thresholds by hand, their monotony, and that the bound is kept on drawn images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_statistics import varied

from pipeline_src.analysis import conformal
from pipeline_src.analysis.analyse import analyse
from pipeline_src.analysis.conformal import Bound, bounds, controlled, level
from pipeline_src.analysis.measurement import Reader
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.errors import UserError
from pipeline_src.metrics.image_risks import ImageRisks, of_levels, split
from pipeline_src.metrics.protocol_counts import ProtocolCounts


def counted(images, groups=None) -> ProtocolCounts:
    statistic = MapCounts.empty()
    for k, (f, y) in enumerate(images):
        statistic.add(np.atleast_2d(f), np.atleast_2d(np.asarray(y, np.uint8)), f"{k:05d}")
    return ProtocolCounts(statistic, statistic.raw, units=groups)


def sums(run: ProtocolCounts) -> np.ndarray:
    return sum(block.sum(axis=0) for block in ImageRisks().units(run))


def test_thresholds_by_hand():
    """Nine images that miss a pixel each from t = 10, 20 .. 90 on: (R + 1) / 10 <= alpha."""
    images = [(np.array([[10 * k]], np.uint8), [[1]]) for k in range(1, 10)]
    of = sums(counted(images))
    assert bounds(Bound("fnr", 0.1), of)[[0, 10, 11, 91]].tolist() == [0.1, 0.1, 0.2, 1.0]
    assert level(Bound("fnr", 0.1), of) == 10
    assert level(Bound("fnr", 0.4), of) == 40
    assert level(Bound("fnr", 0.09), of) is None  # ten images are needed
    assert [Bound("fnr", alpha).needs for alpha in (0.1, 0.09, 0.05, 0.01, 0.9)] == [9, 11, 19, 99, 1]
    background = [(f, [[0]]) for f, _ in images]
    of = sums(counted(background))
    assert level(Bound("fpr", 0.1), of) == 91 and level(Bound("fpr", 0.3), of) == 71
    assert level(Bound("fnr", 0.5), of) is None  # no image has foreground
    assert conformal.trivial(Bound("fnr", 0.1), 0, of) and conformal.trivial(Bound("fpr", 0.1), 256, of)
    assert not conformal.trivial(Bound("fpr", 0.1), 255, of)  # no object that it could miss


@given(st.lists(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 1)), min_size=1, max_size=8), max_size=6))
def test_risks_are_monotone_shares(images):
    run = counted([(np.array([[f for f, _ in of]], np.uint8), [[y for _, y in of]]) for of in images])
    if not images:
        return
    risks, _ = split(np.concatenate(list(ImageRisks().units(run))))
    assert (np.diff(risks[:, 0]) >= 0).all() and (np.diff(risks[:, 1]) <= 0).all()
    assert (risks >= 0).all() and (risks <= 1).all()
    assert (risks[:, 0, 0] == 0).all() and (risks[:, 1, -1] == 0).all()
    for row, of in zip(risks, images, strict=True):
        f, y = np.array(of).T
        for t in (0, 1, 128, 255, 256):
            missed = np.mean(f[y == 1] < t) if (y == 1).any() else 0
            called = np.mean(f[y == 0] >= t) if (y == 0).any() else 0
            assert row[:, t] == pytest.approx([missed, called])


def drawn(rng: np.random.Generator, images: int) -> np.ndarray:
    """(n, 516) risks of images whose objects are more or less easy to see; some have none."""
    levels = np.zeros((images, 256, 2), np.int64)
    centre = rng.normal([170, 60], 40, (images, 2))
    for k in range(images):
        pixels = rng.integers(0, 40) * (rng.random() > 0.1)
        for label, f in ((1, rng.normal(centre[k, 0], 30, pixels)), (0, rng.normal(centre[k, 1], 30, 60))):
            np.add.at(levels[k, :, label], np.clip(f, 0, 255).astype(int), 1)
    return of_levels(levels)


@pytest.mark.parametrize(("risk", "alpha"), [("fnr", 0.2), ("fpr", 0.15)])
def test_the_bound_is_kept_on_further_images(risk, alpha):
    """Over 300 drawings of 12 images and of further ones. Without n / (n + 1) and 1 / (n + 1) it would not be."""
    rng, k = np.random.default_rng(0), conformal.RISK_NAMES.index(risk)
    pool = drawn(rng, 3000)
    risks, known = split(pool)
    mean = risks[:, k].sum(axis=0) / known[:, k].sum()
    delivered, without = [], []
    for _ in range(300):
        of = pool[rng.choice(len(pool), 12, replace=False)].sum(axis=0)
        t = level(Bound(risk, alpha), of)
        delivered.append(mean[t])
        plain = np.flatnonzero(split(of)[0][k] / split(of)[1][k] <= alpha)
        without.append(mean[plain[-1] if risk == "fnr" else plain[0]])
    error = np.std(delivered) / np.sqrt(300)
    assert np.mean(delivered) <= alpha + 2 * error
    assert np.mean(delivered) >= alpha - 2 / 10 - 2 * error  # 2 / (n + 1) below at most, about ten having the risk
    assert np.mean(without) > alpha + 2 * error


def test_an_experiment_takes_the_thresholds_of_another_set(tmp_path):
    """By seed, from exact sums, with resamples of the unseen images at that threshold."""
    statistics = {}
    for part, number in (("val", 30), ("test", 12)):
        for seed in (0, 1):
            of = MapCounts.empty()
            for f, y, name in varied(number, seed=seed + number, kind="uint8"):
                of.add(f, y, name)
            of.save(tmp_path / f"{part}{seed}.npz", {})
            statistics[part, seed] = of
        analyse(part, 10, {("m", s): tmp_path / f"{part}{s}.npz" for s in (0, 1)}, tmp_path / f"{part}.npz")
    fitted, unseen = (Reader(tmp_path / f"{part}.npz").measurement("raw", "m") for part in ("val", "test"))
    bound = Bound("fnr", 0.2)
    found = controlled(bound, fitted, unseen)
    for k, seed in enumerate((0, 1)):
        t = level(bound, sums(ProtocolCounts(None, statistics["val", seed].raw)))
        of = conformal.of_units(ProtocolCounts(None, statistics["test", seed].raw), np.full(12, t))
        assert found.points["threshold"][k] == t / 255
        assert [found.points[name][k] for name in conformal.RISK_NAMES] == pytest.approx(np.nanmean(of, axis=0))
        assert found.values["fnr"].shape == (2, 250) and found.values["fnr"].std() > 0
        assert found.values["fnr"][k].mean() == pytest.approx(found.points["fnr"][k], abs=0.02)
    assert controlled(Bound("fnr", 0.01), fitted, unseen) is None  # thirty images are too few


@pytest.mark.parametrize("text", ["fnr", "fnr=1", "fnr=nan", "fnr=ten", "recall=0.1"])
def test_a_bound_that_is_none_is_refused(text):
    with pytest.raises(UserError, match="--risk cannot be used"):
        Bound.of(text)
