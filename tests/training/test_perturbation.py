"""The perturbation family beyond its first forms: noise, expectation, K classes, label smoothing, the closed loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from pipeline_src.errors import UserError
from pipeline_src.training import pixels
from pipeline_src.training.method import Batch, Validation, expected, perturbed
from pipeline_src.training.methods.aslp_cl import projected
from pipeline_src.training.registry import choose

N = 8
S = 0.2  # of all forms that are compared: alpha beta = 0.1
SAME_S = {
    "label_smoothing": {"eps": S},
    "slp-M": {"alpha": S, "beta": 0.5},
    "slp-SI": {"alpha": S / 1.5, "beta": 0.75},
    "slp-HI": {"alpha": S / 2, "beta": 1.0},
    "slp-default": {"alpha": S / 4, "beta": 2.0},
}


def started(name: str, n: int = N, classes: int = 2, **parameters):
    method = choose(name.partition("-")[0], parameters).method
    method.start(n, {}, classes)
    return method


def batch(epoch: int, n: int = N) -> Batch:
    return Batch(np.arange(n), [f"set/{i}" for i in range(n)], seed=3, epoch=epoch)


def labels(classes: int, seed: int = 0, void: bool = False) -> torch.Tensor:
    """One plane of 0 and 1 for two classes, else K planes; float64."""
    ids = torch.from_numpy(np.random.default_rng(seed).integers(0, classes, (N, 4, 5)))
    if classes == 2:
        return ids[:, None].double()
    y = F.one_hot(ids, classes).permute(0, 3, 1, 2).double()
    return torch.where(ids[:, None] == 1, 0.0, y) if void else y


def logits(classes: int, seed: int = 1) -> torch.Tensor:
    shape = (N, 1 if classes == 2 else classes, 4, 5)
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 3, shape))


# --- SC-BCE and SC-CE


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("name", [*SAME_S, "slp-DM"])
def test_the_expected_loss_is_a_mix_of_label_and_uniform_label(name, classes):
    """(1 - s) L(y) + s L(U), s = alpha beta K / (K - 1), for every form; the mean is over many keyed draws."""
    block = SAME_S.get(name, {"alpha": S, "beta": 0.5, "noise": 0.25})
    method, y = started(name, classes=classes, **block), labels(classes)
    z = logits(classes) + 4 * y - 2 * (classes == 2)  # the network agrees with the labels
    losses = np.array([float(method.loss(z, method.targets(y, batch(epoch)))) for epoch in range(600)])
    uniform = torch.full_like(y, 1 / classes)
    s = S if name == "label_smoothing" else S / 2 * classes / (classes - 1)
    mix = (1 - s) * float(method.loss(z, y)) + s * float(method.loss(z, uniform))
    error = losses.std() / np.sqrt(len(losses))
    assert abs(losses.mean() - mix) < 4 * error + 1e-9
    assert (error < 1e-12) == (name == "label_smoothing")


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 5])
def test_gradient_noise_grows_with_beta(classes):
    """LS (none) < M < SI < HI < the released default, and the values of docs/theory.md section 2.2 for one logit."""
    variances = {}
    for name, block in SAME_S.items():
        method, y = started(name, classes=classes, **block), labels(classes)
        z = logits(classes).requires_grad_()
        gradients = []
        for epoch in range(800):
            (g,) = torch.autograd.grad(method.loss(z, method.targets(y, batch(epoch))) * z.numel(), z)
            gradients.append(g.numpy())
        variances[name] = float(np.var(gradients, axis=0).mean())
    assert variances["label_smoothing"] < 1e-20
    assert sorted(variances, key=variances.get) == list(SAME_S)
    if classes == 2:
        for name, block in list(SAME_S.items())[1:]:
            assert variances[name] == pytest.approx(S / 4 * (2 * block["beta"] - S), rel=0.1)


def test_two_logits_are_one_logit():
    """SC-CE at K = 2 with the logits (0, z) is SC-BCE: label, loss, margin, and the shortfall that MC holds."""
    y, z = labels(2), logits(2)
    two_y, two_z = pixels.planes(y), pixels.class_logits(z)
    for beta in (0.5, 1.0, 2.0):
        assert torch.allclose(pixels.planes(perturbed(y, beta)), perturbed(two_y, beta))
        assert torch.allclose(
            pixels.cross_entropy(z, perturbed(y, beta)), pixels.cross_entropy(two_z, perturbed(two_y, beta))
        )
    assert torch.allclose(pixels.mean_margin(z, y), pixels.mean_margin(two_z, two_y), atol=1e-5)
    assert started("aslp_mc", beta=1.5).shortfall(np.array([0.1])) == pytest.approx(0.15)


@pytest.mark.parametrize("classes", [3, 11])
def test_the_true_class_stays_on_top_up_to_the_clip(classes):
    y = labels(classes)
    for beta in (0.5, 1.0, 2.0):
        alpha = started("aslp_mc", classes=classes, beta=beta).highest
        assert alpha == pytest.approx((classes - 1) / (classes * beta) - 0.01)
        t = expected(y, beta, np.full(N, alpha))
        assert torch.equal(t.argmax(1), y.argmax(1))
        assert torch.allclose(t.sum(1), torch.ones(()).double())
        short = started("aslp_mc", classes=classes, beta=beta).shortfall(np.array([alpha]))
        assert torch.allclose(t.amax(1), torch.tensor(1 - short.item()).double())


def test_ignored_pixels_change_nothing():
    y, z = labels(4, void=True), logits(4)
    other = torch.where((y.sum(1, keepdim=True) == 0), torch.randn(z.shape).double() * 50, z)
    method = started("slp", classes=4, alpha=0.4, beta=1.0)
    t = method.targets(y, batch(1))
    assert torch.equal(t.sum(1) > 0.5, y.sum(1) > 0.5)
    assert float(method.loss(z, t)) == float(method.loss(other, t))
    assert torch.equal(pixels.mean_margin(z, y), pixels.mean_margin(other, y))
    nothing = torch.zeros_like(y)
    assert float(method.loss(z, nothing)) == 0
    assert (pixels.mean_margin(z, nothing) == 0).all()


def test_perturbed_labels_of_three_classes():
    """(1 - beta) on the label's class and beta / 2 on both others; an ignored pixel stays so."""
    y = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]]).T.view(1, 3, 1, 3)
    for beta, right, other in [(1.0, 0.0, 0.5), (0.5, 0.5, 0.25), (2.0, -1.0, 1.0)]:
        rows = [[right, other, other], [other, right, other], [0, 0, 0]]
        assert perturbed(y, beta)[0, :, 0].T.tolist() == rows
    assert started("label_smoothing", classes=3, eps=0.3).targets(y, batch(1))[0, :, 0, 0].tolist() == pytest.approx(
        [0.8, 0.1, 0.1]
    )


