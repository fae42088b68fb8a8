"""The calibrators: against libraries, on arrays worked by hand, and what each promises on any input."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from pipeline_src.calibrators.beta import BetaCalibrator
from pipeline_src.calibrators.calibrator import Calibrator, Record, calibrated, fitted, nll
from pipeline_src.calibrators.dirichlet import DirichletCalibrator
from pipeline_src.calibrators.histogram_binning import HistogramBinningCalibrator
from pipeline_src.calibrators.image_temperature import ImageTemperatureCalibrator
from pipeline_src.calibrators.isotonic import IsotonicCalibrator
from pipeline_src.calibrators.pixels import (
    Pixels,
    drawn_target,
    image_pixels,
    joined,
    log_odds,
    mean_entropy,
    to_probabilities,
)
from pipeline_src.calibrators.platt import PlattCalibrator
from pipeline_src.calibrators.registry import CALIBRATORS, calibrator_class, read_calibrator
from pipeline_src.calibrators.temperature import TemperatureCalibrator
from pipeline_src.calibrators.vector import VectorCalibrator
from pipeline_src.errors import UserError

DEFINED = [(name, k) for name in CALIBRATORS for k in (1, 3) if k == 1 or not calibrator_class(name).two_classes]
NOWHERE = np.array([np.nan])


def pixels(z: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> Pixels:
    """Pixels of one image, of equal weight by default."""
    n = len(z)
    return Pixels(z, labels, np.ones(n) if weights is None else weights, np.zeros(n, np.int64), NOWHERE)


def drawn(channels: int, temperatures: tuple[float, ...] = (1.0,), seed: int = 0, side: int = 40) -> list[np.ndarray]:
    """Of each temperature an image of logits (C, H, W) and its truth, drawn from softmax(z / T)."""
    rng = np.random.default_rng(seed)
    images = []
    for t in temperatures:
        z = rng.normal(0, 2, (channels, side, side)) * t
        both = np.concatenate([np.zeros_like(z), z]) if channels == 1 else z
        images.append((z, (both / t + rng.gumbel(size=both.shape)).argmax(0)))
    return images


def sample(channels: int = 1, temperatures: tuple[float, ...] = (2.0,), **options: int) -> Pixels:
    return joined([image_pixels(z, truth) for z, truth in drawn(channels, temperatures, **options)])


# Against libraries and direct optimisation


def weighted_sample(channels: int = 1) -> Pixels:
    data = sample(channels, (2.5,))
    return pixels(data.z, data.labels, np.random.default_rng(1).uniform(0.1, 5, len(data.z)))


def test_temperature_is_logistic_regression_without_an_intercept():
    data = weighted_sample()
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
    model.fit(data.z, data.labels, sample_weight=data.weights)
    assert 1 / TemperatureCalibrator.fit(data).temperature == pytest.approx(model.coef_[0, 0], rel=1e-4)


def test_platt_is_logistic_regression():
    data = weighted_sample()
    model = LogisticRegression(C=np.inf, tol=1e-10).fit(data.z, data.labels, sample_weight=data.weights)
    ours = PlattCalibrator.fit(data)
    assert ours.scale[0] == pytest.approx(model.coef_[0, 0], abs=1e-4)
    assert ours.bias[0] == pytest.approx(model.intercept_[0], abs=1e-4)


def test_beta_is_the_direct_optimum():
    data = weighted_sample()
    log_f, log_g = np.log(expit(data.z[:, 0])), np.log(expit(-data.z[:, 0]))

    def loss(p: np.ndarray) -> float:
        z = abs(p[0]) * log_f - abs(p[1]) * log_g + p[2]
        return float(data.weights @ np.logaddexp(0, (1 - 2 * data.labels) * z)) / data.weights.sum()

    direct = minimize(loss, [1, 1, 0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-13, "maxiter": 4000})
    curve = BetaCalibrator.fit(data)
    assert [curve.a, curve.b, curve.c] == pytest.approx([*abs(direct.x[:2]), direct.x[2]], abs=1e-3)
    assert loss(np.array([curve.a, curve.b, curve.c])) <= direct.fun + 1e-10


def test_isotonic_is_that_of_scikit_learn():
    data = weighted_sample()
    f = expit(data.z[:, 0])
    theirs = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(f, data.labels, sample_weight=data.weights)
    ours = IsotonicCalibrator.fit(data)
    assert ours.of_pixels(data)[:, 0] == pytest.approx(theirs.predict(f), abs=1e-9)
    between = np.linspace(0, 1, 1001)
    inside = ours.probabilities(log_odds(between[None])[0].T, NOWHERE)[:, 0]
    assert inside == pytest.approx(theirs.predict(between), abs=1e-6)
    assert len(ours.f) < len(f) / 10  # knots, not pixels


@pytest.mark.parametrize(("kind", "inputs"), [(PlattCalibrator, log_softmax), (VectorCalibrator, np.asarray)])
def test_vector_scaling_is_the_direct_optimum(kind, inputs):
    """On log f, where a level common to all logits is nothing, and on the logits, where it is not."""
    data = sample(3, (2.0,), side=20)
    data = pixels(data.z + np.random.default_rng(2).normal(0, 2, (len(data.z), 1)), data.labels)
    z = inputs(data.z, axis=1) if inputs is log_softmax else data.z

    def loss(p: np.ndarray) -> float:
        return -log_softmax(z * p[:3] + p[3:], axis=1)[np.arange(len(z)), data.labels].mean()

    ours = kind.fit(data)
    direct = minimize(loss, [1] * 3 + [0] * 3, method="BFGS")
    assert loss(np.array(ours.scale + ours.bias)) == pytest.approx(direct.fun, abs=1e-8)
    assert ours.scale == pytest.approx(direct.x[:3], abs=1e-2)
    shown = np.exp(log_softmax(z * direct.x[:3] + direct.x[3:], axis=1))
    assert ours.of_pixels(data) == pytest.approx(shown, abs=1e-3)


def test_vector_scaling_of_one_logit_is_platt_scaling():
    data = weighted_sample()
    assert VectorCalibrator.fit(data).model_dump() == PlattCalibrator.fit(data).model_dump()


def mixed(classes: int) -> Pixels:
    """Logits of which a part of each class is that of the next: no scale by class calibrates them."""
    data = sample(max(classes, 2), (1.0,), side=30)
    z = 1.5 * data.z + 0.8 * np.roll(data.z, 1, axis=1) + np.arange(max(classes, 2))
    weights = np.random.default_rng(3).uniform(0.5, 2, len(z))
    return pixels(z[:, 1:] - z[:, :1] if classes == 1 else z, data.labels, weights)


@pytest.mark.parametrize("classes", [1, 3])
def test_dirichlet_is_the_direct_optimum_with_odir(classes):
    """NLL + lambda sum_{i != j} W_ij^2 / (K (K - 1)) + mu sum_j b_j^2 / K, by BFGS without a gradient."""
    data, k = mixed(classes), max(classes, 2)
    log_f = log_softmax(np.hstack([np.zeros_like(data.z), data.z]) if classes == 1 else data.z, axis=1)

    def loss(p: np.ndarray) -> float:
        matrix, bias = p[: k * k].reshape(k, k), p[k * k :]
        likelihood = log_softmax(log_f @ matrix.T + bias, axis=1)[np.arange(len(log_f)), data.labels]
        off = sum(matrix[i, j] ** 2 for i in range(k) for j in range(k) if i != j) / (k * (k - 1))
        return -np.average(likelihood, weights=data.weights) + off + (bias**2).sum() / k

    ours = DirichletCalibrator.fit(data)
    direct = minimize(loss, [*np.eye(k).ravel(), *np.zeros(k)], method="BFGS")
    weights = np.array(ours.weights)
    fit = np.array([*weights[:, :k].ravel(), *weights[:, k]])
    assert loss(fit) == pytest.approx(direct.fun, abs=1e-8)
    assert fit == pytest.approx(direct.x, abs=2e-3)
    f = np.exp(log_softmax(log_f @ direct.x[: k * k].reshape(k, k).T + direct.x[k * k :], axis=1))
    assert ours.of_pixels(data) == pytest.approx(f[:, 1:] if classes == 1 else f, abs=1e-3)


def test_dirichlet_without_regularization_is_multinomial_logistic_regression(monkeypatch):
    """On log f; it removes the mix of classes, which scales by class cannot."""
    monkeypatch.setattr("pipeline_src.calibrators.dirichlet.STRENGTH", 0.0)
    data = mixed(3)
    log_f = log_softmax(data.z, axis=1)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    model.fit(log_f, data.labels, sample_weight=data.weights)
    ours = DirichletCalibrator.fit(data)
    assert ours.of_pixels(data) == pytest.approx(model.predict_proba(log_f), abs=1e-3)
    assert nll(ours.of_pixels(data), data) < nll(VectorCalibrator.fit(data).of_pixels(data), data) - 0.01


# By hand


def test_histogram_binning_by_hand():
    f = np.array([0.01, 0.02, 0.99, 0.95, 0.5])
    data = pixels(logit(f)[:, None], np.array([0, 1, 1, 0, 1]), np.array([3.0, 1, 1, 3, 2]))
    binned = HistogramBinningCalibrator.fit(data)
    assert binned.shares == pytest.approx([0.25, 0.15, 0.25, 0.35, 0.45, 1, 0.65, 0.75, 0.85, 0.25])
    assert binned.of_pixels(data)[:, 0] == pytest.approx([0.25, 0.25, 0.25, 0.25, 1])


def test_the_entropy_by_hand():
    z = logit(np.array([[[0.9, 0.1], [0.1, 0.5]]]))
    assert mean_entropy(z) == pytest.approx(-(3 * (0.9 * np.log(0.9) + 0.1 * np.log(0.1)) + np.log(0.5)) / 4)
    assert mean_entropy(np.log([0.5, 0.25, 0.25])[:, None, None]) == pytest.approx(1.5 * np.log(2))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_temperature_of_an_image_follows_its_entropy(channels):
    """Two kinds of images, sure ones with T = 3 and unsure ones with T = 1: one temperature serves neither."""
    images = []
    for seed in range(10):
        images += drawn(channels, (3.0, 1.0), seed)
    data = joined([image_pixels(z, truth) for z, truth in images])
    ours = ImageTemperatureCalibrator.fit(data)
    temperatures = ours.temperatures(data.entropy).reshape(-1, 2).mean(axis=0)
    assert temperatures == pytest.approx([3, 1], rel=0.1)
    assert ours.b < 0
    plain = TemperatureCalibrator.fit(data)
    assert nll(ours.of_pixels(data), data) < nll(plain.of_pixels(data), data) - 0.01


# Pixels


def test_eight_bit_maps_are_grouped_exactly():
    v = np.arange(256, dtype=np.uint8).reshape(1, 256).repeat(3, axis=0)
    z = log_odds(v)
    truth = np.array([[0], [1], [1]]).repeat(256, axis=1)
    data = image_pixels(z, truth)
    grouped = data.grouped()
    assert len(grouped.z) == 512
    assert set(np.round(grouped.z[:, 0], 9)) == set(np.round(np.unique(z), 9))
    assert grouped.weights[grouped.labels == 1] == pytest.approx(2 * np.ones(256))
    assert expit(z[0, 0, 1:-1]) == pytest.approx(np.arange(1, 255) / 255)
    assert expit(z[0, 0, [0, -1]]) == pytest.approx([1 / 510, 1 - 1 / 510])


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_grouping_hardly_moves_the_likelihood(temperature):
    data = sample(1, (3.0, 1.0), side=100)
    expected_nll = nll(TemperatureCalibrator(temperature=temperature).of_pixels(data), data)
    for grouped in (data.grouped(), data.pooled()):
        assert len(grouped.z) < len(data.z)
        assert grouped.weights.sum() == pytest.approx(data.weights.sum())
        assert nll(TemperatureCalibrator(temperature=temperature).of_pixels(grouped), grouped) == pytest.approx(
            expected_nll, rel=1e-4
        )


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_pixels_are_grouped_within_the_bins_of_histogram_binning(dtype):
    """A share is that of all pixels one by one, though the edges of bins lie inside of cells of 1/64."""
    f = np.random.default_rng(0).uniform(0, 1, (1, 200, 200))
    f = f.astype(dtype) if dtype == np.float32 else np.uint16(np.rint(65535 * f))
    truth = (np.random.default_rng(1).random(f.shape[1:]) < 0.5).astype(int)
    data = image_pixels(log_odds(f[0]), truth)
    ours = fitted(HistogramBinningCalibrator, data.grouped()).shares
    bins = np.floor(10 * (f[0] if dtype == np.float32 else f[0] / 65535) + 1e-9).astype(int).clip(0, 9)
    assert ours == pytest.approx([truth[bins == k].mean() for k in range(10)], abs=1e-12)


def test_ignored_pixels_do_not_count():
    (z, truth), *_ = drawn(3)
    truth = truth.copy()
    truth[:10] = 255
    data = image_pixels(z, truth)
    assert len(data.z) == (truth != 255).sum()
    assert data.entropy[0] == mean_entropy(z)  # of all pixels, as in a test image
    target, weight = drawn_target(truth, 3, 100, np.random.default_rng(0))
    some = image_pixels(z, target, weight)
    assert len(some.z) == 100 and np.isin(some.z, data.z).all()
    assert some.weights.sum() == pytest.approx(len(data.z))
    assert drawn_target(truth, 3, len(data.z), np.random.default_rng(0)) == (truth, 1)


# What all promise


@pytest.fixture(scope="module")
def of_all() -> dict[tuple[str, int], Calibrator]:
    return {(name, k): fitted(calibrator_class(name), sample(k, (2.0, 1.0, 3.0))) for name, k in DEFINED}


@pytest.mark.parametrize("case", DEFINED)
def test_probabilities(of_all, case):
    k = case[1]
    z = np.random.default_rng(5).normal(0, 6, (k, 20, 30))
    f = of_all[case].apply(z)
    assert f.shape == ((20, 30) if k == 1 else (3, 20, 30))
    assert f.min() >= 0 and f.max() <= 1
    if k > 1:
        assert f.sum(axis=0) == pytest.approx(np.ones((20, 30)))
    if of_all[case].keeps_class:
        same = (f >= 0.5) == (z[0] >= 0) if k == 1 else f.argmax(axis=0) == z.argmax(axis=0)
        assert same.all()


@settings(max_examples=20)
@given(z=st.lists(st.floats(-30, 30).map(lambda x: round(x, 6)), min_size=2, max_size=30))
@pytest.mark.parametrize("name", [name for name, k in DEFINED if k == 1])
def test_a_function_of_one_probability_never_falls(of_all, name, z):
    calibrator = of_all[name, 1]
    f = calibrator.apply(np.sort(np.array(z))[None, None])
    if name != "histogram_binning":
        assert (np.diff(f) >= -1e-12).all()
    if calibrator.keeps_class:
        assert ((f >= 0.5) == (np.sort(z) >= 0)).all()


@pytest.mark.parametrize("case", DEFINED)
def test_what_is_calibrated_stays(case):
    """Fitted to pixels whose labels are drawn from their own probabilities, all are near the identity."""
    name, k = case
    data = sample(k, (1.0, 1.0), side=150)
    after = fitted(calibrator_class(name), data).of_pixels(data)
    off = np.abs(after - to_probabilities(data.z)).mean()
    assert off < (0.05 if name == "histogram_binning" else 0.015)


@pytest.mark.parametrize("case", DEFINED)
def test_a_file_gives_the_same_calibrator(of_all, case, tmp_path):
    data = sample(case[1], (2.0, 1.0, 3.0))
    (tmp_path / "calibrator.json").write_text(Record.of(of_all[case], data).file_text())
    again, record = read_calibrator(tmp_path / "calibrator.json", max(2, case[1]), "maps", "fit")
    assert again == of_all[case] and type(again) is type(of_all[case])
    assert record.classes == max(2, case[1]) and record.fitted_on.images == 3
    assert record.fitted_on.pixels == len(data.z)
    assert record.fitted_on.nll_after < record.fitted_on.nll_before


@pytest.mark.parametrize("change", [{"parameters": {"temperature": 9.0}}, {"digest": ""}], ids=["altered", "no digest"])
def test_an_altered_file_is_refused(of_all, change, tmp_path):
    file = tmp_path / "calibrator.json"
    text = Record.of(of_all["temperature", 1], sample()).file_text()
    file.write_text(json.dumps(json.loads(text) | change))
    with pytest.raises(UserError, match=r"calibrator\.json was altered"):
        read_calibrator(file, 2, "maps", "fit")


def test_what_is_on_a_level_stays_there():
    levels = np.arange(256, dtype=np.uint8)[None]
    assert np.array_equal(calibrated(TemperatureCalibrator(temperature=1.0), levels)[0, 1:-1], levels[0, 1:-1])


@pytest.mark.parametrize("name", [name for name, k in DEFINED if k == 1])
def test_two_planes_are_calibrated_as_the_map_of_one_object(of_all, name):
    f = np.random.default_rng(0).random((20, 30))
    single, planes = (calibrated(of_all[name, 1], array) for array in (f, np.stack([1 - f, f])))
    assert planes == pytest.approx(np.stack([1 - single, single]), abs=1e-9)
