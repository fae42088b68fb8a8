"""What docs/theory.md and docs/protocol.md derive, checked by simulation in plain numpy.

Nothing of the package is imported: this is a check of the documents. What the methods show themselves is tested there.
Section numbers are those of docs/theory.md unless said otherwise.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from pipeline_src.training.method import Validation
from pipeline_src.training.registry import choose

ETA, LAM, M = 0.002, 2000.0, 4.0  # the released eta and lambda; m = 4 is a realistic mean margin


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def bce(z: np.ndarray, t: np.ndarray | float) -> np.ndarray:
    """Binary cross entropy per pixel of logits z with targets t, which may lie outside [0, 1]."""
    return np.logaddexp(0, z) - t * z


def perturbed(y: np.ndarray, beta: float) -> np.ndarray:
    return (1 - 2 * beta) * y + beta


def alpha_path(
    beta: float,
    accuracy: float,
    visits: int,
    divided: bool = False,
    start: np.ndarray | float = 0.0,
    m: np.ndarray | float = M,
) -> np.ndarray:
    """Alphas (visits, images) under the rule of ASLP_MC (section 3.2) with the margin m held constant."""
    alpha, path = np.asarray(start, float), []
    cap = 1 / (2 * beta)
    for _ in range(visits):
        room = (1 - accuracy) / beta - alpha if divided else (1 - accuracy) - beta * alpha
        alpha = alpha + ETA * (m / beta + LAM * np.minimum(0, room))
        alpha = np.where(alpha < 0, 0.0, np.where(alpha >= cap, cap - 0.01, alpha))
        path.append(alpha)
    return np.array(path)


def mean_s(beta: float, accuracy: float = 0.94, divided: bool = False) -> float:
    """Mean s over 1,000 images that start at different alphas and over the last of many visits."""
    start = np.random.default_rng(0).uniform(0, 2 * (1 - accuracy) / beta, 1000)
    return float((2 * beta * alpha_path(beta, accuracy, 1500, divided, start)[-1000:]).mean())


@pytest.fixture
def image() -> tuple[np.ndarray, np.ndarray]:
    """Logits and soft labels of 50 pixels."""
    rng = np.random.default_rng(1)
    return rng.normal(0, 3, 50), np.clip(rng.normal(0.5, 1, 50), 0, 1)


# --- section 2: the loss and its expectation


def test_cross_entropy_with_the_uniform_label_is_a_divergence_plus_log_two(image):
    z, _ = image
    f = sigmoid(z)
    divergence = 0.5 * np.log(0.5 / f) + 0.5 * np.log(0.5 / (1 - f))
    assert bce(z, 0.5) == pytest.approx(divergence + np.log(2))


@pytest.mark.parametrize("s", [0.05, 0.2, 0.6])
def test_the_expected_loss_is_least_at_one_minus_half_s(s):
    f = np.linspace(0.0005, 0.9995, 1000)  # in steps of 0.001
    z = np.log(f / (1 - f))
    expected = (1 - s) * bce(z, 1.0) + s * bce(z, 0.5)
    assert f[expected.argmin()] == pytest.approx(1 - s / 2, abs=0.001)


def test_the_variance_of_the_loss(image):
    z, y = image
    alpha, beta = 0.2, 0.75
    m = ((2 * y - 1) * z).mean()
    drawn = np.random.default_rng(4).random(400_000) < alpha
    loss = np.where(drawn, bce(z, perturbed(y, beta)).mean(), bce(z, y).mean())
    assert loss.var() == pytest.approx(alpha * (1 - alpha) * (beta * m) ** 2, rel=0.02)


def test_alpha_climbs_the_loss_that_the_network_descends(image):
    z, y = image
    beta, step = 0.75, 1e-6

    def expected(alpha: float) -> float:
        s = 2 * alpha * beta
        return float(((1 - s) * bce(z, y) + s * bce(z, 0.5)).mean())

    slope = (expected(0.1 + step) - expected(0.1)) / step
    assert slope == pytest.approx(beta * ((2 * y - 1) * z).mean(), rel=1e-4)


# --- section 5: known behaviour of the rule


@pytest.mark.parametrize("beta", [0.75, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("accuracy", [0.90, 0.94])
def test_mean_s_over_the_saw(beta, accuracy):
    k, tooth = ETA * LAM * beta, 2 * ETA * M
    assert mean_s(beta, accuracy) - 2 * (1 - accuracy) == pytest.approx(tooth * (3.5 - k) / 3, abs=0.06 * tooth)


def test_mean_s_meets_its_mark_at_beta_one_and_falls_short_at_two():
    assert mean_s(1.0) == pytest.approx(0.12, rel=0.03)
    assert mean_s(2.0) == pytest.approx(0.096, rel=0.03), "a fifth short of 0.12"


def test_the_mark_is_reached_within_the_visits_of_the_released_run():
    margins = np.random.default_rng(6).normal(M, 0.5, 1000)
    s = 2 * alpha_path(1.0, 0.94, 25, m=margins)  # 30 epochs less start_epoch = 5, one visit an epoch
    assert s[-10:].mean() == pytest.approx(0.12, rel=0.05)


def test_the_divided_variant_does_not_depend_on_beta():
    at_one = alpha_path(1.0, 0.94, 40)
    for beta in (0.5, 0.75, 2.0):
        assert beta * alpha_path(beta, 0.94, 40, divided=True) == pytest.approx(at_one)
    assert alpha_path(1.0, 0.94, 40, divided=True) == pytest.approx(at_one), "the two variants agree at beta = 1"


def mei_path(theta_lm: str, sd: float, epochs: int = 60, seed: int = 0) -> np.ndarray:
    """(epochs,) alpha of ASLP_MEI for margins M, where accuracies vary by `sd` around one level."""
    accuracies, baseline = np.random.default_rng(seed).normal(0.94, sd, (2, epochs))
    method = choose("aslp_mei", {"theta_lm": theta_lm, "start_epoch": 1}).method
    method.start(1, {"baseline": baseline.tolist()})
    path = []
    for epoch, accuracy in enumerate(accuracies.tolist(), 1):
        method.after_step(np.array([M]), np.array([0]), epoch)
        method.after_validation(Validation(accuracy, accuracy), epoch)
        path.append(method.alphas[0])
    return np.array(path)


def test_mei_grows_while_accuracy_holds():
    free = mei_path("best_so_far", 0.0, 100)
    assert np.diff(free[1:24]) == pytest.approx(ETA * M)
    assert free.max() < 0.5, "the clip keeps the expected label on its side of 0.5"
    assert free[-1] == pytest.approx(0.5, abs=0.011)


def test_what_mei_is_held_against_decides_how_far_it_comes():
    ends = {
        name: np.mean([mei_path(name, 0.002, seed=seed)[-12:].mean() for seed in range(40)])
        for name in ("best_so_far", "baseline", "last_epoch")
    }
    assert ends["best_so_far"] < 0.01 and min(ends["baseline"], ends["last_epoch"]) > 0.05, ends


def test_alpha_stays_at_zero_where_network_and_label_disagree():
    assert (alpha_path(1.0, 0.94, 5, m=-1.0) == 0).all()


# --- section 6: why the raw protocol sees an under-confident network


def calibrated_pixels() -> tuple[np.ndarray, np.ndarray]:
    """Foreground probabilities p and labels drawn from them: the perfectly calibrated network's view."""
    rng = np.random.default_rng(7)
    p = rng.beta(0.12, 0.2, 400_000)
    return p, (rng.random(p.size) < p).astype(float)


