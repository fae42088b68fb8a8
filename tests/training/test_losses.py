"""Losses of the comparison methods against hand-worked numbers, independent float64 formulas and double loops."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.special import expit, softmax
from torch.nn import functional as F

from pipeline_src.counting.counts import Histogram
from pipeline_src.counting.levels import LEVELS
from pipeline_src.training.method import Batch, Validation
from pipeline_src.training.methods.mixup import mix
from pipeline_src.training.pixels import local_mean
from pipeline_src.training.registry import choose

LOSSES = [
    ("brier", {}),
    ("focal", {}),
    ("focal", {"gamma": 1.0}),
    ("focal", {"schedule": "fixed"}),
    ("focal", {"schedule": "fixed", "gamma": 0.5}),
    ("mmce", {}),
    ("adafocal", {}),
    ("entropy_penalty", {"weight": 0.3}),
    ("mbls", {"margin": 0.7}),
    ("acls", {"margin": 0.7}),
]
OF_ALL_PIXELS = [("dice_ce", {}), ("ml1_ace", {}), ("ml1_ace", {"binning": "hard", "bins": 5})]
NEIGHBORS = [("nacl", {})]  # pixels are not independent
GAMMAS = np.array([-2.0, -0.5, -0.2, 0.2, 0.6, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 0.3, 12.0, 20.0, -1.0])


def started(name: str, block: dict, classes: int = 2):
    method = choose(name, block).method
    method.start(10, {}, classes)
    if name == "adafocal":
        method._gammas = GAMMAS.copy()  # both losses, and both ends
    return method


def pixels(classes: int, seed: int = 0, scale: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    """float64 logits and labels, (2, C, 3, 4): hard ones, and soft ones in the second image."""
    rng = np.random.default_rng(seed)
    planes = max(classes, 2)
    y = np.eye(planes)[rng.integers(0, planes, (2, 3, 4))]
    y[1] = rng.dirichlet(np.ones(planes), (3, 4))
    y = torch.from_numpy(y).movedim(-1, 1)
    z = torch.from_numpy(rng.normal(0, scale, (2, classes, 3, 4)))
    return z, y[:, 1:] if classes == 1 else y


def of_pixel(name: str, block: dict, logits: list[float], y: list[float]) -> float:
    """The loss of one pixel with logits logits and labels y, written down from the papers; without MMCE's penalty."""
    f = [math.exp(a) / sum(math.exp(b) for b in logits) for a in logits]
    entropy = -sum(a * math.log(a) for a in f)
    likelihood = -sum(b * math.log(a) for a, b in zip(f, y, strict=True))
    if name == "brier":
        return 0.5 * sum((a - b) ** 2 for a, b in zip(f, y, strict=True))
    if name == "focal":
        by_schedule = [5 if a < 0.2 else 3 if a < 0.5 else block.get("gamma", 3) for a in f]
        gammas = [block.get("gamma", 3)] * len(f) if block.get("schedule") == "fixed" else by_schedule
        return -sum(b * (1 - a) ** g * math.log(a) for a, b, g in zip(f, y, gammas, strict=True))
    if name == "adafocal":
        gammas = [GAMMAS[min(14, math.ceil(a * 15) - 1)] for a in f]
        return -sum(b * (1 - math.copysign(a, g)) ** abs(g) * math.log(a) for a, b, g in zip(f, y, gammas, strict=True))
    if name == "entropy_penalty":
        return likelihood - 0.3 * entropy
    if name == "mbls":
        return likelihood + 0.1 * sum(max(0, max(logits) - a - 0.7) for a in logits) / len(logits)
    if name == "acls":
        top = max(0, max(logits) - 0.7) ** 2
        return likelihood + 0.1 * (
            top + 0.1 * sum(max(0, max(logits) - a - 0.7) ** 2 for a in logits) / (len(logits) - 1)
        )
    return likelihood


