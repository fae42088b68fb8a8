"""ASLP_CL, its control and its groups: the loop rests where confidence equals accuracy (docs/theory.md section 6)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline_src.data.null_images import largest_square
from pipeline_src.training.method import Batch, Validation
from pipeline_src.training.methods.aslp_cl import projected
from pipeline_src.training.methods.aslp_groups import with_null_images
from pipeline_src.training.registry import choose


def loop(gap_of, epochs: int, n: int = 40, m=None, **parameters):
    """ASLP_CL on a network whose signed gap is gap_of(mean shortfall); by epoch its target levels, mean shortfalls and
    gaps."""
    method = choose("aslp_cl", {"start_epoch": 1} | parameters).method
    method.start(n, {})
    rng, path = np.random.default_rng(0), []
    m = np.full(n, 4.0) if m is None else m
    for epoch in range(1, epochs + 1):
        for index in rng.permutation(n).reshape(-1, 8):
            method.after_step(m[index], index, epoch)
        gap = gap_of(float(method.shortfall(method.alphas).mean()))
        method.after_validation(Validation(0.9, 0.9 + gap), epoch)
        path.append((method.history_values()["mark"], float(method.shortfall(method.alphas).mean()), gap))
    return method, np.array(path)


class Network:
    """Confidence c0 without perturbation, drawn towards 1/2 by s = 2 b, with a lag of tau epochs; accuracy 0.9."""

    def __init__(self, c0: float, tau: float):
        self.c0, self.tau, self.c = c0, tau, c0

    def __call__(self, b: float) -> float:
        self.c += (self.c0 - 2 * b * (self.c0 - 0.5) - self.c) / self.tau
        return self.c - 0.9


@pytest.mark.parametrize("tau", [1, 4])
@pytest.mark.parametrize("c0", [0.92, 0.99])
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_the_loop_rests_where_confidence_equals_accuracy(c0, tau, beta):
    _, path = loop(Network(c0, tau), 120, beta=beta)
    start = c0 - 0.9
    assert np.abs(path[25:, 2]).max() < start / 10, "a tenth of the gap is left after 25 epochs"
    assert np.abs(path[-10:, 2]).max() < 1e-4 * start + 1e-6
    assert path[-1, 0] == pytest.approx((c0 - 0.9) / (2 * c0 - 1), rel=1e-3), "half of the s of section 6"
    assert path[-1, 1] == pytest.approx(path[-1, 0], rel=1e-6)


@pytest.mark.parametrize("tau", [1, 2, 16])
@pytest.mark.parametrize("gain", [0.05, 0.3, 0.99])
def test_the_loop_is_stable_for_any_lag(tau, gain):
    _, path = loop(Network(0.97, tau), 3000, n=8, gain=gain)
    assert np.abs(path[-1, 2]) < 1e-6


def test_an_underconfident_network_is_not_perturbed_and_nothing_winds_up():
    gaps = iter([-0.03] * 50 + [0.02] * 2)
    margins = np.random.default_rng(2).normal(4, 2, 40)
    method, path = loop(lambda b: next(gaps), 52, m=margins)
    assert (path[:50, 1] == 0).all()
    assert path[50, 0] == pytest.approx(0.3 * 0.02)
    assert method.history_values()["mark"] == pytest.approx(2 * 0.3 * 0.02)


def test_the_target_level_stays_below_one_half():
    method, path = loop(lambda b: 0.1, 60)
    assert path[-1, 0] == pytest.approx(0.49)
    assert (method.alphas < 0.5).all()


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_images_differ_by_their_margin_around_the_target_level(beta):
    m = np.random.default_rng(2).normal(4, 1, 40)
    method, path = loop(Network(0.97, 2), 200, m=m, lam=100, beta=beta)
    assert np.allclose(beta * method.alphas, path[-1, 0] + (m - m.mean()) / (100 * beta), atol=1e-4)


def test_the_mean_stays_on_the_target_level_where_alphas_reach_zero():
    method, path = loop(Network(0.93, 2), 80, m=np.random.default_rng(2).normal(4, 4, 40))
    assert (method.alphas == 0).any()
    assert np.allclose(path[:, 0], path[:, 1], atol=1e-9), "after every epoch"
    assert abs(path[-1, 2]) < 1e-4


levels = st.lists(st.floats(-1, 1), min_size=1, max_size=30).map(np.array)


@given(levels, st.floats(0, 1), st.integers(0, 1000))
def test_the_projection_is_the_nearest_point_of_its_mean(alpha, share, seed):
    highest = 0.49
    near = projected(alpha, share * highest, highest)
    assert near.mean() == pytest.approx(share * highest, abs=1e-9)
    assert near.min() >= 0 and near.max() <= highest
    assert np.allclose(projected(near, share * highest, highest), near, atol=1e-9), "it stays where it is"
    assert (np.diff(near[np.argsort(alpha)]) >= 0).all(), "the order of the images is kept"
    # Towards any other point of the set the distance grows: (alpha - near) (other - near) <= 0.
    other = projected(np.random.default_rng(seed).normal(0, 1, len(alpha)), share * highest, highest)
    assert ((alpha - near) * (other - near)).sum() <= 1e-8
    assert not projected(alpha, 0.0, highest).any()


def test_the_control_gives_each_image_the_alpha_of_another():
    """The alphas of ASLP_CL from the same margins, in an order that is drawn once."""
    control, plain = (choose(name, {"start_epoch": 1}).method for name in ("aslp_cl_permuted", "aslp_cl"))
    for method in (control, plain):
        method.start(50, {})
        method.after_validation(Validation(0.9, 0.97), 1)
        method.after_step(np.random.default_rng(0).uniform(0, 9, 50), np.arange(50), 2)
    assert np.array_equal(control.alphas, plain.alphas) and len(set(plain.alphas)) == 50
    taken = control.levels(Batch(np.arange(50), [""] * 50, 0, 2))
    assert sorted(taken) == sorted(plain.alphas)
    assert np.mean(taken == plain.alphas) < 0.2
    assert np.array_equal(control.levels(Batch(np.array([7, 3]), ["a", "b"], 0, 2)), taken[[7, 3]])


# Groups


def test_the_largest_square():
    free = np.ones((6, 8), bool)
    free[2, 3] = free[0, 6] = False
    assert largest_square(free)[2] == 3
    assert largest_square(np.zeros((3, 3), bool))[2] == 0
    rng = np.random.default_rng(0)
    for _ in range(20):
        free = rng.random((7, 9)) < 0.8
        top, left, side = largest_square(free)
        assert free[top : top + side, left : left + side].all()
        more = side + 2  # it has a center, so that its side is odd
        larger = [free[y : y + more, x : x + more].all() for y in range(8 - more) for x in range(10 - more)]
        assert not any(larger)


def test_drawn_images_become_their_largest_square_of_background():
    x, y = torch.rand(4, 3, 16, 16), torch.zeros(4, 1, 16, 16)
    x[0, :, :, :9], y[0, :, :, 9:] = 0.5, 1  # a square of 9 px on the left, of one color
    y[1:3] = 1  # no room
    y[2, 0, 5, 5] = 0  # room for a single pixel
    new_x, new_y, replaced = with_null_images(x, y, np.array([True, True, True, False]))
    assert replaced.tolist() == [True, False, False, False]
    assert (new_x[0] == 0.5).all() and not new_y[0].any()
    assert torch.equal(new_x[1:], x[1:]) and torch.equal(new_y[1:], y[1:])
    assert y[0].any(), "the arguments are not changed"


def test_groups_have_their_own_target_levels():
    """Null images are perturbed at their target level, and do not move the levels of the other images."""
    method = choose("aslp_groups", {"start_epoch": 1, "beta": 2.0, "null_images": 0.5}).method
    method.start(4, {})
    method.after_validation(Validation(0.9, 0.93, null=Validation(0.95, 0.99)), 1)
    assert method.history_values() == pytest.approx({"mark": 0.3 * 0.03, "null_mark": 0.3 * 0.04})
    method._replaced = np.array([True, False, False, True])
    levels = method.levels(Batch(np.arange(4), ["a", "b", "c", "d"], 0, 2))
    assert levels[[0, 3]] == pytest.approx(0.3 * 0.04 / 2) and levels[[1, 2]] == pytest.approx(0.3 * 0.03 / 2)
    before = method.alphas.copy()
    method.after_step(np.array([99.0, 5.0, 1.0, -99.0]), np.arange(4), 2)
    assert method.alphas[1] > before[1] > method.alphas[2] and method.alphas[0] == method.alphas[3]
    assert method.beta * method.alphas.mean() == pytest.approx(0.3 * 0.03)