def top_label(f: np.ndarray, y: np.ndarray, bins: int = 10) -> tuple[float, float, float]:
    """ECE, OE and accuracy (fractions) with right-closed bins on confidence."""
    confidence, correct = np.maximum(f, 1 - f), (f >= 0.5) == y
    k = np.ceil(confidence * bins).astype(int)
    n = np.bincount(k)
    use = n > 0
    conf = np.bincount(k, confidence)[use] / n[use]
    acc = np.bincount(k, correct)[use] / n[use]
    share, over = n[use] / f.size, conf > acc
    ece = float((share * abs(conf - acc)).sum())
    return ece, float((share * conf * (conf - acc))[over].sum()), float(correct.mean())


def test_optimum_of_the_expected_loss_is_the_shrunk_posterior():
    s, f = 0.2, np.linspace(0.0005, 0.9995, 1000)
    z = np.log(f / (1 - f))
    for p in (0.0, 0.3, 0.9, 1.0):
        expected = (1 - s) * (p * bce(z, 1.0) + (1 - p) * bce(z, 0.0)) + s * bce(z, 0.5)
        assert f[expected.argmin()] == pytest.approx((1 - s) * p + s / 2, abs=0.001)


def test_mc_makes_a_calibrated_network_under_confident():
    p, y = calibrated_pixels()
    before, _, accuracy = top_label(p, y)
    s = 2 * (1 - accuracy)
    ece, oe, after = top_label((1 - s) * p + s / 2, y)
    assert before < 0.003
    assert after == accuracy
    assert ece == pytest.approx(s * (accuracy - 0.5), abs=0.003)
    assert oe < 0.001


def test_mc_is_right_for_a_saturated_network():
    p, y = calibrated_pixels()
    saturated = (p >= 0.5).astype(float)
    before, _, accuracy = top_label(saturated, y)
    s = 2 * (1 - accuracy)
    assert before == pytest.approx(1 - accuracy)
    assert top_label((1 - s) * saturated + s / 2, y)[0] < 1e-9


def test_the_s_that_balances_mean_confidence_is_never_above_the_mark_of_mc():
    a, c = np.meshgrid(np.linspace(0.51, 0.999, 60), np.linspace(0.51, 1, 60))
    over = c >= a
    needed, mark = ((c - a) / (c - 0.5))[over], 2 * (1 - a[over])
    assert (needed <= mark + 1e-12).all()
    assert (abs(needed - mark) < 1e-12)[c[over] == 1].all()


def test_stretching_undoes_the_shrinkage():
    """docs/protocol.md section 3: on a map that attains p = 0 and p = 1, the stretched map is p again."""
    p = np.concatenate([[0.0, 1.0], np.random.default_rng(8).random(98)])
    f = (1 - 0.3) * p + 0.15
    assert (f - f.min()) / (f.max() - f.min()) == pytest.approx(p)


@pytest.mark.parametrize("value", [0.6, 0.8])
def test_float32_arithmetic_picks_the_wrong_bin(value):
    """docs/protocol.md section 2: why right-closed bins are decided in exact arithmetic."""
    confidence = np.float32(value)
    exact = math.ceil(Fraction(float(confidence)) * 10)
    assert exact == round(value * 10) + 1, "the float32 number lies above the edge"
    assert math.ceil(confidence * np.float32(10)) == exact - 1