@settings(deadline=None)
@given(st.integers(2, 12), st.floats(0, 4), st.floats(0.05, 1), st.integers(0, 100))
def test_perturbed_labels_of_k_classes(classes, beta, alpha, seed):
    """They sum to 1, are an inversion at beta = 1, fall short of 1 by alpha beta in expectation, and for two classes
    are those of one logit."""
    ids = torch.from_numpy(np.random.default_rng(seed).integers(0, classes, (2, 3, 3)))
    y = F.one_hot(ids, classes).permute(0, 3, 1, 2).double()
    p = perturbed(y, beta)
    assert torch.allclose(p.sum(1), torch.ones(()).double())
    assert torch.equal(perturbed(y, 1.0), (1 - y) / (classes - 1))
    short = 1 - (expected(y, beta, np.full(2, alpha)) * y).sum(1)
    assert torch.allclose(short, torch.tensor(alpha * beta).double(), atol=1e-12)
    if classes == 2:
        assert torch.allclose(p[:, 1:], perturbed(y[:, 1:], beta))


def test_the_margin_is_the_distance_to_the_uniform_loss():
    y, z = labels(5, void=True).numpy(), logits(5).numpy() * 6  # so that probabilities reach the clamp
    f = np.exp(z - z.max(1, keepdims=True))
    log_f = np.log(np.clip(f / f.sum(1, keepdims=True), 1e-7, 1 - 1e-7))
    for i, m in enumerate(pixels.mean_margin(torch.from_numpy(z), torch.from_numpy(y)).numpy()):
        there = y[i].sum(0) > 0
        right = -(y[i] * log_f[i]).sum(0)[there].mean()
        uniform = -log_f[i].mean(0)[there].mean()
        assert m == pytest.approx(5 / 4 * (uniform - right), rel=1e-4)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_a_perturbed_label_raises_the_loss_by_beta_times_the_margin(classes, beta):
    """The slope of the expected loss along alpha."""
    y, z = labels(classes)[:1], logits(classes)[:1]
    raised = pixels.cross_entropy(z, perturbed(y, beta)) - pixels.cross_entropy(z, y)
    assert float(raised) == pytest.approx(beta * float(pixels.mean_margin(z, y)[0]), rel=1e-4)


