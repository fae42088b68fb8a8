"""A threshold with a guaranteed bound on a risk (`analysis.conformal`), and its empirical risk."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline_src.analysis.conformal import EIGHT_BIT, RISKS, Bound, guaranteed, image_risks
from pipeline_src.analysis.intervals import FEW_GROUPS, LEVEL, interval
from pipeline_src.analysis.resampling import SEED, draws, image_means, one_thread
from pipeline_src.counting.counts import Counts
from pipeline_src.metrics.metric import FRACTION, with_ends
from pipeline_src.rng import generator

FOLDS = 5


def folds_of(groups: np.ndarray) -> np.ndarray:
    """Return the fold of each image (I,), 0 to 4 (fewer for fewer groups), drawn with a fixed key.

    Images of one group share a fold.
    """
    units = groups.max(initial=-1) + 1
    order = generator("calibrate", "folds", int(units)).permutation(units)
    return np.asarray(order % min(FOLDS, units)).take(groups)


def controlled(counts: Counts, bound: Bound, resamples: int) -> dict[str, Any]:
    """Return the threshold that images guarantee, and its empirical risk.

    Returns:
        `risk`, `alpha`; `images`, the n images (or groups of them) that have the risk; `over`,
        "groups" where the bound is on groups; `level` t and `threshold` t/255, None where no
        threshold meets the bound; `promised`, the guaranteed n/(n+1) R + 1/(n+1) there; `spread`,
        as `risk_spread` returns it; `reason`, why there is no threshold; `delivered`, both
        empirical risks with `images` and `intervals`, each of five folds at the threshold of the
        other folds, None where one of them has no threshold.
    """
    risks = image_risks(counts)  # (U, 2, 257): FNR and FPR at the thresholds t/255
    defined = bound.defined_risks(risks)
    total = defined.sum(axis=0)
    units = len(defined)
    level = bound.level(total, units)
    result: dict[str, Any] = {"risk": bound.risk, "alpha": bound.alpha, "images": units}
    if counts.images.groups is not None:
        result["over"] = "groups"
    result |= {"level": level, "threshold": None, "promised": None, "spread": None}
    result["delivered"] = None
    if level is None:
        label = "foreground" if bound.risk == "fnr" else "background"
        needed = bound.fewest_images
        result["reason"] = (
            f"{units:,} images or groups of them have {label}, and {needed:,} are needed"
        )
        return result
    result["threshold"] = level / (EIGHT_BIT - 1)
    result["promised"] = float(guaranteed(total, units)[level])
    result["spread"] = risk_spread(counts, bound, resamples)
    result["delivered"] = _delivered(risks, bound, resamples)
    return result


def _delivered(risks: np.ndarray, bound: Bound, resamples: int) -> dict[str, Any] | None:
    """Return both empirical risks of the images, each at the threshold of the other folds.

    Args:
        risks: (U, 2, 257), from `image_risks`.

    Returns:
        None if a fold has no threshold.
    """
    folds = folds_of(np.arange(len(risks)))
    levels = []
    for fold in range(folds.max() + 1):
        others = bound.defined_risks(risks[folds != fold])
        levels.append(bound.level(others.sum(axis=0), len(others)))
    if None in levels:
        return None
    held_out = risks[np.arange(len(risks)), :, np.array(levels)[folds]]
    return _empirical(held_out, resamples)


@one_thread
def risk_spread(
    counts: Counts, bound: Bound, resamples: int, key: int = SEED
) -> tuple[float, float] | None:
    """Return the 95 % range of the expected risk of a further image, over calibration samples.

    The bound holds for the mean over samples of n images; the threshold of a single sample has a
    higher or lower risk. The bootstrap estimates this spread from the threshold of each resample
    and the mean risk of all images there. For 0/1 risks it approximates the beta distribution of
    Angelopoulos and Bates (arXiv 2107.07511, section 3.2).

    Args:
        counts: of the calibration images. Only the n images (or groups) that have the risk are
            resampled.
        key: of the draws.

    Returns:
        None without resamples, with n < 10, or where a resample gives no threshold.
    """
    risks = bound.defined_risks(image_risks(counts))
    units = len(risks)
    if not resamples or units < FEW_GROUPS:
        return None
    levels = [bound.level(total, units) for total in draws(units, resamples, key) @ risks]
    if None in levels:
        return None
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(risks.mean(axis=0)[np.array(levels)], [tail, (1 + LEVEL) / 2])
    return float(low), float(high)


def _empirical(risks: np.ndarray, resamples: int) -> dict[str, Any]:
    """Return both mean risks over images (or groups) with their intervals.

    Args:
        risks: (U, 2) of each unit; NaN where it has none.
    """
    defined = ~np.isnan(risks)
    means = image_means(risks, SEED, resamples)
    intervals: dict[str, tuple[float, float] | None] = dict.fromkeys(RISKS)
    result: dict[str, Any] = {"images": int(defined.any(axis=1).sum()), "intervals": intervals}
    for column, name in enumerate(RISKS):
        known = risks[defined[:, column], column]
        result[name] = float(known.mean()) if len(known) else None
        if len(known) and resamples:
            intervals[name] = interval(result[name], means[:, column], len(known), FRACTION)
    return result


def exceeded(result: dict[str, Any], where: str) -> list[str]:
    """Return a warning if the whole confidence interval of the empirical risk exceeds the bound.

    Args:
        result: as of `controlled`.
        where: the images of the result, which the warning begins with.
    """
    bound = Bound(result["risk"], result["alpha"])
    delivered = result["delivered"]
    limits = delivered and delivered["intervals"][bound.risk]
    if not limits or limits[0] <= bound.alpha:
        return []
    quantity = RISKS[bound.risk]
    empirical = with_ends(quantity, delivered[bound.risk], limits)
    return [
        f"{where}: the empirical {quantity.title} is {empirical} %, above the bound of "
        f"{quantity.factor * bound.alpha:g} %: the images may not be exchangeable, or these are "
        "too few"
    ]


def summary_text(result: dict[str, Any]) -> list[str]:
    """Return the lines that the terminal shows of the `result` of `controlled`."""
    bound = Bound(result["risk"], result["alpha"])
    units = result.get("over", "images")
    level = result["level"]
    if level is None:
        return [f"{bound}: no threshold meets it: {result['reason']}"]
    mask = f"a mask of the pixels of probability {result['threshold']:.4f} ({level} of 255) or more"
    if level == 0:
        mask = "only a mask of all pixels"
    elif level == EIGHT_BIT:
        mask = "only an empty mask"
    sample = f"{result['images']:,}"
    lines = [
        f"{bound}: {mask} meets it on average over {units} like these {sample} (exchangeable with "
        "them)"
    ]
    quantity = RISKS[bound.risk]
    if result["spread"]:
        low, high = result["spread"]
        lines.append(
            f"95 % of samples of {sample} {units} give an expected {quantity.title} of "
            f"{quantity.number(low)} to {quantity.number(high)} %"
        )
    delivered = result["delivered"]
    if delivered:
        shown = []
        for name, risk in RISKS.items():
            if delivered[name] is not None:
                ends = with_ends(risk, delivered[name], delivered["intervals"][name])
                shown.append(f"{risk.title} % {ends}")
        lines.append(
            f"empirical risk, each fifth of them at the threshold of the others: {', '.join(shown)}"
        )
    return lines
