"""The callbacks of the methods, against independent float64 computations (docs/theory.md sections 2 and 3)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline_src.errors import UserError
from pipeline_src.training.method import Batch, Validation, perturbed
from pipeline_src.training.registry import choose

N = 12
BATCH = Batch(np.arange(N), [f"set/{i}" for i in range(N)], seed=3, epoch=4)


def started(name: str, n: int = N, **parameters):
    method = choose(name, parameters).method
    method.start(n, {}, 2)
    return method


def labels(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 2, (N, 1, 5, 7))).float()


def test_baseline_trains_towards_the_labels():
    y = labels()
    z = torch.randn(y.shape)
    method = started("baseline")
    assert method.targets(y, BATCH) is y
    f = torch.sigmoid(z.double())
    expected = -(y * f.log() + (1 - y) * (1 - f).log()).mean()
    assert float(method.loss(z, y)) == pytest.approx(float(expected), rel=1e-6)
    assert method.alphas is None


@pytest.mark.parametrize(
    ("beta", "expected"), [(1.0, (0.0, 1.0)), (0.75, (0.25, 0.75)), (0.5, (0.5, 0.5)), (2.0, (-1.0, 2.0))]
)
def test_perturbed_label_of_foreground_and_background(beta, expected):
    """The table of docs/theory.md section 1: HI, SI, M, and the released default, whose targets leave [0, 1]."""
    y = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    assert perturbed(y, beta).flatten().tolist() == list(expected)


def test_slp_perturbs_whole_masks_of_the_drawn_images_only():
    method = started("slp", alpha=0.4, beta=1.0)
    y = labels()
    t = method.targets(y, BATCH)
    drawn = BATCH.uniform("Z") < 0.4
    assert 0 < drawn.sum() < N
    for i in range(N):
        assert torch.equal(t[i], 1 - y[i] if drawn[i] else y[i])


def test_slp_draws_with_probability_alpha():
    n = 20_000
    batch = Batch(np.arange(n), [str(i) for i in range(n)], seed=0, epoch=1)
    share = (batch.uniform("Z") < 0.05).mean()
    assert abs(share - 0.05) < 4 * np.sqrt(0.05 * 0.95 / n)


def test_draws_depend_on_their_key_alone():
    reverse = Batch(BATCH.index[::-1], BATCH.ids[::-1], BATCH.seed, BATCH.epoch)
    assert np.array_equal(reverse.uniform("Z")[::-1], BATCH.uniform("Z"))
    assert not np.array_equal(Batch(BATCH.index, BATCH.ids, BATCH.seed, 5).uniform("Z"), BATCH.uniform("Z"))
    assert not np.array_equal(BATCH.uniform("other"), BATCH.uniform("Z"))


def test_the_mean_margin_is_the_gradient_of_the_loss_along_alpha():
    """-2 BCE(f, y) + 2 L(U) with clamped probabilities, for soft labels too."""
    rng = np.random.default_rng(5)
    y = rng.random((N, 1, 5, 7))
    z = rng.normal(0, 9, y.shape)
    f = np.clip(1 / (1 + np.exp(-z)), 1e-7, 1 - 1e-7)
    bce = -(y * np.log(f) + (1 - y) * np.log(1 - f))
    uniform = -0.5 * (np.log(f) + np.log(1 - f))
    expected = (-2 * bce + 2 * uniform).mean((1, 2, 3))
    m = started("aslp_mc").image_statistic(torch.from_numpy(z), torch.from_numpy(y))
    assert np.allclose(m.numpy(), expected, rtol=1e-5)


def reference_update(alpha, m, beta, eta, lam, reg):
    alpha = alpha + eta * (m / beta + lam * reg)
    out = []
    for a in alpha:
        if a < 0:
            a = 0.0
        elif a >= 1 / (2 * beta):
            a = 1 / (2 * beta) - 0.01
        out.append(a)
    return np.array(out)


@pytest.mark.parametrize("beta", [0.5, 0.75, 1.0, 2.0])
@pytest.mark.parametrize("variant", ["released", "divided"])
def test_mc_update(beta, variant):
    method = started("aslp_mc", beta=beta, variant=variant)
    method.after_validation(Validation(0.93, 0.93), 5)
    rng = np.random.default_rng(1)
    alpha = np.zeros(N)
    seen_low = False
    for epoch in range(6, 60):
        index = rng.permutation(N)[:5]
        m = rng.normal(4, 30, 5)  # wide, so that both clips are reached
        room = (1 - 0.93) - beta * alpha[index] if variant == "released" else (1 - 0.93) / beta - alpha[index]
        alpha[index] = reference_update(alpha[index], m, beta, 0.002, 2000.0, np.minimum(0, room))
        method.after_step(m, index, epoch)
        assert np.allclose(method.alphas, alpha, atol=1e-12)
        seen_low |= bool((alpha[index] == 0).any())
    assert seen_low
    assert (method.alphas < 1 / (2 * beta)).all()


def test_mei_against_the_baseline_of_the_same_epoch():
    method = choose("aslp_mei", {"theta_lm": "baseline"}).method
    assert method.references() == ["baseline"]
    method.start(N, {"baseline": [0.90, 0.94]})
    method.after_validation(Validation(0.91, 0.91), 1)
    assert method.reg(np.zeros(3)) == 0
    method.after_validation(Validation(0.93, 0.93), 2)
    assert method.reg(np.zeros(3)) == pytest.approx(-0.01)


def test_mei_against_the_epoch_before():
    method = started("aslp_mei", theta_lm="last_epoch")
    for epoch, accuracy, reg in [(1, 0.90, 0.0), (2, 0.92, 0.0), (3, 0.915, -0.005), (4, 0.914, -0.001)]:
        method.after_validation(Validation(accuracy, accuracy), epoch)
        assert method.reg(np.zeros(3)) == pytest.approx(reg)


@pytest.mark.parametrize(
    ("theta_lm", "marks"),
    [("current", [0.1, 0.08, 0.085]), ("best_so_far", [0.1, 0.08, 0.08]), ("baseline", [0.06, 0.05, 0.04])],
)
def test_mc_reads_the_accuracy_of_theta_lm(theta_lm, marks):
    method = choose("aslp_mc", {"theta_lm": theta_lm, "beta": 2.0}).method
    assert method.references() == (["baseline"] if theta_lm == "baseline" else [])
    method.start(N, {"baseline": [0.94, 0.95, 0.96]})
    for epoch, (accuracy, mark) in enumerate(zip([0.90, 0.92, 0.915], marks, strict=True), 1):
        method.after_validation(Validation(accuracy, accuracy), epoch)
        assert method.reg(np.array([mark / 2, mark / 2 + 0.01])) == pytest.approx([0, -0.02])


def test_grey_pixels_change_the_accuracy_and_not_the_gap():
    assert Validation(0.9275, 0.95, grey=0.0092).gap == pytest.approx(0.95 - 0.9367)


@pytest.mark.parametrize(
    ("name", "block", "words"),
    [
        ("slq", {}, ["no method 'slq'", "did you mean 'slp'"]),
        ("slp", {"alfa": 1}, ["alfa", "did you mean 'alpha'"]),
        ("slp", {"alpha": 0.5, "beta": 1.0}, ["1 / (2 beta)"]),
        ("aslp_mc", {"variant": "x"}, ["variant", "released"]),
        ("mine", {"file": "nowhere.py"}, ["nowhere.py", "no such file"]),
    ],
)
def test_wrong_blocks_are_refused(name, block, words):
    with pytest.raises(UserError) as error:
        choose(name, block)
    assert all(word in str(error.value) for word in words)


def test_a_variant_and_a_users_file(tmp_path):
    assert type(choose("slp_soft", {"method": "slp", "beta": 0.75}).method) is type(choose("slp", {}).method)
    file = tmp_path / "own.py"
    file.write_text(
        "from pipeline_src.training.method import Method\n\n\nclass Own(Method):\n    strength: float = 0.5\n"
    )
    chosen = choose("own", {"file": str(file), "strength": 0.25})
    assert chosen.method.strength == 0.25
    assert chosen.file == file
