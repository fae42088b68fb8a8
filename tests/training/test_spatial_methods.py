"""SVLS, NACL, mL1-ACE and Dice with cross entropy against hand-worked numbers and plain loops; test-time augmentation
against networks that know where a pixel is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from pipeline_src.training.method import Batch
from pipeline_src.training.pixels import around
from pipeline_src.training.registry import choose

BATCH = Batch(np.arange(2), ["set/0", "set/1"], seed=0, epoch=1)
FOUR, DIAGONAL = (math.exp(-a / 2) for a in (1, 2))  # Gaussian weights of the neighbors, of sigma 1
OF_ALL = 4 * FOUR + 4 * DIAGONAL


def labels(*rows: str) -> torch.Tensor:
    """Planes (1, 3, H, W) of class ids by row; a dot is ignored."""
    ids = torch.tensor([[3 if c == "." else int(c) for c in row] for row in rows])
    return nn.functional.one_hot(ids, 4)[..., :3].movedim(-1, 0)[None].double()


def objects(*rows: str) -> torch.Tensor:
    """One plane (1, 1, H, W) of 0 and 1 by row."""
    return torch.tensor([[float(c) for c in row] for row in rows], dtype=torch.float64)[None, None]


def penalty(name: str, block: dict, z: torch.Tensor, y: torch.Tensor) -> float:
    """What a method adds to cross entropy."""
    plain = choose("baseline", {}).method.loss(z, y)
    return float(choose(name, block).method.loss(z, y) - plain)


# SVLS


def smoothed(y: torch.Tensor, **block) -> torch.Tensor:
    return choose("svls", block).method.targets(y, BATCH)


def test_svls_is_the_authors_recipe_of_window_3_and_carries_it_to_wider_ones():
    rng = np.random.default_rng(0)
    y = torch.from_numpy(rng.integers(0, 2, (2, 1, 9, 8)).astype(float))
    for size, sigma in ((3, 1.0), (5, 0.7), (7, 2.5)):
        line = torch.exp(-((torch.arange(size).double() - size // 2) ** 2) / (2 * sigma**2))
        g = torch.outer(line, line) / torch.outer(line, line).sum()
        g[size // 2, size // 2] = 1 - g[size // 2, size // 2]
        g = g / g.sum()
        padded = nn.functional.pad(y, [size // 2] * 4, mode="replicate")
        expected = nn.functional.conv2d(padded, g[None, None])
        assert torch.allclose(smoothed(y, size=size, sigma=sigma), expected, rtol=1e-12)


def test_svls_of_classes_leaves_out_what_is_ignored():
    t = smoothed(labels("012", ".12", "012"))
    assert (t[0, :, 1, 0] == 0).all()
    assert torch.allclose(t.sum(1)[labels("012", ".12", "012").sum(1) > 0], torch.ones(8, dtype=torch.float64))
    left = 0.5 * 2 * DIAGONAL / OF_ALL  # two corners of class 0; the third pixel on the left is ignored
    whole = 1 - 0.5 * FOUR / OF_ALL
    same, right = 0.5 + FOUR / OF_ALL, 0.5 * (FOUR + 2 * DIAGONAL) / OF_ALL
    assert t[0, :, 1, 1].tolist() == pytest.approx([left / whole, same / whole, right / whole])


def test_svls_of_one_logit_is_that_of_two_planes():
    y = torch.from_numpy(np.random.default_rng(1).random((2, 1, 6, 5)))
    assert torch.allclose(smoothed(torch.cat([1 - y, y], 1))[:, 1:], smoothed(y), rtol=1e-12)


# Means around a pixel


def test_means_around_are_plain_loops():
    y = labels("0120", "1.20", "2.01")
    window = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9]], dtype=torch.float64)
    result = around(y, window)
    for i in range(3):
        for j in range(4):
            total, weight = torch.zeros(3, dtype=torch.float64), 0.0
            for a in range(3):
                for b in range(3):
                    k, m = min(max(i + a - 1, 0), 2), min(max(j + b - 1, 0), 3)
                    counts = float(y[0, :, k, m].sum())
                    total, weight = total + window[a, b] * y[0, :, k, m], weight + float(window[a, b]) * counts
            counted = y[0, :, i, j].sum()
            assert torch.allclose(result[0, :, i, j], counted * total / weight)


# NACL


def test_nacl_of_classes_by_hand():
    y = labels("000", "001", "002")
    z = torch.zeros_like(y)
    z[0, :, 1, 1] = torch.tensor([2.0, -1.0, 0.5])
    # around the center: 7, 1 and 1 of nine; elsewhere the logits are 0 and the shares sum to 1
    center = abs(2 - 7 / 9) + abs(-1 - 1 / 9) + abs(0.5 - 1 / 9)
    assert penalty("nacl", {"weight": 3}, z, y) == pytest.approx(3 / 3 * (8 * 1 + center) / 9)


def test_nacl_of_one_logit_is_that_of_two_at_their_best_level():
    rng = np.random.default_rng(0)
    y, z = objects("0110", "0010"), torch.from_numpy(rng.normal(0, 3, (1, 1, 2, 4)))
    one, best = penalty("nacl", {"weight": 1}, z, y), 0.0
    two = torch.cat([1 - y, y], 1)
    shares = around(two, torch.ones(3, 3, dtype=torch.float64))
    for i in range(2):
        for j in range(4):
            levels = torch.linspace(-20, 20, 40001)
            pair = torch.stack([levels, levels + z[0, 0, i, j]])
            best += float((pair - shares[0, :, i, j, None]).abs().mean(0).min()) / 8
    assert one == pytest.approx(best, abs=1e-3)


def test_nacl_treats_two_classes_alike():
    y, z = objects("0110", "0010"), torch.from_numpy(np.random.default_rng(2).normal(0, 3, (1, 1, 2, 4)))
    method = choose("nacl", {}).method
    assert float(method.loss(z, y)) == pytest.approx(float(method.loss(-z, 1 - y)))


def test_nacls_shares_and_mean_leave_out_what_is_ignored():
    y = labels("0.", "01")
    z = torch.zeros_like(y)
    z[0, :, 0, 1] = 50.0
    assert penalty("nacl", {"weight": 3}, z, y) == pytest.approx(1)  # shares sum to 1 on all three pixels that count
    assert penalty("nacl", {}, z, torch.zeros_like(y)) == 0


# mL1-ACE


def at(f: list[float]) -> torch.Tensor:
    """One logit (1, 1, 1, N) of probabilities f."""
    of = torch.tensor(f, dtype=torch.float64)
    return (of / (1 - of)).log().view(1, 1, 1, -1)


@pytest.mark.parametrize(
    ("block", "f", "y", "expected"),
    [
        # bins (0.6, 0.8] and (0.8, 1], and their mirror images for the background
        ({"bins": 5}, [0.7, 0.75, 0.9, 0.9], [1, 0, 1, 1], (abs(0.725 - 0.5) + 0.1) / 2),
        ({"bins": 5}, [0.7, 0.75, 0.9, 0.9], [1, 0, 0.5, 1], (abs(0.725 - 0.5) + abs(0.9 - 0.75)) / 2),
        ({"bins": 2}, [0.7, 0.75, 0.9, 0.9], [1, 0, 1, 1], abs(0.8125 - 0.75)),
        # centers 0.25 and 0.75: f = 0.5 is in both by half, f = 0.65 in the upper one by 0.8, f = 0.9 wholly
        # and the foreground, which no pixel has, counts as 0; with hard bins it has its own error
        ({"bins": 2, "binning": "soft"}, [0.65], [0], 0.65 / 2),
        ({"bins": 2, "binning": "hard"}, [0.65], [0], 0.65),
        (
            {"bins": 2, "binning": "soft"},
            [0.5, 0.65, 0.9],
            [0, 1, 1],
            (abs(0.5 * 0.5 - 0.2 * 0.35) / 0.7 + abs(0.5 * 0.5 - 0.8 * 0.35 - 0.1) / 2.3) / 2,
        ),
        # a pixel that all but misses a bin leaves it empty: centers 0.1, 0.3, ...
        ({"bins": 5, "binning": "soft"}, [0.501], [1], 0.499 / 2),
    ],
)
def test_ml1_ace_by_hand(block, f, y, expected):
    z, t = at(f), torch.tensor(y, dtype=torch.float64).view(1, 1, 1, -1)
    assert penalty("ml1_ace", {"weight": 3} | block, z, t) == pytest.approx(3 * expected)
    assert penalty("ml1_ace", {"weight": 3} | block, -z, 1 - t) == pytest.approx(3 * expected)


@pytest.mark.parametrize("binning", ["hard", "soft"])
def test_ml1_ace_is_the_mean_of_plain_loops(binning):
    rng = np.random.default_rng(0)
    z = torch.from_numpy(rng.normal(0, 2, (2, 3, 6, 7)))
    ids = rng.integers(0, 4, (2, 6, 7))  # a quarter is ignored
    ids[1][ids[1] == 2] = 1  # the second image has no pixel of class 2
    y = torch.from_numpy(np.eye(4)[ids]).movedim(-1, 1)[:, :3]
    f, bins, errors = z.softmax(1).numpy(), 10, []
    for i in range(2):
        for k in range(3):
            share, excess = np.zeros(bins), np.zeros(bins)
            for p, t, counts in zip(f[i, k].ravel(), y[i, k].ravel(), y[i].sum(0).ravel(), strict=True):
                for b in range(bins):
                    if binning == "hard":
                        of = float(b / bins < p <= (b + 1) / bins)
                    else:
                        edge = (b == 0 and p < 0.05) or (b == bins - 1 and p > 0.95)
                        of = 1.0 if edge else max(0.0, 1 - abs(p - (b + 0.5) / bins) * bins)
                    share[b] += of * float(counts)
                    excess[b] += of * float(counts) * (p - float(t))
            counted = binning == "hard" or bool(y[i, k].any())
            errors.append(counted * np.mean(np.abs(excess[share >= 0.01] / share[share >= 0.01])))
    block = {"bins": bins, "binning": binning, "weight": 1}
    assert penalty("ml1_ace", block, z, y) == pytest.approx(np.mean(errors), rel=1e-9)


# Dice


def test_dice_ce_by_hand():
    z, y = at([0.8, 0.6, 0.1, 0.3]), torch.tensor([1.0, 0, 0, 1], dtype=torch.float64).view(1, 1, 1, 4)
    assert penalty("dice_ce", {"weight": 3}, z, y) == pytest.approx(3 * (1 - 2 * 1.1 / (1.8 + 2)), rel=1e-4)


def test_dice_ce_pools_the_batch_and_averages_classes():
    y = torch.cat([labels("00", "01"), labels("22", "2.")])
    z = torch.log(torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)).view(1, 3, 1, 1).expand(2, 3, 2, 2)
    # seven pixels count: three of each of the classes 0 and 2, one of class 1
    dice = [2 * 0.5 * 3 / (3.5 + 3), 2 * 0.3 * 1 / (2.1 + 1), 2 * 0.2 * 3 / (1.4 + 3)]
    assert penalty("dice_ce", {}, z, y) == pytest.approx(1 - np.mean(dice), rel=1e-4)


@pytest.mark.parametrize("name", ["nacl", "ml1_ace", "dice_ce"])
def test_an_ignored_pixel_has_no_slope(name):
    y = labels("0.1", "12.")
    z = torch.from_numpy(np.random.default_rng(0).normal(0, 2, (1, 3, 2, 3))).requires_grad_()
    (slope,) = torch.autograd.grad(choose(name, {}).method.loss(z, y), z)
    assert ((slope == 0).all(1) == (y.sum(1) == 0)).all()
    nothing = choose(name, {}).method.loss(z, torch.zeros_like(y))
    assert float(nothing.detach()) == pytest.approx(0)


# Test-time augmentation


class Ramp(nn.Module):
    """Logits that depend on a pixel's color and place, at half the size of the image."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = nn.functional.avg_pool2d(x[:, :1].float(), 2) / 255
        height, width = z.shape[2:]
        return z + torch.arange(width) / width + 10 * torch.arange(height).view(-1, 1) / height


def mirrored(block: dict, x: torch.Tensor) -> list[torch.Tensor]:
    return choose("tta", block).method.logits([Ramp()], x, ["set/0"], 0)


def test_mirror_images_are_turned_back():
    x = torch.zeros(1, 3, 4, 8, dtype=torch.uint8)
    x[0, :, :2, :2] = 255
    plain, turned = mirrored({}, x)
    assert torch.equal(plain, Ramp()(x))
    assert turned[0, 0, 0].tolist() == pytest.approx([1.75, 0.5, 0.25, 0])
    assert [z[0, 0, 0, 0].item() for z in mirrored({"mirror": "both"}, x)] == pytest.approx([1, 1.75, 6, 6.75])


def test_scales_have_sides_of_multiples_of_32():
    x = torch.zeros(1, 3, 96, 96, dtype=torch.uint8)
    sides = [z.shape[2] * 2 for z in mirrored({"scales": [0.1, 0.75, 1, 1.7]}, x)]
    assert choose("tta", {"scales": [0.1, 0.75, 1, 1.7]}).method.passes == len(sides)
    assert sides == [32, 32, 64, 64, 96, 96, 160, 160]
