"""Recompute the numbers of `judge` pixel by pixel, by the definitions in docs/reference/metrics.md.

    python benchmarks/second_judge.py MAPS MASKS JUDGED [--logits]

Each metric is printed with that of JUDGED/metrics.json, but for intervals, S, E and weighted F. As
`judge`, it takes confidences within 1/66,300 for ties, and 6,630 cells for the smooth ECE.
"""

import json
import sys
from pathlib import Path

import nibabel
import numpy as np

BINS = 10
CLAMP = 1e-7


def binned(values, score, bins=BINS):
    """Return sums of values over the bins (k / bins, (k + 1) / bins] of a score."""
    return np.bincount(np.ceil(np.float64(bins) * score).clip(1).astype(int) - 1, values, bins)


def squares(scores, hits):
    """Return by bin max(n_k, 1), E_k = scores - hits and E_k's variance, and the ECE by image."""
    count = np.array([binned(None, s) for s in scores])
    excess = np.array([binned(s.astype(float) - h, s) for s, h in zip(scores, hits, strict=True)])
    n = count.sum(axis=0)
    e = excess.sum(axis=0)
    v = len(count) * (excess - e / np.maximum(n, 1) * count).var(axis=0, ddof=1)
    return np.maximum(n, 1), e, v, np.abs(excess).sum(axis=1) / count.sum(axis=1)


def smoothed(excess, sigma):
    """Return the integral of |excess| smoothed by a Gaussian that is reflected at 0 and 1."""
    cells = len(excess)
    x = np.arange(-cells, cells + 1) / cells
    kernel = np.exp(-((x / sigma) ** 2) / 2) / (sigma * np.sqrt(2 * np.pi) * cells)
    mirrored = np.concatenate([excess[::-1], excess, excess[::-1]])
    spectrum = np.fft.rfft(mirrored, 8 * cells) * np.fft.rfft(kernel, 8 * cells)
    return np.abs(np.fft.irfft(spectrum)[2 * cells : 3 * cells]).sum()


def calibration(scores, hits):
    """Return the metrics of confidences and hits, given as arrays by image."""
    n, e, v, by_image = squares(scores, hits)
    score = np.concatenate(scores)
    hit = np.concatenate(hits)
    gap = score.astype(float) - hit
    total = hit.size
    r = {"ece": np.abs(e).sum() / total, "mce": np.abs(e / n).max(), "gap": gap.mean()}
    r |= {"oe": binned(score, score) / n @ np.maximum(e, 0) / total, "accuracy": hit.mean()}
    terms = (e**2 - v) / n / total
    r |= {"squared_error": terms.sum(), "squared_overconfidence": terms[e > 0].sum()}
    r |= {"ece_debiased": max(terms.sum(), 0) ** 0.5, "image_ece": np.mean(by_image)}
    r["ece_floor"] = np.sqrt(2 / np.pi * v).sum() / total
    ties = [binned(values, score, 66_300) for values in (None, hit, gap)]
    rank, right, off = (np.append(0, np.cumsum(t[ties[0] > 0])) for t in ties)

    def shares(sums, groups):
        return np.diff(np.interp(np.arange(groups + 1) * (total / groups), rank, sums))

    groups = 1
    while groups < len(rank) - 1 and np.diff(shares(right, groups + 1)).min() >= -1e-12 * total:
        groups += 1
    for name, number in (("ece_equal_mass", BINS), ("ece_sweep", groups)):
        r[name] = np.abs(shares(off, number)).sum() / total
    cells = binned(gap, score, 6630) / total
    low = 0.0
    high = 1.0
    while high - low > 1e-11:
        middle = (low + high) / 2
        low, high = (middle, high) if smoothed(cells, middle) > middle else (low, middle)
    wrong = rank - right
    i = np.arange(total + 1)
    errors = np.interp(i, total - rank[::-1], wrong[-1] - wrong[::-1])
    r |= {"smooth_ece": low, "aurc": (errors[1:] / i[1:]).mean()}
    return r | {"augrc": (errors[1:] + errors[:-1]).mean() / 2 / total}