def mmce(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The squared penalty by a plain double sum over the N pixels of z (B, K, H, W) and y."""
    f, t = (a.movedim(1, -1).reshape(-1, z.shape[1]) for a in (z.softmax(1), y))
    r = f.max(1).values
    c = t[range(len(t)), f.argmax(1)]
    n, m = c.sum(), (1 - c).sum()
    # means over pairs, divided once more by how many of 128 samples are of that kind
    n, m = (number * (128 * number / len(r)).clamp(min=1) for number in (n, m))
    total = r.new_zeros(())
    for i in range(len(r)):
        for j in range(len(r)):
            k = torch.exp(-(r[i] - r[j]).abs() / 0.4)
            total = total + c[i] * c[j] * (1 - r[i]) * (1 - r[j]) * k / n**2
            total = total + (1 - c[i]) * (1 - c[j]) * r[i] * r[j] * k / m**2
            total = total - 2 * c[i] * (1 - c[j]) * (1 - r[i]) * r[j] * k / (n * m)
    return total


@pytest.mark.parametrize("classes", [1, 2, 3])
@pytest.mark.parametrize(("name", "block"), LOSSES)
def test_losses_are_those_of_the_papers(name, block, classes):
    z, y = pixels(classes)
    logits, t = (torch.cat([-z / 2, z / 2], 1), torch.cat([1 - y, y], 1)) if classes == 1 else (z, y)
    flat = (a.movedim(1, -1).reshape(-1, logits.shape[1]).tolist() for a in (logits, t))
    expected = np.mean([of_pixel(name, block, *pixel) for pixel in zip(*flat, strict=True)])
    if name == "mmce":
        expected += 4 * math.sqrt(mmce(logits, t))
    assert float(started(name, block, logits.shape[1]).loss(z, y)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize(("name", "block"), [case for case in LOSSES + OF_ALL_PIXELS + NEIGHBORS if case[0] != "acls"])
def test_gradients_are_those_of_the_losses(name, block, classes):
    z, y = pixels(classes)
    method = started(name, block)
    assert torch.autograd.gradcheck(lambda z: method.loss(z, y), z.requires_grad_())


@pytest.mark.parametrize("common", [0.0, 8.0])
def test_acls_of_classes_is_the_authors_program(common):
    """The program's two terms by its own indicator matrices; the first sees what all logits share."""
    z, y = pixels(3, scale=8)
    y = torch.eye(3, dtype=torch.float64)[y.argmax(1)].movedim(-1, 1)
    flat = (z + common).movedim(1, -1).reshape(-1, 3)
    largest = flat.amax(1, keepdim=True).expand(-1, 3)
    predicted = (largest == flat).double()
    near = (predicted * (largest - 10).clamp(min=0) ** 2).sum() / len(flat)
    far = ((1 - predicted) * (largest - flat - 10).clamp(min=0) ** 2).sum() / (len(flat) * 2)
    assert near > 0
    assert far > 0
    ours = choose("acls", {}).method.loss(z + common, y) - choose("baseline", {}).method.loss(z, y)
    assert float(ours) == pytest.approx(float(0.1 * (near + 0.1 * far)), rel=1e-9)


@pytest.mark.parametrize(("name", "block"), LOSSES + OF_ALL_PIXELS)
def test_ignored_pixels_change_nothing(name, block):
    z, y = pixels(3)
    method = started(name, block)
    kept = method.loss(z[..., :2], y[..., :2])
    y[..., 2:] = 0
    for value in (0.0, 7.0, -200.0):
        z[:, 1, :, 2:] = value
        loss = method.loss(z.requires_grad_(), y)
        assert float(loss) == pytest.approx(float(kept), rel=1e-12)
        assert (torch.autograd.grad(loss, z)[0][..., 2:] == 0).all()
        z = z.detach()
    nothing = method.loss(z.requires_grad_(), torch.zeros_like(y))
    nothing.backward()
    assert float(nothing.detach()) == pytest.approx(0, abs=1e-5)
    assert (z.grad == 0).all()


@pytest.mark.parametrize("classes", [1, 2, 3])
@pytest.mark.parametrize(
    ("name", "block"),
    [*LOSSES, *OF_ALL_PIXELS, *NEIGHBORS, ("focal", {"schedule": "fixed", "gamma": 0}), ("adafocal", {"bins": 1})],
)
def test_extreme_logits_have_finite_losses_and_gradients(name, block, classes):
    values = torch.tensor([-200.0, -30.0, -1e-8, 0.0, 1e-8, 17.0, 30.0, 200.0])
    labels = torch.tensor([0.0, 0.5, 1.0])
    z, y = (a.reshape(1, 1, 8, 3) for a in torch.meshgrid(values, labels, indexing="ij"))
    if classes > 1:
        z = torch.cat([z, -z, *[torch.zeros_like(z)] * (classes - 2)], 1)
        y = torch.cat([y, 1 - y, *[torch.zeros_like(y)] * (classes - 2)], 1)
    method = choose(name, block).method
    method.start(1, {}, max(classes, 2))
    for gamma in (-2.0, 0.2, 20.0):
        method._gammas = np.full(15, gamma) if name == "adafocal" else None
        z = z.detach().clone().requires_grad_()
        loss = method.loss(z, y)
        loss.backward()
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)
        assert torch.isfinite(z.grad).all()