@pytest.mark.parametrize("classes", [2, 5])
def test_no_perturbation_gives_the_labels_themselves(classes):
    """Bit for bit, so that alpha = 0 is the baseline."""
    y = labels(classes).float()
    blocks = {"slp": {"alpha": 0.0}, "slp-e": {"alpha": 0.0, "form": "expected"}, "label_smoothing": {"eps": 0.0}}
    for name in ("als", "aslp_mc", "aslp_mei", "aslp_cl"):
        blocks |= {name: {}}
    for name, block in blocks.items():
        assert torch.equal(started(name, classes=classes, **block).targets(y, batch(1)), y)


def test_the_expected_form_is_the_mean_of_the_drawn_one():
    y = labels(2)
    for beta in (0.5, 1.0, 2.0):
        level = np.linspace(0, 0.9 / (2 * beta), N)
        t = expected(y, beta, level)
        assert torch.allclose(t, (1 - 2 * beta * torch.from_numpy(level).view(-1, 1, 1, 1)) * (y - 0.5) + 0.5)


def test_dynamic_moderation_moves_every_pixel_within_its_bound():
    method, y = started("slp", alpha=0.9, beta=0.5, noise=0.25), labels(2)
    t, again = method.targets(y, batch(1)), method.targets(y, batch(1))
    assert torch.equal(t, again), "the noise is keyed"
    drawn = batch(1).uniform("Z") < 0.9
    assert torch.equal(t[~drawn], y[~drawn])
    noise = (t[drawn] - 0.5).numpy()
    assert np.abs(noise).max() <= 0.25
    assert len(np.unique(noise)) == noise.size
    single = method.targets(y[2:3], Batch(np.array([2]), ["set/2"], 3, 1))
    assert torch.equal(single, t[2:3]), "an image's noise does not depend on its batch"


def test_truncated_normal_noise_has_its_distribution():
    from scipy.stats import kstest, truncnorm

    from pipeline_src.training.methods.slp import truncated_normal

    values = truncated_normal(np.random.default_rng(0), 0.25, (50_000,))
    assert kstest(values, truncnorm(-0.25, 0.25).cdf).pvalue > 0.01


# --- learned levels


def test_als_learns_its_strength_by_its_own_rule():
    """Section 3.4 in float64: beta_i <- clip(beta_i + eta (m_i + lam min(0, (1 - A) - beta_i)))."""
    method, rng, beta = started("als"), np.random.default_rng(4), np.zeros(N)
    y = labels(2)
    method.after_validation(Validation(0.92, 0.95), 5)
    for epoch in range(6, 40):
        m = rng.normal(4, 20, N)
        beta = beta + 0.002 * (m + 2000 * np.minimum(0, (1 - 0.92) - beta))
        beta = np.where(beta < 0, 0, np.where(beta >= 0.5, 0.49, beta))
        method.after_step(m, np.arange(N), epoch)
        assert np.allclose(method.alphas, beta)
        t = method.targets(y, batch(epoch))
        smoothed = (1 - 2 * torch.from_numpy(beta).view(-1, 1, 1, 1)) * y + torch.from_numpy(beta).view(-1, 1, 1, 1)
        assert torch.allclose(t, smoothed)
    with pytest.raises(UserError, match="beta"):
        choose("als", {"beta": 0.5})


