"""Conformal risk control: thresholds by hand, their monotony, and that the bound is kept on drawn images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_statistics import counted

from pipeline_src.analysis.conformal import RISK_NAMES, Bound, guaranteed, largest_risks, unit_risks
from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.counts import Counts, grouped
from pipeline_src.counting.sample import checked
from pipeline_src.errors import UserError


def risks_of(images, groups=None) -> np.ndarray:
    rows = ((np.atleast_2d(f), np.atleast_2d(np.asarray(y, np.uint8))) for f, y in images)
    counts = counted((f, y, f"{k:05d}") for k, (f, y) in enumerate(rows))
    return unit_risks(grouped(counts, groups)["raw"])


def level(bound: Bound, risks: np.ndarray) -> int | None:
    known = bound.defined_risks(risks)
    return bound.level(known.sum(axis=0), len(known))


def test_thresholds_by_hand():
    """Nine images that miss a pixel each from t = 10, 20 .. 90 on: (R + 1) / 10 <= alpha."""
    images = [(np.array([[10 * k]], np.uint8), [[1]]) for k in range(1, 10)]
    risks = risks_of(images)
    assert guaranteed(risks[:, 0].sum(axis=0), 9)[[0, 10, 11, 91]].tolist() == [0.1, 0.1, 0.2, 1.0]
    assert level(Bound("fnr", 0.1), risks) == 10
    assert level(Bound("fnr", 0.4), risks) == 40
    assert level(Bound("fnr", 0.09), risks) is None  # ten images are needed
    assert [Bound("fnr", alpha).fewest_images for alpha in (0.1, 0.09, 0.05, 0.01, 0.9)] == [9, 11, 19, 99, 1]
    risks = risks_of([(f, [[0]]) for f, _ in images])
    assert level(Bound("fpr", 0.1), risks) == 91 and level(Bound("fpr", 0.3), risks) == 71
    assert level(Bound("fnr", 0.5), risks) is None  # no image has foreground


def test_a_group_has_the_mean_risk_of_its_images():
    images = [(np.array([[v]], np.uint8), [[y]]) for v, y in ((10, 1), (20, 1), (30, 0), (40, 0))]
    alone, together = risks_of(images), risks_of(images, np.array([0, 0, 0, 1]))
    assert together[0] == pytest.approx(np.stack([alone[:2, 0].mean(axis=0), alone[2, 1]]))
    assert np.isnan(together[1, 0]).all() and (together[1, 1] == alone[3, 1]).all()


@given(st.lists(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 1)), min_size=1, max_size=8), max_size=6))
def test_risks_are_monotone_shares(images):
    if not images:
        return
    risks = risks_of([(np.array([[f for f, _ in pixels]], np.uint8), [[y for _, y in pixels]]) for pixels in images])
    for row, pixels in zip(risks, images, strict=True):
        f, y = np.array(pixels).T
        for t in (0, 1, 128, 255, 256):
            missed = np.mean(f[y == 1] < t) if (y == 1).any() else np.nan
            called = np.mean(f[y == 0] >= t) if (y == 0).any() else np.nan
            assert row[:, t] == pytest.approx([missed, called], nan_ok=True)
    filled = np.nan_to_num(risks)
    assert (np.diff(filled[:, 0]) >= 0).all() and (np.diff(filled[:, 1]) <= 0).all()


def drawn(rng: np.random.Generator, images: int) -> np.ndarray:
    """Risks of images whose objects are more or less easy to see; some have none."""
    maps = []
    for centre in rng.normal([170, 60], 40, (images, 2)):
        pixels = rng.integers(0, 40) * (rng.random() > 0.1)
        f = np.concatenate([rng.normal(centre[0], 30, pixels), rng.normal(centre[1], 30, 60)])
        maps.append((np.clip(f, 0, 255).astype(np.uint8), [1] * pixels + [0] * 60))
    return risks_of(maps)


@pytest.mark.parametrize(("risk", "alpha"), [("fnr", 0.2), ("fpr", 0.15)])
def test_the_bound_is_kept_on_further_images(risk, alpha):
    """Over 300 drawings of 12 images and of further ones. Without n / (n + 1) and 1 / (n + 1) it would not be."""
    rng, bound = np.random.default_rng(0), Bound(risk, alpha)
    pool = drawn(rng, 3000)
    mean = bound.defined_risks(pool).mean(axis=0)
    delivered, without = [], []
    for _ in range(300):
        sample = pool[rng.choice(len(pool), 12, replace=False)]
        delivered.append(mean[level(bound, sample)])
        plain = np.flatnonzero(np.nanmean(sample[:, RISK_NAMES.index(risk)], axis=0) <= alpha)
        without.append(mean[plain[-1] if risk == "fnr" else plain[0]])
    error = np.std(delivered) / np.sqrt(300)
    assert np.mean(delivered) <= alpha + 2 * error
    assert np.mean(delivered) >= alpha - 2 / 10 - 2 * error  # 2 / (n + 1) below at most, about ten having the risk
    assert np.mean(without) > alpha + 2 * error


def scenes(rng: np.random.Generator, images: int) -> Counts:
    """Counts of images of four classes that are more or less easy to tell; few have the last two."""
    accumulator = Accumulator(4)
    for i in range(images):
        classes = np.flatnonzero(rng.random(4) < [1, 0.8, 0.4, 0.3])
        y = rng.choice(classes, (6, 5)).astype(np.uint8)
        z = rng.normal(0, 1, (4, 6, 5)) + rng.normal(1, 1) * (y == np.arange(4)[:, None, None])
        accumulator.add(checked(np.exp(z) / np.exp(z).sum(axis=0), y, f"{i:04d}"))
    return accumulator.counts()["raw"]


def test_the_bound_is_kept_for_every_class_and_for_all_jointly():
    """Over 1,000 splits into 30 images that give thresholds, and all others."""
    rng = np.random.default_rng(0)
    raw = scenes(rng, 600)
    bound = Bound("fnr", 0.2)
    by_class = [unit_risks(of_class)[:, 0] for of_class in raw.classes]
    jointly = largest_risks(raw)[:, 0]
    assert np.array_equal(jointly, np.nanmax(by_class, axis=0))
    for risks in (*by_class, jointly):
        delivered = []
        for _ in range(1000):
            order = rng.permutation(len(risks))
            sample = risks[order[:30]]
            sample = sample[~np.isnan(sample[:, 0])]
            chosen = bound.level(sample.sum(axis=0), len(sample))
            # Too few images with the class are refused; the mask of all pixels misses none.
            delivered.append(np.nanmean(risks[order[30:], 0 if chosen is None else chosen]))
        error = np.std(delivered) / np.sqrt(1000)
        assert np.mean(delivered) <= bound.alpha + 2 * error
        assert np.mean(delivered) >= bound.alpha / 2  # not by empty caution


@pytest.mark.parametrize("text", ["fnr,joint", "fnr=0.1,jointly", "fnr", "fnr=1", "fnr=nan", "fnr=ten", "recall=0.1"])
def test_a_bound_that_is_none_is_refused(text):
    with pytest.raises(UserError, match="--risk cannot be used"):
        Bound.of(text)
