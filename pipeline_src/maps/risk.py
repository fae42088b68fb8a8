"""A threshold with a guaranteed bound on a risk (`analysis.conformal`) for saved maps, and its empirical risk."""

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


def controlled(run: Counts, bound: Bound, resamples: int) -> dict[str, Any]:
    """Return the threshold that a run's images guarantee, and its empirical risk.

    Returns:
        `risk`, `alpha`; `images`, the n images (or groups of them) that have the risk; `over`,
        "groups" where the bound is on groups; `level` t and `threshold` t/255, None where no
        threshold meets the bound; `promised`, the guaranteed n/(n+1) R + 1/(n+1) there; `spread`,
        as `risk_spread` returns it; `reason`, why there is no threshold; `delivered`, both
        empirical risks with `images` and `intervals`, each of five folds at the threshold of the
        other folds, None where one of them has no threshold.
    """
    risks = image_risks(run)
    total, units = bound.defined(risks).sum(axis=0), len(bound.defined(risks))
    t = bound.level(total, units)
    result: dict[str, Any] = {"risk": bound.risk, "alpha": bound.alpha, "images": units}
    result |= {"over": "groups"} if run.images.groups is not None else {}
    result |= {"level": t, "threshold": None, "promised": None, "spread": None, "delivered": None}
    if t is None:
        label = "foreground" if bound.risk == "fnr" else "background"
        result["reason"] = (
            f"{units:,} images or groups of them have {label}, and {bound.needs:,} are needed"
        )
        return result
    result |= {"threshold": t / (EIGHT_BIT - 1), "promised": float(guaranteed(total, units)[t])}
    result["spread"] = risk_spread(run, bound, resamples)
    folds = folds_of(np.arange(len(risks)))
    other_folds = [bound.defined(risks[folds != fold]) for fold in range(folds.max() + 1)]
    levels = [bound.level(rows.sum(axis=0), len(rows)) for rows in other_folds]
    if None not in levels:
        result["delivered"] = _empirical(
            risks[np.arange(len(risks)), :, np.array(levels)[folds]], resamples
        )
    return result


@one_thread
def risk_spread(
    run: Counts, bound: Bound, resamples: int, key: int = SEED
) -> tuple[float, float] | None:
    """Return the 95 % range of the expected risk of a further image, over samples of n calibration
    images.

    The bound holds for the mean over such samples; the threshold of a single sample has a higher or
    lower risk. The bootstrap estimates this spread from the threshold of each resample and the mean
    risk of all images there. For 0/1 risks it approximates the beta distribution of Angelopoulos
    and Bates (arXiv 2107.07511, section 3.2).

    Args:
        run: the calibration images. Only the n images (or groups) that have the risk are resampled.
        key: of the draws.

    Returns:
        None without resamples, with n < 10, or where a resample gives no threshold.
    """
    risks = bound.defined(image_risks(run))
    if not resamples or len(risks) < FEW_GROUPS:
        return None
    levels = [bound.level(total, len(risks)) for total in draws(len(risks), resamples, key) @ risks]
    if None in levels:
        return None
    low, high = np.quantile(
        risks.mean(axis=0)[np.array(levels)], [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    )
    return float(low), float(high)


def _empirical(risks: np.ndarray, resamples: int) -> dict[str, Any]:
    """Return both risks, means over images (or groups), from the risks of each (U, 2); NaN where it has none."""
    defined = ~np.isnan(risks)
    resampled = image_means(risks, SEED, resamples) if resamples else None
    values: dict[str, Any] = {"images": int(defined.any(axis=1).sum()), "intervals": {}}
    for k, name in enumerate(RISKS):
        units = int(defined[:, k].sum())
        mean = float(risks[defined[:, k], k].mean()) if units else None
        ends = (
            None
            if mean is None or resampled is None
            else interval(mean, resampled[:, k], units, FRACTION)
        )
        values[name], values["intervals"][name] = mean, ends
    return values


def exceeded(result: dict[str, Any], where: str) -> list[str]:
    """Return a warning if the whole confidence interval of the empirical risk lies above the bound.

    It begins with `where`, the images of this `result` of `controlled`.
    """
    bound, delivered = Bound(result["risk"], result["alpha"]), result["delivered"]
    limits = delivered and delivered["intervals"][bound.risk]
    if not limits or limits[0] <= bound.alpha:
        return []
    quantity = RISKS[bound.risk]
    return [
        f"{where}: the empirical {quantity.title} is {with_ends(quantity, delivered[bound.risk], limits)} %, above the "
        f"bound of {quantity.factor * bound.alpha:g} %: the images may not be exchangeable, or these are too few"
    ]


def summary_text(result: dict[str, Any]) -> list[str]:
    """Return the lines that the terminal shows of `controlled`."""
    bound, units = Bound(result["risk"], result["alpha"]), result.get("over", "images")
    if result["level"] is None:
        return [f"{bound}: no threshold meets it: {result['reason']}"]
    quantity = RISKS[bound.risk]
    pixels = (
        f"the pixels of probability {result['threshold']:.4f} ({result['level']} of 255) or more"
    )
    extremes = {0: "only a mask of all pixels", EIGHT_BIT: "only an empty mask"}
    lines = [
        f"{bound}: {extremes.get(result['level'], f'a mask of {pixels}')} meets it on average over {units} like these "
        f"{result['images']:,} (exchangeable with them)"
    ]
    if spread := result["spread"]:
        low, high = map(quantity.number, spread)
        samples = f"95 % of samples of {result['images']:,} {units}"
        lines.append(f"{samples} give an expected {quantity.title} of {low} to {high} %")
    if tried := result["delivered"]:
        shown = (
            f"{risk.title} % {with_ends(risk, tried[name], tried['intervals'][name])}"
            for name, risk in RISKS.items()
            if tried[name] is not None
        )
        lines.append(
            f"empirical risk, each fifth of them at the threshold of the others: {', '.join(shown)}"
        )
    return lines