def test_mc_for_k_classes_holds_the_expected_labels_confidence():
    """Reg sets in where 1 - alpha beta falls below A."""
    method = started("aslp_mc", classes=4, beta=0.8)
    method.after_validation(Validation(0.88, 0.9), 5)
    mark = 0.12 / 0.8
    assert method.reg(np.array([mark - 1e-6])) == pytest.approx(0, abs=1e-12)
    assert method.reg(np.array([mark + 0.01])) == pytest.approx(-0.01 * 0.8)


# --- the closed loop (docs/theory.md section 7)


def loop(gap_of, epochs: int, n: int = 40, m=None, **parameters):
    """Marks, mean shortfalls and gaps by epoch of ASLP_CL on a network whose signed gap is gap_of(mean shortfall)."""
    method = choose("aslp_cl", {"start_epoch": 1} | parameters).method
    method.start(n, {})
    rng = np.random.default_rng(0)
    m = np.full(n, 4.0) if m is None else m
    path = []
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


@pytest.mark.parametrize("tau", [1, 2, 4])
@pytest.mark.parametrize("c0", [0.92, 0.95, 0.99])
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_the_loop_rests_where_confidence_equals_accuracy(c0, tau, beta):
    _, path = loop(Network(c0, tau), 120, beta=beta)
    start = c0 - 0.9
    assert np.abs(path[25:, 2]).max() < start / 10, "a tenth of the gap is left after 25 epochs"
    assert np.abs(path[-10:, 2]).max() < 1e-4 * start + 1e-6
    assert path[-1, 0] == pytest.approx((c0 - 0.9) / (2 * c0 - 1), rel=1e-3), "the s that section 6 asks for, / 2"
    assert path[-1, 1] == pytest.approx(path[-1, 0], rel=1e-6)


@pytest.mark.parametrize("tau", [1, 2, 4, 16])
@pytest.mark.parametrize("gain", [0.05, 0.3, 0.99])
def test_the_loop_is_stable_for_any_lag(tau, gain):
    _, path = loop(Network(0.97, tau), 3000, n=8, gain=gain)
    assert np.abs(path[-1, 2]) < 1e-6


def test_an_underconfident_network_is_left_alone_and_nothing_winds_up():
    gaps = iter([-0.03] * 50 + [0.02] * 2)
    method, path = loop(lambda b: next(gaps), 52)
    assert (path[:50, 1] == 0).all()
    assert path[50, 0] == pytest.approx(0.3 * 0.02)
    assert method.history_values()["mark"] == pytest.approx(2 * 0.3 * 0.02)


def test_the_mark_stays_below_one_half():
    method, path = loop(lambda b: 0.1, 60)
    assert path[-1, 0] == pytest.approx(0.49)
    assert (method.alphas < 0.5).all()


def test_images_differ_by_their_margin_around_the_mark():
    m = np.random.default_rng(2).normal(4, 1, 40)
    method, path = loop(Network(0.97, 2), 200, m=m, lam=100)
    assert method.alphas.mean() == pytest.approx(path[-1, 0], rel=1e-3)
    assert np.allclose(method.alphas, path[-1, 0] + (m - m.mean()) / 100, atol=1e-4)
    method, path = loop(Network(0.97, 2), 200, m=m, lam=100, beta=2.0)
    assert np.allclose(2 * method.alphas, path[-1, 0] + (m - m.mean()) / (100 * 2), atol=1e-4), "section 7: 1 / beta"


def test_the_mean_stays_on_the_mark_where_alphas_reach_zero():
    m = np.random.default_rng(2).normal(4, 4, 40)
    method, path = loop(Network(0.93, 2), 80, m=m)
    assert (method.alphas == 0).any(), "margins spread the alphas beyond 0"
    assert np.allclose(path[:, 0], path[:, 1], atol=1e-9), "mark and mean shortfall, after every epoch"
    assert abs(path[-1, 2]) < 1e-4


