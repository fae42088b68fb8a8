"""Detection of data out of distribution against scikit-learn on all pixels and images, and on the images drawn."""

from __future__ import annotations

import numpy as np
import pytest
from made_statistics import counted, varied
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from pipeline_src.analysis.analyse import analyse
from pipeline_src.analysis.measurement import Reader
from pipeline_src.analysis.ood_detection import SCORES, detection, fpr
from pipeline_src.analysis.resampling import key_of
from pipeline_src.counting.score_histogram import Bins
from pipeline_src.metrics import estimators
from pipeline_src.metrics.inputs import FEW

SETS = {"photos": (9, 0, 1.6), "streets": (7, 1, 1.3), "textures": (8, 2, 0.8)}  # images, seed, sharpness
INSIDE, OUTSIDE = ("photos", "streets"), "textures"


def maps(part: str, seed: int, kind: str):
    images, first, sharp = SETS[part]
    return varied(images, seed=10 * first + seed, kind=kind, sharp=sharp, shape=(12, 15 + first))


@pytest.fixture(scope="module", params=["uint8", "float32"])
def measured(request, tmp_path_factory):
    """Kind of the maps, and the measurement on each set, of two seeds."""
    folder, of = tmp_path_factory.mktemp("sets"), {}
    for part in SETS:
        files = {("ce", seed): folder / f"{part}-{seed}.npz" for seed in (0, 1)}
        for (_, seed), file in files.items():
            counted(maps(part, seed, request.param), whole=False).save(file, {})
        analyse(part, 10, files, folder / f"{part}.npz")
        of[part] = Reader(folder / f"{part}.npz").measurement("raw", "ce")
    return request.param, of


def found(measured, score: str):
    return detection(score, {part: measured[part] for part in INSIDE}, {OUTSIDE: measured[OUTSIDE]})


def scores(part: str, seed: int, kind: str, score: str) -> list[np.ndarray]:
    """Scores of each image: one of the image, or those of its pixels that count."""
    made = []
    for f, y, _ in maps(part, seed, kind):
        p = np.stack([f, 255 - f]) / 255 if kind == "uint8" else np.stack([f, 1 - f.astype(float)])
        of_pixels = p.max(axis=0)[y != 255]
        if score == "entropy":
            q = np.clip(p.astype(float), 1e-7, 1 - 1e-7)
            of_pixels = (q * np.log(q)).sum(axis=0)[y != 255]
        made.append(np.round(of_pixels, 9) if score == "pixels" else np.array([of_pixels.mean()]))
    return made


def by_sklearn(inside: np.ndarray, outside: np.ndarray) -> dict[str, float]:
    y, s = np.repeat([1, 0], [len(inside), len(outside)]), np.concatenate([inside, outside])
    false, true, _ = roc_curve(y, s, drop_intermediate=False)
    at = np.argmax(true >= 0.95 - 1e-12)
    share = (0.95 - true[at - 1]) / (true[at] - true[at - 1])
    return {
        "ood_auroc": roc_auc_score(y, s),
        "ood_aupr": average_precision_score(y, s),
        "ood_fpr": false[at - 1] + share * (false[at] - false[at - 1]),
    }


@pytest.mark.parametrize("score", SCORES)
def test_values_are_those_of_scikit_learn(measured, score):
    kind, of = measured
    one = found(of, score)
    assert one.images == SETS[OUTSIDE][0] and list(one.seeds) == [0, 1]
    for seed in (0, 1):
        inside, outside = (
            np.concatenate([s for part in sets for s in scores(part, seed, kind, score)])
            for sets in (INSIDE, [OUTSIDE])
        )
        # pixels of float maps are tied within a level of 1.5e-5
        close = 1e-3 if kind == "float32" and score == "pixels" else 1e-9
        for name, expected in by_sklearn(inside, outside).items():
            assert one.points[name][seed] == pytest.approx(expected, abs=close), name


@pytest.mark.parametrize("score", SCORES)
def test_resamples_are_those_of_images_drawn_of_each_set_by_itself(measured, score):
    kind, of = measured
    one = found(of, score)
    draws = {}
    for part, (images, *_) in SETS.items():
        generator = np.random.Generator(np.random.PCG64(key_of(part)))
        draws[part] = [generator.integers(0, images, images) for _ in range(4)]
    of_images = {part: scores(part, 1, kind, score) for part in SETS}
    for k in range(4):
        drawn = {part: np.concatenate([of_images[part][i] for i in draws[part][k]]) for part in SETS}
        expected = by_sklearn(np.concatenate([drawn[part] for part in INSIDE]), drawn[OUTSIDE])
        for name, value in expected.items():
            assert one.values[name].shape == (2, FEW)
            assert one.values[name][1, k] == pytest.approx(value, abs=5e-3 if score == "pixels" else 1e-9), name


def bins(inside, outside) -> Bins:
    hits, miss = np.array(inside), np.array(outside)
    return Bins(hits + miss, hits, hits, hits)


def test_by_hand():
    # ascending scores: 1 of 20 in distribution below all, and half of the others above three quarters of it
    row = bins([1, 4, 0, 15], [0, 0, 8, 8])
    assert fpr(row) == 1  # the threshold that keeps 19 lies below all others
    assert estimators.auc(row) == pytest.approx((15 * (8 + 8 / 2)) / (20 * 16))
    assert estimators.ap(row) == pytest.approx(15 / 20 * 15 / 23 + 4 / 20 * 19 / 35 + 1 / 20 * 20 / 36)
    # ten tied in distribution with four others: 95 % of the tied are kept, of both
    assert fpr(bins([0, 10], [6, 4])) == pytest.approx(0.95 * 4 / 10)
    # 0.95 n is a whole number: exactly the 19 that score higher are kept, and none of the others
    assert fpr(bins([1, 0, 19], [0, 5, 0])) == 0
    assert fpr(bins([[0, 1], [1, 0]], [[1, 0], [0, 1]])).tolist() == [0, 1]
    assert np.isnan(fpr(bins([1], [0]))) and np.isnan(estimators.auc(bins([1], [0])))