def object_metrics(images):
    """Return the metrics of maps of one object."""
    scores = [np.where(f >= 0.5, f, np.float32(1) - f) for f, _ in images]
    r = calibration(scores, [(f >= 0.5) == y for f, y in images])
    errors = [np.abs(f.astype(float) - y) for f, y in images]
    error = np.concatenate(errors)
    q = np.clip(1 - error, CLAMP, 1 - CLAMP)
    r |= {"brier": (error**2).mean(), "mae": error.mean(), "nll": -np.log(q).mean()}
    r["entropy"] = -(q * np.log(q) + (1 - q) * np.log(1 - q)).mean()
    r["image_mae"] = np.mean([of_image.mean() for of_image in errors])
    counts = []  # of each image the pixels of f >= t / 255 by label, t = 255..0
    for f, y in images:
        place = 2 * (np.float64(255) * f).astype(int) + y
        counts.append(np.bincount(place, minlength=512).reshape(256, 2)[::-1].cumsum(axis=0))
    some = np.array([c for c in counts if c[-1, 1]])
    curve = np.mean(1.3 * some[..., 1] / (0.3 * some[:, -1:, 1] + some.sum(axis=2)), axis=0)
    both = np.array([c for c in counts if c[-1].all()])
    false, true = (both / both[:, -1:]).mean(axis=0).T
    predicted = both.sum(axis=2)
    known = predicted.any(axis=0)  # thresholds at which an image has a predicted pixel
    precision = (both[..., 1] / np.maximum(predicted, 1)).sum(axis=0)[known]
    precision /= (predicted > 0).sum(axis=0)[known]
    r["ap"] = np.trapezoid(precision, true[known]) + precision[0] * true[known][0]
    r["auc"] = np.trapezoid(true, false) + true[0] * false[0] / 2
    return r | {"max_f": curve.max(), "mean_f": curve.mean()}


def class_metrics(images):
    """Return the metrics of maps of K classes (`raw`), and those of each class (`classes`)."""
    r = calibration([p.max(axis=0) for p, _ in images], [p.argmax(axis=0) == y for p, y in images])
    p = np.concatenate([p for p, _ in images], axis=1)
    y = np.concatenate([y for _, y in images])
    one_hot = y == np.arange(len(p))[:, None]
    guess = p.argmax(axis=0)
    q = np.clip(p.astype(float), CLAMP, 1 - CLAMP)
    r |= {"brier": ((p.astype(float) - one_hot) ** 2).sum(axis=0).mean()}
    r |= {"nll": -np.log(q[one_hot]).mean(), "entropy": -(q * np.log(q)).sum(axis=0).mean()}
    classes = {}
    squared = []
    ious = []
    for k, hit in enumerate(one_hot):
        n, e, v, _ = squares([p[k] for p, _ in images], [y == k for _, y in images])
        classes[k] = {"ece": np.abs(e).sum() / y.size, "share": hit.mean()}
        classes[k]["accuracy"] = (guess[hit] == k).mean()
        squared.append(((e**2 - v) / n).sum() / y.size)
        ious.append((hit & (guess == k)).sum() / (hit | (guess == k)).sum())
    r["classwise_ece"] = np.mean([row["ece"] for row in classes.values()])
    r |= {"classwise_squared_error": np.mean(squared), "mean_iou": np.mean(ious)}
    return {"raw": r, "classes": classes}


def metrics(maps, masks, logits=False):
    """Return the metrics of two folders by protocol, and of each class, as metrics.json does."""
    images = []  # float32 probabilities, (n,) or (K, n), and labels (n,) of the pixels that count
    for path in sorted(Path(maps).iterdir()):
        mask = Path(masks, path.name)
        if path.suffix == ".npy":
            p = np.load(path)
            y = np.load(mask)
        else:
            p, y = (np.asanyarray(nibabel.load(file).dataobj).T for file in (path, mask))
        if p.ndim == y.ndim:
            f = 1 / (1 + np.exp(-p)) if logits else p
            images.append((f.ravel().astype(np.float32), y.ravel() > (127 if y.max() > 1 else 0)))
        else:
            p = np.exp(p) / np.exp(p).sum(axis=0) if logits else p
            images.append((p[:, y != 255].astype(np.float32), y[y != 255].astype(int)))
    if p.ndim > y.ndim:
        return class_metrics(images)
    normalized = [((f - f.min()) / (f.max() - f.min()), y) for f, y in images]
    return {"raw": object_metrics(images), "stretched": object_metrics(normalized)}


if __name__ == "__main__":
    judged = json.loads(Path(sys.argv[3], "metrics.json").read_text())
    for group, numbers in metrics(sys.argv[1], sys.argv[2], "--logits" in sys.argv).items():
        for key, number in numbers.items():
            print(f"{group} {key}: {number}, judge: {judged[group][key]}")