def test_an_under_confident_network_is_trained_as_the_baseline():
    """Half a point under-confident, with margins that spread: the mark stays 0, and so do all alphas."""
    m = np.random.default_rng(2).normal(4, 2, 40)
    method, path = loop(Network(0.895, 2), 60, m=m)
    assert (method.alphas == 0).all()
    assert (path[:, 2] == 0.895 - 0.9).all()


levels = st.lists(st.floats(-1, 1), min_size=1, max_size=30).map(np.array)


@settings(deadline=None)
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


def noisy_end(average: float, tau: float, gain: float = 0.3, drift: float = 0.0) -> float:
    """Root mean square of C - A after the last of 55 epochs without the last measurement's noise: 400 linear networks,
    gaps that are read with noise of 0.4 points and averaged exponentially with the weight `average` of the newest.
    Over-fitting raises the confidence without perturbation by `drift` an epoch."""
    rng, mark, c, mean = np.random.default_rng(0), np.zeros(400), np.full(400, 0.95), 0.0
    for epoch in range(55):
        free = 0.95 + drift * epoch
        c = c + (free - 2 * mark * (free - 0.5) - c) / tau
        mean = mean + average * (c - 0.93 + 0.004 * rng.normal(size=400) - mean)
        mark = np.clip(mark + gain * mean, 0, 0.49)
    return float(np.sqrt(np.mean((c - 0.93) ** 2)))


def test_averaging_the_gap_over_epochs_leaves_no_less_of_its_noise():
    """docs/theory.md section 7: the loop averages already; another average adds lag. A lower gain averages more."""
    plain, averaged = noisy_end(1.0, tau=2), noisy_end(0.3, tau=2)
    assert 0.0013 < plain < 0.0018
    assert averaged > 0.95 * plain
    assert noisy_end(0.3, tau=4) > 1.1 * noisy_end(1.0, tau=4)
    assert noisy_end(1.0, tau=2, gain=0.1) < 0.7 * plain
    assert noisy_end(1.0, tau=2, gain=0.1, drift=4e-4) > 1.5 * noisy_end(1.0, tau=2, drift=4e-4)


def test_a_pull_that_overshoots_is_refused():
    with pytest.raises(UserError, match="overshoots"):
        choose("aslp_cl", {"lam": 2000})


# --- the released rule, as it runs


@pytest.mark.parametrize("beta", [0.4, 0.75, 1.0, 2.0])
def test_the_rule_saws_above_one_half_and_settles_below(beta):
    """docs/theory.md section 5, in the method itself: one image with m = 4 and A = 0.94 held still."""
    method = choose("aslp_mc", {"beta": beta}).method
    method.start(1, {})
    method.after_validation(Validation(0.94, 0.97), 5)
    s = []
    for epoch in range(6, 506):
        method.after_step(np.array([4.0]), np.array([0]), epoch)
        s.append(2 * beta * float(method.alphas[0]))
    s, k, step = np.array(s[100:]), 0.002 * 2000 * beta, 2 * 0.002 * 4
    if k < 2:
        assert np.allclose(s, 0.12 + 2 * 4 / (2000 * beta))
    else:
        assert s.std() > step / 4, "it never settles"
        assert s.min() >= max(0.0, 0.12 - step * (k - 2)) - 1e-9 and s.max() <= 0.12 + step + 1e-9


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_meis_update_in_float64(beta):
    """One Reg for all images, both clips, alpha 0 through start_epoch; accuracies below and at the best so far."""
    method, rng, alpha, best = started("aslp_mei", beta=beta), np.random.default_rng(6), np.zeros(N), 0.0
    low = high = reg = 0
    for epoch in range(1, 60):
        m, index = rng.normal(50, 90, 5), rng.permutation(N)[:5]
        method.after_step(m, index, epoch)
        if epoch > 5:
            for i, of_image in zip(index, m, strict=True):
                raised = alpha[i] + 0.002 * (of_image / beta + 2000 * reg)
                high += raised >= 1 / (2 * beta)
                low += raised < 0
                alpha[i] = 0 if raised < 0 else 1 / (2 * beta) - 0.01 if raised >= 1 / (2 * beta) else raised
        assert np.allclose(method.alphas, alpha, atol=1e-12)
        accuracy = 0.9 + 0.02 * rng.random()
        method.after_validation(Validation(accuracy, 0.95), epoch)
        best = max(best, accuracy)
        reg = min(0.0, accuracy - best)
    assert low and high