def penalty(name: str, z: torch.Tensor, y: torch.Tensor, weight: float = 1, **parameters) -> torch.Tensor:
    """What a method adds to cross entropy."""
    method = choose(name, {"weight": weight} | parameters).method
    return method.loss(z, y) - choose("baseline", {}).method.loss(z, y)


# Dice, mL1-ACE, SVLS


def both(z: torch.Tensor, y: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels of all classes, (B, K, H, W), of one logit those of background and foreground."""
    if z.shape[1] > 1:
        return softmax(z.numpy(), axis=1), y.numpy()
    f = expit(z.numpy())
    return np.concatenate([1 - f, f], 1), np.concatenate([1 - y, y], 1)


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_dice_is_the_overlap_of_the_classes_but_the_first(classes):
    z, y = pixels(classes)
    f, t = both(z, y)
    overlaps = [2 * (f[:, k] * t[:, k]).sum() / (f[:, k] + t[:, k]).sum() for k in range(1, f.shape[1])]
    assert float(penalty("dice_ce", z, y, 0.7)) == pytest.approx(0.7 * (1 - np.mean(overlaps)), rel=1e-5)


def test_dice_by_hand():
    y = torch.tensor([1.0, 1, 0, 0]).view(1, 1, 1, 4)
    z = torch.tensor([3.0, 1, 1, 0]).log().view(1, 1, 1, 4)  # of probability 3/4, 1/2, 1/2 and 0
    z[..., 3] = -200
    assert float(penalty("dice_ce", z, y)) == pytest.approx(1 - 2 * 1.25 / (1.75 + 2), rel=1e-4)
    nothing = torch.full_like(z, -200.0)
    assert float(penalty("dice_ce", nothing, 0 * y)) == pytest.approx(0)


def calibration_error(f: np.ndarray, y: np.ndarray, bins: int, soft: bool) -> float:
    """Pixel by pixel: the mean over images and classes of the mean distance of confidence and share by bin."""
    errors = []
    for image, labels in zip(f, y, strict=True):
        for of_class, label in zip(image.reshape(len(image), -1), labels.reshape(len(labels), -1), strict=True):
            weights = np.zeros((bins, len(of_class)))
            for i, p in enumerate(of_class):
                if not soft:
                    weights[max(math.ceil(p * bins), 1) - 1, i] = 1
                elif p <= 0.5 / bins or p >= 1 - 0.5 / bins:
                    weights[0 if p < 0.5 else bins - 1, i] = 1
                else:
                    centers = (np.arange(bins) + 0.5) / bins
                    above = int(np.flatnonzero(centers >= p)[0])
                    weights[above, i] = (p - centers[above - 1]) * bins
                    weights[above - 1, i] = (centers[above] - p) * bins
            gaps = [abs(w @ of_class - w @ label) / w.sum() for w in weights if w.sum() >= 0.01]
            errors.append(np.mean(gaps) if label.any() else 0.0)
    return float(np.mean(errors))


@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize(("binning", "bins"), [("soft", 20), ("hard", 20), ("soft", 4), ("hard", 4)])
def test_ml1_ace_is_the_mean_error_by_bin_class_and_image(classes, binning, bins):
    z, y = pixels(classes, scale=3.0)
    if classes == 4:
        y[0, 2] = 0  # the first image lacks a class, and some of its pixels have no label
    f, t = both(z, y)
    valid = t.sum(1) > 0
    ours = choose("ml1_ace", {"binning": binning, "bins": bins, "weight": 0}).method.loss(z, y)
    added = float(ours - choose("baseline", {}).method.loss(z, y))
    expected = [
        calibration_error(f[i][:, valid[i]][None], t[i][:, valid[i]][None], bins, binning == "soft") for i in range(2)
    ]
    assert added == pytest.approx(np.mean(expected), rel=1e-9)


def test_ml1_ace_by_hand():
    """Hard bins of a fifth: 0.9 and 0.95 share a bin, with 1 of 2 right; their background, 0.1 and 0.05, another."""
    f = torch.tensor([0.9, 0.95], dtype=torch.float64).view(1, 1, 1, 2)
    y = torch.tensor([1.0, 0.0], dtype=torch.float64).view(1, 1, 1, 2)
    method = choose("ml1_ace", {"binning": "hard", "bins": 5}).method
    planes = torch.cat([1 - y, y], 1)
    assert float(method.calibration_error(torch.cat([1 - f, f], 1), planes)) == pytest.approx(0.425)
    # Soft bins of a half, centers 1/4 and 3/4: 0.5 is half in each, and 0.9 is in the upper one.
    f = torch.tensor([0.5, 0.9], dtype=torch.float64).view(1, 1, 1, 2)
    lower, upper = 0.5 - 1, (0.5 * (0.5 - 1) + 0.9) / 1.5
    method = choose("ml1_ace", {"bins": 2}).method
    error = float(method.calibration_error(torch.cat([1 - f, f], 1), planes))
    assert error == pytest.approx((abs(lower) + abs(upper)) / 2)


def svls_kernel() -> np.ndarray:
    """The filter of the authors' program for sigma = 1: the center gets the sum of its neighbors, then a sum of 1."""
    grid = np.stack(np.meshgrid(range(3), range(3)), -1)
    kernel = np.exp(-((grid - 1.0) ** 2).sum(-1) / 2) / (2 * math.pi)
    kernel /= kernel.sum()
    neighbors = 1 - kernel[1, 1]
    kernel[1, 1] = neighbors
    kernel /= neighbors
    return kernel / kernel.sum()


@pytest.mark.parametrize("classes", [1, 3])
def test_svls_is_the_filter_of_its_authors(classes):
    z, y = pixels(classes)
    smooth = np.stack([[ndimage.correlate(plane, svls_kernel(), mode="nearest") for plane in image] for image in y])
    method = choose("svls", {}).method
    targets = method.targets(y, BATCH)
    assert targets.numpy() == pytest.approx(smooth, abs=1e-12)
    f, t = both(z, torch.from_numpy(smooth))
    assert float(method.loss(z, targets)) == pytest.approx(-(t * np.log(f)).sum(1).mean(), rel=1e-9)


def test_svls_of_pixels_near_ignored_ones_is_plain_loops():
    y = labels("00011", "00011", ".0011", "22222")
    targets = choose("svls", {}).method.targets(y, BATCH)
    for i in range(4):
        for j in range(5):
            total, number = torch.zeros(3, dtype=torch.float64), 0.0
            for a in range(3):
                for b in range(3):
                    neighbor = y[0, :, min(max(i + a - 1, 0), 3), min(max(j + b - 1, 0), 4)]
                    total = total + svls_kernel()[a, b] * neighbor
                    number += svls_kernel()[a, b] * float(neighbor.sum())
            assert torch.allclose(targets[0, :, i, j], y[0, :, i, j].sum() * total / number)
    assert torch.equal(targets[..., 0, [0, 1, 4]], y[..., 0, [0, 1, 4]])  # inside of an object


# MMCE


def test_mmce_is_the_programs_on_a_batch_of_as_many_samples(monkeypatch):
    """As the program computes it: means over the pairs of right, of wrong and of mixed samples, each divided by the
    numbers of samples once more, in matrices."""
    z, _ = pixels(5, seed=1)
    labels = torch.from_numpy(np.random.default_rng(2).integers(0, 5, (2, 3, 4)))
    f = z.softmax(1).movedim(1, -1).reshape(24, 5)
    r, predicted = f.max(1)
    hit = predicted == labels.flatten()
    a, b = 1 - r[hit], r[~hit]
    kernel = torch.exp(-torch.cdist(r[:, None], r[:, None], p=1) / 0.4)
    pairs = torch.outer(a, a) * kernel[hit][:, hit], torch.outer(b, b) * kernel[~hit][:, ~hit]
    mixed = torch.outer(a, b) * kernel[hit][:, ~hit]
    m, n = len(a), len(b)
    assert 1 < m < n
    expected = pairs[0].mean() / m**2 + pairs[1].mean() / n**2 - 2 * mixed.mean() / (m * n)
    y = F.one_hot(labels, 5).movedim(-1, 1).double()
    monkeypatch.setattr("pipeline_src.training.methods.mmce.SAMPLES", 24)
    assert float(penalty("mmce", z, y)) == pytest.approx(float(expected.sqrt()), rel=1e-9)
    monkeypatch.setattr("pipeline_src.training.methods.mmce.SAMPLES", 1)  # a share is never less than one sample
    expected = pairs[0].mean() + pairs[1].mean() - 2 * mixed.mean()
    assert float(penalty("mmce", z, y)) == pytest.approx(float(expected.sqrt()), rel=1e-9)


def test_mmce_of_one_kind_of_pixels():
    y = torch.ones(1, 1, 2, 2)
    assert float(penalty("mmce", torch.full_like(y, 3.0), y)) == 0


# NACL


def labels(*rows: str) -> torch.Tensor:
    """Planes (1, 3, H, W) of class ids by row; a dot is ignored."""
    ids = torch.tensor([[3 if c == "." else int(c) for c in row] for row in rows])
    return F.one_hot(ids, 4)[..., :3].movedim(-1, 0)[None].double()


def objects() -> tuple[torch.Tensor, torch.Tensor]:
    """Random logits and one plane of 0 and 1, (1, 1, 2, 4)."""
    y = torch.tensor([[0.0, 1, 1, 0], [0, 0, 1, 0]], dtype=torch.float64)[None, None]
    return torch.from_numpy(np.random.default_rng(0).normal(0, 3, (1, 1, 2, 4))), y


def around(y: torch.Tensor) -> torch.Tensor:
    return local_mean(y, partial(F.avg_pool2d, kernel_size=3, stride=1))


def test_means_around_are_plain_loops():
    y = labels("0120", "1.20", "2.01")
    result = around(y)
    for i in range(3):
        for j in range(4):
            total, number = torch.zeros(3, dtype=torch.float64), 0.0
            for a in range(3):
                for b in range(3):
                    k, m = min(max(i + a - 1, 0), 2), min(max(j + b - 1, 0), 3)
                    total, number = total + y[0, :, k, m], number + float(y[0, :, k, m].sum())
            assert torch.allclose(result[0, :, i, j], y[0, :, i, j].sum() * total / number)


def test_nacl_of_classes_by_hand():
    y = labels("000", "001", "002", "000")
    z = torch.zeros_like(y)
    z[0, :, 1, 1] = torch.tensor([2.0, -1.0, 0.5])
    # around the center: 7, 1 and 1 of nine; elsewhere the logits are 0 and the shares sum to 1
    center = abs(2 - 7 / 9) + abs(-1 - 1 / 9) + abs(0.5 - 1 / 9)
    assert float(penalty("nacl", z, y, 3)) == pytest.approx(3 / 3 * (11 * 1 + center) / 12)


def test_nacl_of_one_logit_is_that_of_two_at_their_best_level():
    z, y = objects()
    best, shares = 0.0, around(torch.cat([1 - y, y], 1))
    for i in range(2):
        for j in range(4):
            levels = torch.linspace(-20, 20, 40001)
            pair = torch.stack([levels, levels + z[0, 0, i, j]])
            best += float((pair - shares[0, :, i, j, None]).abs().mean(0).min()) / 8
    assert float(penalty("nacl", z, y)) == pytest.approx(best, abs=1e-3)
    assert float(penalty("nacl", z, y)) == pytest.approx(float(penalty("nacl", -z, 1 - y)))


# AdaFocal


def histogram_of(cells: np.ndarray, right: np.ndarray) -> Histogram:
    """The histogram of pixels in the middle of cells of confidence."""
    histogram = Histogram.empty(top=True)
    above = cells >= LEVELS // 2
    level = np.where(above, LEVELS - 1 - cells, cells)
    np.add.at(histogram.count, (level, above.astype(int), right.astype(int)), 1)
    histogram.position[:] = histogram.count * (1 << 23)
    return histogram


def bins_by_hand(cells: np.ndarray, right: np.ndarray, bins: int) -> tuple[list[float], list[float]]:
    """Pixel by pixel: edge b is the upper end of the cell of the pixel of rank ceil(b N / bins)."""
    ranked = sorted(cells.tolist())
    edges = [(ranked[-(-b * len(ranked) // bins) - 1] + 1) / LEVELS for b in range(1, bins)]
    gaps = [[] for _ in range(bins)]
    for cell, hit in zip(cells.tolist(), right.tolist(), strict=True):
        b = 0
        while b < bins - 1 and (cell + 1) / LEVELS > edges[b]:
            b += 1
        gaps[b].append((cell + 0.5) / LEVELS - hit)
    return edges, [sum(gap) / len(gap) if gap else 0.0 for gap in gaps]


def test_adafocal_follows_its_algorithm():
    rng = np.random.default_rng(0)
    method = choose("adafocal", {"bins": 5, "rate": 4.0}).method
    method.start(10, {})
    gammas, seen = [1.0] * 5, set()
    for epoch in range(1, 120):
        cells = rng.integers(LEVELS // 2, LEVELS, 300)
        skill = 0.35 if epoch % 60 < 25 else 1.0  # overconfident for 25 epochs, then underconfident
        right = rng.random(300) < skill
        edges, errors = bins_by_hand(cells, right, 5)
        for b, error in enumerate(errors):
            gamma = gammas[b] * math.exp(4.0 * error if gammas[b] > 0 else -4.0 * error)
            if abs(gamma) < 0.2:
                seen.add("to inverse" if gamma > 0 else "to focal")
                gamma = -0.2 if gamma > 0 else 0.2
            if not -2 <= gamma <= 20:
                seen.add("highest" if gamma > 20 else "lowest")
            gammas[b] = max(min(gamma, 20.0), -2.0)
        method.after_validation(Validation(0.9, 0.9, histogram_of(cells, right)), epoch)
        assert method._gammas.tolist() == pytest.approx(gammas, rel=1e-9)
        assert method._edges.tolist() == edges
        assert method.history_values() == {"mean_gamma": pytest.approx(np.mean(gammas))}
    assert seen == {"to inverse", "to focal", "highest", "lowest"}


# mixup

BATCH = Batch(np.arange(6), [f"set/{i}" for i in range(6)], seed=3, epoch=4)


def images(channels: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Each image is its number, each mask a tenth of it: what was mixed with what shows in every pixel."""
    number = torch.arange(6.0).view(6, 1, 1, 1)
    return number.expand(6, 3, 4, 5).clone(), (number / 10).expand(6, channels, 4, 5).clone()


def test_mixup_mixes_images_and_labels_with_the_same_partners():
    x, y = images()
    mixed, labels = choose("mixup", {"a": 1.0}).method.inputs(x, y, BATCH)
    assert torch.allclose(mixed[:, :1] / 10, labels)
    draws = BATCH.generator("mixup")
    share, partner = draws.beta(1.0, 1.0), draws.permutation(6)
    assert mixed[:, 0, 0, 0].tolist() == pytest.approx(share * np.arange(6) + (1 - share) * partner, rel=1e-6)
    assert len(set(mixed.flatten().tolist())) > 1


def test_mixup_ignores_a_pixel_that_either_image_ignores():
    x = torch.zeros(2, 3, 1, 4)
    y = F.one_hot(torch.tensor([[[0, 1, 2, 0]], [[2, 1, 0, 0]]]), 3).movedim(-1, 1).float()
    y[0, :, 0, 2] = 0
    y[1, :, 0, 3] = 0
    _, mixed = mix(x, y, 0.75, [1, 0])
    assert mixed[0, :, 0].T.tolist() == [[0.75, 0, 0.25], [0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert (mixed[1, :, 0, 2:] == 0).all()
