"""Label perturbation (SLP, ASLP, ALS, label smoothing) in float64 computations (docs/theory.md, sections 1 to 3)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, truncnorm
from torch.nn import functional as F

from pipeline_src.errors import UserError
from pipeline_src.training import pixels
from pipeline_src.training.method import Batch, Validation
from pipeline_src.training.methods.slp import truncated_normal
from pipeline_src.training.perturbation import expected, perturbed
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


def make_batch(epoch: int = 1, n: int = N) -> Batch:
    return Batch(np.arange(n), [f"set/{i}" for i in range(n)], seed=3, epoch=epoch)


def labels(classes: int, void: bool = False) -> torch.Tensor:
    """One plane of 0 and 1 for two classes, else K planes; float64."""
    ids = torch.from_numpy(np.random.default_rng(0).integers(0, classes, (N, 4, 5)))
    if classes == 2:
        return ids[:, None].double()
    y = F.one_hot(ids, classes).permute(0, 3, 1, 2).double()
    return torch.where(ids[:, None] == 1, 0.0, y) if void else y


def logits(classes: int) -> torch.Tensor:
    shape = (N, 1 if classes == 2 else classes, 4, 5)
    return torch.from_numpy(np.random.default_rng(1).normal(0, 3, shape))


# Labels and losses


@pytest.mark.parametrize(("beta", "values"), [(1.0, [0, 1]), (0.75, [0.25, 0.75]), (0.5, [0.5, 0.5]), (2.0, [-1, 2])])
def test_perturbed_labels_of_foreground_and_background(beta, values):
    """The table of docs/theory.md section 1: HI, SI, M, and the released default, whose targets leave [0, 1]."""
    assert perturbed(torch.tensor([1.0, 0.0]).view(1, 1, 1, 2), beta).flatten().tolist() == values


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


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("name", [*SAME_S, "slp-DM"])
def test_the_expected_loss_is_a_mix_of_label_and_uniform_label(name, classes):
    """(1 - s) L(y) + s L(U), s = alpha beta K / (K - 1), for every form; the mean is over many keyed draws."""
    block = SAME_S.get(name, {"alpha": S, "beta": 0.5, "noise": 0.25})
    method, y = started(name, classes=classes, **block), labels(classes)
    z = logits(classes) + 4 * y - 2 * (classes == 2)  # the network agrees with the labels
    losses = np.array([float(method.loss(z, method.targets(y, make_batch(epoch)))) for epoch in range(600)])
    uniform = torch.full_like(y, 1 / classes)
    s = S if name == "label_smoothing" else S / 2 * classes / (classes - 1)
    mix = (1 - s) * float(method.loss(z, y)) + s * float(method.loss(z, uniform))
    error = losses.std() / np.sqrt(len(losses))
    assert abs(losses.mean() - mix) < 4 * error + 1e-9
    assert (error < 1e-12) == (name == "label_smoothing")


@pytest.mark.parametrize("classes", [2, 5])
def test_no_perturbation_gives_the_labels_themselves(classes):
    """Bit-identical: alpha = 0 is the baseline."""
    y = labels(classes).float()
    blocks = {"slp": {"alpha": 0.0}, "label_smoothing": {"eps": 0.0}}
    for name, block in (blocks | {key: {} for key in ("als", "aslp_mc", "aslp_mei", "aslp_cl")}).items():
        assert torch.equal(started(name, classes=classes, **block).targets(y, make_batch()), y)


@pytest.mark.parametrize("classes", [3, 11])
def test_the_labels_class_stays_on_top_up_to_the_clip(classes):
    y = labels(classes)
    for beta in (0.5, 1.0, 2.0):
        method = started("aslp_mc", classes=classes, beta=beta)
        assert method.highest == pytest.approx(min(1, (classes - 1) / (classes * beta)) - 0.01)  # a probability
        t = expected(y, beta, np.full(N, method.highest))
        assert torch.equal(t.argmax(1), y.argmax(1))
        assert torch.allclose(t.amax(1), torch.tensor(1 - method.shortfall(method.highest)).double())


def test_ignored_pixels_change_nothing():
    y, z = labels(4, void=True), logits(4)
    other = torch.where((y.sum(1, keepdim=True) == 0), torch.randn(z.shape).double() * 50, z)
    method = started("slp", classes=4, alpha=0.4, beta=1.0)
    t = method.targets(y, make_batch())
    assert torch.equal(t.sum(1) > 0.5, y.sum(1) > 0.5)
    assert float(method.loss(z, t)) == float(method.loss(other, t))
    assert torch.equal(pixels.mean_margin(z, y), pixels.mean_margin(other, y))
    nothing = torch.zeros_like(y)
    assert float(method.loss(z, nothing)) == 0
    assert (pixels.mean_margin(z, nothing) == 0).all()


@pytest.mark.parametrize("classes", [2, 5])
def test_the_margin_is_the_distance_to_the_uniform_loss(classes):
    """K / (K - 1) (L(U) - L(y)) with clamped probabilities, for soft labels and ignored pixels too."""
    y, z = labels(classes, void=True), logits(classes) * 6  # probabilities reach the clamp
    y = 0.8 * y + 0.1 if classes == 2 else y
    planes, two = pixels.planes(y).numpy(), pixels.class_logits(z).numpy()
    f = np.exp(two - two.max(1, keepdims=True))
    log_f = np.log(np.clip(f / f.sum(1, keepdims=True), 1e-7, 1 - 1e-7))
    for i, m in enumerate(pixels.mean_margin(z, y).numpy()):
        valid = planes[i].sum(0) > 0
        right = -(planes[i] * log_f[i]).sum(0)[valid].mean()
        uniform = -log_f[i].mean(0)[valid].mean()
        assert m == pytest.approx(classes / (classes - 1) * (uniform - right), rel=1e-4)


@pytest.mark.parametrize("classes", [2, 5])
def test_raising_alpha_is_ascent_on_the_expected_loss(classes):
    """docs/theory.md section 3.3: its slope in alpha_i is beta m_i, of an image by itself."""
    y, z, beta, step = labels(classes)[:1], logits(classes)[:1], 0.75, 1e-4
    losses = [float(pixels.cross_entropy(z, expected(y, beta, np.array([0.2 + h])))) for h in (-step, step)]
    slope = (losses[1] - losses[0]) / (2 * step)
    margin = (
        classes
        / (classes - 1)
        * float(pixels.cross_entropy(z, torch.full_like(y, 1 / classes)) - pixels.cross_entropy(z, y))
    )
    assert slope == pytest.approx(beta * margin, rel=1e-6)


def test_the_entropy_of_the_optimum_rises_with_s():
    """docs/theory.md section 3.3: the expected loss of a foreground pixel is least at 1 - s/2."""
    f = np.linspace(0.0005, 0.9995, 1000)
    entropies = []
    for s in (0.1, 0.3, 0.5, 0.9):
        best = f[np.argmin(-(1 - s / 2) * np.log(f) - s / 2 * np.log(1 - f))]
        assert best == pytest.approx(1 - s / 2, abs=1e-3)
        assert best > 0.5
        entropies.append(-best * np.log(best) - (1 - best) * np.log(1 - best))
    assert entropies == sorted(entropies)


# Draws


def test_slp_perturbs_whole_masks_of_the_drawn_images_only():
    y, drawn = labels(2), make_batch().uniform("Z") < 0.4
    t = started("slp", alpha=0.4, beta=1.0).targets(y, make_batch())
    assert 0 < drawn.sum() < N
    assert all(torch.equal(t[i], 1 - y[i] if drawn[i] else y[i]) for i in range(N))
    share = (make_batch(n=20_000).uniform("Z") < 0.05).mean()
    assert abs(share - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 20_000)


def test_dynamic_moderation_moves_every_pixel_within_its_bound():
    method, y = started("slp", alpha=0.9, beta=0.5, noise=0.25), labels(2)
    t = method.targets(y, make_batch())
    assert torch.equal(t, method.targets(y, make_batch())), "the noise is keyed"
    drawn = make_batch().uniform("Z") < 0.9
    assert torch.equal(t[~drawn], y[~drawn])
    noise = (t[drawn] - 0.5).numpy()
    assert np.abs(noise).max() <= 0.25
    assert len(np.unique(noise)) == noise.size
    single = method.targets(y[2:3], Batch(np.array([2]), ["set/2"], 3, 1))
    assert torch.equal(single, t[2:3]), "an image's noise does not depend on its batch"
    values = truncated_normal(np.random.default_rng(0), 0.25, (50_000,))
    assert kstest(values, truncnorm(-0.25, 0.25).cdf).pvalue > 0.01


# Learned levels


def updated(alpha: np.ndarray, m: np.ndarray, beta: float, reg: np.ndarray | float) -> np.ndarray:
    """A step of the released rule with its eta and lambda, image by image."""
    raised = alpha + 0.002 * (m / beta + 2000 * reg)
    cap = 1 / (2 * beta)
    return np.array([0.0 if a < 0 else cap - 0.01 if a >= cap else a for a in raised])


@pytest.mark.parametrize("beta", [0.5, 0.75, 1.0, 2.0])
def test_the_update_of_mc(beta):
    method = started("aslp_mc", beta=beta)
    method.after_validation(Validation(0.93, 0.93), 5)
    rng, alpha, low = np.random.default_rng(1), np.zeros(N), False
    for epoch in range(6, 60):
        index, m = rng.permutation(N)[:5], rng.normal(4, 30, 5)  # wide: both clips are reached
        room = (1 - 0.93) - beta * alpha[index]
        alpha[index] = updated(alpha[index], m, beta, np.minimum(0, room))
        method.after_step(m, index, epoch)
        assert np.allclose(method.alphas, alpha, atol=1e-12)
        low |= bool((alpha[index] == 0).any())
    assert low and (method.alphas < 1 / (2 * beta)).all()


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_the_update_of_mei(beta):
    """One Reg for all images, alpha 0 through start_epoch, accuracies below and at the best so far."""
    method, rng, alpha = started("aslp_mei", beta=beta), np.random.default_rng(6), np.zeros(N)
    best = reg = 0.0
    for epoch in range(1, 60):
        m, index = rng.normal(50, 90, 5), rng.permutation(N)[:5]
        method.after_step(m, index, epoch)
        if epoch > 5:
            alpha[index] = updated(alpha[index], m, beta, reg)
        assert np.allclose(method.alphas, alpha, atol=1e-12)
        accuracy = 0.9 + 0.02 * rng.random()
        method.after_validation(Validation(accuracy, 0.95), epoch)
        best = max(best, accuracy)
        reg = min(0.0, accuracy - best)
    assert alpha.any()


def test_the_update_of_als():
    """Section 3.4: beta_i <- clip(beta_i + eta (m_i + lam min(0, (1 - A) - beta_i))), and its labels."""
    method, rng, beta, y = started("als"), np.random.default_rng(4), np.zeros(N), labels(2)
    method.after_validation(Validation(0.92, 0.95), 5)
    for epoch in range(6, 40):
        m = rng.normal(4, 20, N)
        beta = updated(beta, m, 1.0, np.minimum(0, (1 - 0.92) - beta))
        method.after_step(m, np.arange(N), epoch)
        assert np.allclose(method.alphas, beta)
        strength = torch.from_numpy(beta).view(-1, 1, 1, 1)
        assert torch.allclose(method.targets(y, make_batch(epoch)), (1 - 2 * strength) * y + strength)
    with pytest.raises(UserError, match="beta"):
        choose("als", {"beta": 0.5})


@pytest.mark.parametrize(
    ("theta_lm", "regs"), [("baseline", [0, -0.01, 0, -0.006]), ("last_epoch", [0, 0, -0.005, -0.001])]
)
def test_mei_reads_the_accuracy_of_theta_lm(theta_lm, regs):
    method = choose("aslp_mei", {"theta_lm": theta_lm}).method
    method.start(N, {"baseline": [0.90, 0.93, 0.91, 0.92]})
    for epoch, (accuracy, reg) in enumerate(zip([0.90, 0.92, 0.915, 0.914], regs, strict=True), 1):
        method.after_validation(Validation(accuracy, accuracy), epoch)
        assert method.reg(np.zeros(3)) == pytest.approx(reg)


@pytest.mark.parametrize(
    ("theta_lm", "references"),
    [
        ("current", [0.90, 0.92, 0.915, 0.914]),
        ("best_so_far", [0.90, 0.92, 0.92, 0.92]),
        ("last_epoch", [0.90, 0.90, 0.92, 0.915]),
        ("baseline", [0.91, 0.93, 0.90, 0.92]),
    ],
)
@pytest.mark.parametrize("name", ["aslp_mc", "als"])
def test_mc_reads_the_accuracy_of_theta_lm(name, theta_lm, references):
    """Reg_i = min(0, (1 - A(theta_lm)) - beta alpha_i), with an image on either side of it."""
    method = choose(name, {"theta_lm": theta_lm}).method
    assert method.references() == (["baseline"] if theta_lm == "baseline" else [])
    method.start(N, {"baseline": [0.91, 0.93, 0.90, 0.92]})
    for epoch, (accuracy, reference) in enumerate(zip([0.90, 0.92, 0.915, 0.914], references, strict=True), 1):
        method.after_validation(Validation(accuracy, accuracy), epoch)
        assert method.reg(np.array([0.01, 0.2])).tolist() == pytest.approx([0, 1 - reference - 0.2])


def test_mc_takes_the_current_network_unless_told_otherwise():
    assert choose("aslp_mc", {}).method.theta_lm == "current"
    assert choose("aslp_mei", {}).method.theta_lm == "best_so_far"


@pytest.mark.parametrize("beta", [0.4, 0.75, 1.0, 2.0])
def test_the_rule_oscillates_above_one_half_and_settles_below(beta):
    """docs/theory.md section 4: one image with m = 4 and A = 0.94 held constant."""
    method = started("aslp_mc", n=1, beta=beta)
    method.after_validation(Validation(0.94, 0.97), 5)
    s = []
    for epoch in range(6, 506):
        method.after_step(np.array([4.0]), np.array([0]), epoch)
        s.append(2 * beta * float(method.alphas[0]))
    s, k, step = np.array(s[100:]), 0.002 * 2000 * beta, 2 * 0.002 * 4
    if k < 2:
        assert np.allclose(s, 0.12 + 2 * 4 / (2000 * beta))
    else:
        assert s.std() > step / 4
        assert s.min() >= max(0.0, 0.12 - step * (k - 2)) - 1e-9 and s.max() <= 0.12 + step + 1e-9


# Entries of params.yaml


@pytest.mark.parametrize(
    ("name", "block", "shown"),
    [
        ("slq", {}, "'slp'"),
        ("slp", {"alfa": 1}, "'alpha'"),
        ("slp", {"alpha": 0.5, "beta": 1.0}, r"1 / \(2 beta\)"),
        ("aslp_mei", {"theta_lm": "x"}, "best_so_far"),
        ("aslp_cl", {"lam": 2000}, "overshoots"),
        ("mine", {"method": "slq"}, "'slp'"),
    ],
)
def test_wrong_entries_are_refused(name, block, shown):
    with pytest.raises(UserError, match=rf"methods\.{name}[\s\S]*{shown}"):
        choose(name, block)