def test_the_control_gives_each_image_the_alpha_of_another():
    """The same alphas as ASLP_CL's from the same margins; the labels get them in another order, drawn once."""
    control, plain = (started(name, n=50, start_epoch=1) for name in ("aslp_cl_permuted", "aslp_cl"))
    margins = np.random.default_rng(0).uniform(0, 9, 50)
    for method in (control, plain):
        method.after_validation(Validation(0.9, 0.97), 1)
        method.after_step(margins, np.arange(50), 2)
    assert np.array_equal(control.alphas, plain.alphas) and len(set(plain.alphas)) == 50
    taken = control.levels(batch(2, 50))
    assert sorted(taken) == sorted(plain.alphas)
    assert np.mean(taken == plain.alphas) < 0.2
    assert np.array_equal(control.levels(Batch(np.array([7, 3]), ["a", "b"], 0, 2)), taken[[7, 3]])
    again = started("aslp_cl_permuted", n=50, start_epoch=1)
    again.restore(control.state())
    assert np.array_equal(again.levels(batch(2, 50)), taken)


# --- ASLP_CL by groups


def test_drawn_images_become_their_largest_square_of_background():
    from pipeline_src.training.methods.aslp_groups import with_null_images

    x, y = torch.rand(4, 3, 16, 16), torch.zeros(4, 1, 16, 16)
    x[0, :, :, :9], y[0, :, :, 9:] = 0.5, 1  # a square of 9 px on the left, of one colour
    y[1:3] = 1  # no room
    y[2, 0, 5, 5] = 0  # for a pixel alone, of which an image would be one colour
    new_x, new_y, replaced = with_null_images(x, y, np.array([True, True, True, False]))
    assert replaced.tolist() == [True, False, False, False]
    assert (new_x[0] == 0.5).all() and not new_y[0].any()
    assert torch.equal(new_x[1:], x[1:]) and torch.equal(new_y[1:], y[1:])
    assert y[0].any(), "the images that came stay as they are"


def test_groups_have_marks_of_their_own():
    """Null images are perturbed at their mark's level, and leave the photographs' levels alone."""
    method = started("aslp_groups", n=4, start_epoch=1, beta=2.0, null_images=0.5)
    batch = Batch(np.arange(4), ["a", "b", "c", "d"], 0, 2)
    method.after_validation(Validation(0.9, 0.93, null=Validation(0.95, 0.99)), 1)
    assert method.history_values() == pytest.approx({"mark": 0.3 * 0.03, "null_mark": 0.3 * 0.04})
    method._replaced = np.array([True, False, False, True])
    levels = method.levels(batch)
    assert levels[[0, 3]] == pytest.approx(0.3 * 0.04 / 2) and levels[[1, 2]] == pytest.approx(0.3 * 0.03 / 2)
    m = method.image_statistic(torch.full((4, 1, 2, 2), 3.0), torch.ones(4, 1, 2, 2)).double().numpy()
    assert np.isnan(m).tolist() == [True, False, False, True] and m[1] == 3
    before = method.alphas.copy()
    method.after_step(np.array([np.nan, 5.0, 1.0, np.nan]), np.arange(4), 2)
    assert method.alphas[1] > before[1] > method.alphas[2]
    assert method.beta * method.alphas.mean() == pytest.approx(0.3 * 0.03)


def test_without_perturbation_null_images_keep_their_labels():
    method = started("aslp_groups", n=2, start_epoch=1000)
    method.after_validation(Validation(0.9, 0.93, null=Validation(0.95, 0.99)), 999)
    method._replaced = np.array([True, False])
    y = torch.zeros(2, 1, 2, 2)
    assert torch.equal(method.targets(y, Batch(np.arange(2), ["a", "b"], 0, 1000)), y)


def test_groups_are_of_two_classes():
    with pytest.raises(UserError, match="take aslp_cl"):
        started("aslp_groups", classes=3)
