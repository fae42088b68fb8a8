"""SC-BCE and ASLP as losses of anybody's loop: the pipeline's formulas, and the rule step by step."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pipeline_src.api import ASLP, SCBCE, UserError

GENERATOR = torch.Generator().manual_seed(0)
Z = torch.randn(4, 1, 6, 7, generator=GENERATOR)
Y = torch.randint(0, 2, (4, 6, 7), generator=GENERATOR)
ZK = torch.randn(4, 5, 6, 7, generator=GENERATOR)
YK = torch.randint(0, 5, (4, 6, 7), generator=GENERATOR)


def test_without_perturbation_it_is_cross_entropy():
    assert torch.equal(SCBCE(0)(Z, Y), F.binary_cross_entropy_with_logits(Z, Y[:, None].float()))
    assert SCBCE(0, classes=5)(ZK, YK) == pytest.approx(F.cross_entropy(ZK, YK).item(), rel=1e-6)


def test_every_draw_is_a_mix_of_labels_and_inverted_labels():
    """beta = 1: an image's label or its inversion; the mean over draws follows alpha."""
    torch.manual_seed(0)
    losses = [F.binary_cross_entropy_with_logits(Z[:1], target[:1, None].float()).item() for target in (Y, 1 - Y)]
    drawn = np.array([SCBCE(0.3)(Z[:1], Y[:1]).item() for _ in range(1000)])
    perturbed = np.isclose(drawn, losses[1], rtol=1e-5)
    assert (perturbed | np.isclose(drawn, losses[0], rtol=1e-5)).all()
    assert abs(perturbed.mean() - 0.3) < 5 * np.sqrt(0.21 / 1000)


@pytest.mark.parametrize(("z", "y", "classes"), [(Z, Y, 2), (ZK, YK, 5)])
def test_ignored_pixels_have_no_part(z, y, classes):
    some = y.clone()
    some[:, :2] = 255
    expected = SCBCE(0.0, classes=classes)
    assert expected(z, some).item() == pytest.approx(expected(z[:, :, 2:], y[:, 2:]).item(), rel=1e-5)
    loud = z.clone()
    loud[:, :, :2] += 100
    loud.requires_grad_()
    loss = expected(loud, some)
    loss.backward()
    assert loss.item() == pytest.approx(expected(z, some).item(), rel=1e-5) and not loud.grad[:, :, :2].any()


@pytest.mark.parametrize("z", [Z, torch.cat([0 * Z, Z], 1)], ids=["one logit", "two planes"])
def test_labels_of_0_and_255_are_taken_only_if_255_is_said_to_be_ignored(z):
    labels = torch.where(Y == 1, 255, 0)
    for loss, index in ((SCBCE, ()), (lambda **said: ASLP(4, **said), (range(4),))):
        with pytest.raises(UserError, match="255 may be it"):
            loss()(z, labels, *index)
        assert loss()(z, 0 * Y, *index).isfinite()  # images without an object
        assert loss(ignore=255)(z, labels, *index).isfinite()
    of_background = F.softplus(Z[:, 0])[Y == 0].mean().item()
    assert SCBCE(0, ignore=255)(z, labels).item() == pytest.approx(of_background, rel=1e-5)


def test_levels_follow_the_rule():
    """alpha + eta (m / beta + lam min(0, (1 - A) - beta alpha)), m = mean (2y - 1) z, from the second epoch on."""
    criterion = ASLP(images=6, rule="mc", start_epoch=1, eta=0.01, lam=50, beta=0.5)
    m, index = np.arange(1, 5), torch.tensor([5, 0, 2, 3])
    z = torch.tensor(m)[:, None, None, None] * (2 * Y[:, None].float() - 1)
    criterion(z, Y, index)
    assert not criterion.alphas.any()
    criterion.end_epoch(accuracy=0.98)
    criterion(z, Y, index)
    first = 0.01 * m / 0.5
    assert criterion.alphas[index] == pytest.approx(first) and criterion.alphas[[1, 4]].sum() == 0
    criterion(z, Y, index)
    second = first + 0.01 * (m / 0.5 + 50 * np.minimum(0, 0.02 - 0.5 * first))
    assert criterion.alphas[index] == pytest.approx(second)
    criterion.eval()
    criterion(z, Y, index)
    assert criterion.alphas[index] == pytest.approx(second)


def test_the_closed_loop_takes_the_gap():
    criterion = ASLP(images=4, rule="cl", start_epoch=1)
    criterion.end_epoch(accuracy=0.8, gap=0.1)
    assert criterion.alphas.mean() == pytest.approx(0.03)  # gain 0.3 times the gap, beta 1
    with pytest.raises(UserError, match="gap"):
        criterion.end_epoch(accuracy=0.8)
    for gap in (4.6, float("nan")):
        with pytest.raises(UserError, match="gap"):
            criterion.end_epoch(accuracy=0.8, gap=gap)


@pytest.mark.parametrize("rule", ["mc", "mei"])
def test_the_accuracy_of_another_training_is_refused(rule):
    with pytest.raises(UserError, match="baseline"):
        ASLP(images=4, rule=rule, theta_lm="baseline")


def test_a_checkpoint_goes_on_with_the_same_levels():
    criterion = ASLP(images=4, rule="mei", start_epoch=1)
    criterion.end_epoch(0.7)
    z = Z.abs() * (2 * Y[:, None] - 1)  # agrees with the labels
    criterion(z, Y, range(4))
    file = io.BytesIO()
    torch.save(criterion.state_dict(), file)
    file.seek(0)
    other = ASLP(images=4, rule="mei", start_epoch=1)
    state = torch.load(file, weights_only=True)
    other.load_state_dict(state)
    for perturbed in (criterion, other, copy.deepcopy(criterion)):
        torch.manual_seed(1)
        perturbed.end_epoch(0.7)
        perturbed(z, Y, range(4))
    assert np.array_equal(other.alphas, criterion.alphas) and criterion.alphas.all()
    again = ASLP(images=4, rule="mei", start_epoch=1)
    again.load_state_dict(state)  # which the steps of another have not changed
    assert (again.alphas < other.alphas).all()


@pytest.mark.parametrize("other", [{"images": 5}, {"rule": "mei"}, {"rule": "cl"}, {"classes": 3}])
def test_a_checkpoint_of_another_one_is_refused(other):
    criterion = ASLP(**{"images": 4, "rule": "mc"} | other)
    with pytest.raises(UserError, match=r"of another one(.|\n)*rule 'mc', 4 images, 2 classes"):
        criterion.load_state_dict(ASLP(images=4, rule="mc").state_dict())
    assert not criterion.alphas.any() and criterion.epoch == 1
