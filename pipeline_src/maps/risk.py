"""A threshold with a guaranteed bound on a risk (`analysis.conformal`), and its empirical risk.

The risk is the FNR or FPR (false negative or false positive rate) of the masks of all pixels whose
probability reaches the threshold. It is at most alpha for a further image, on average.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import numpy as np

from pipeline_src.analysis.conformal import (
    EIGHT_BIT,
    RISKS,
    Bound,
    guaranteed,
    largest_risks,
    unit_risks,
)
from pipeline_src.analysis.facts import PROTOCOL_NAMES
from pipeline_src.analysis.intervals import FEW_GROUPS, LEVEL, Limits, interval
from pipeline_src.analysis.resampling import SEED, ByProtocol, draws, image_means, one_thread
from pipeline_src.files import Content
from pipeline_src.maps.classes import class_counts
from pipeline_src.metrics.metric import FRACTION, with_ends
from pipeline_src.rng import generator
from pipeline_src.text_tables import UNDEFINED, aligned

FOLDS = 5  # of cross-validation
WHOSE = {  # risk of a class -> which images have it, after the word "images"
    "fnr": "that have the class",
    "fpr": "that have other pixels than the class",
}


def folds_of(groups: np.ndarray) -> np.ndarray:
    """Return the fold of each image, (I,), 0 to 4 (fewer for fewer groups), drawn with a fixed key.

    Images of one group share a fold.

    Args:
        groups: (I,) the group of each image, from 0.
    """
    units = groups.max(initial=-1) + 1
    order = generator("calibrate", "folds", int(units)).permutation(units)
    return (order % min(FOLDS, units))[groups]


def controls(
    counts: ByProtocol, bound: Bound, resamples: int
) -> tuple[dict[str, Content], list[str]]:
    """Return the thresholds for which the images guarantee a bound, and warnings.

    Args:
        counts: by protocol.

    Returns:
        The results of `controlled` by name: of maps of one object by protocol; of K classes
        `class0` to `class<K-1>`, or only `joint` for a joint bound.
    """
    raw = counts["raw"]
    over_groups = raw.images.groups is not None
    control = partial(controlled, bound=bound, resamples=resamples, over_groups=over_groups)
    result = {}
    if bound.joint:
        result["joint"] = control(largest_risks(raw))
        return result, exceeded(result["joint"], "held-out folds")
    if raw.classes:
        for k in range(len(raw.classes)):
            result[f"class{k}"] = control(unit_risks(class_counts(raw, k)))
        return result, class_warnings(result, bound)
    warnings = []
    for protocol, run in counts.items():
        result[protocol] = control(unit_risks(run))
        warnings += exceeded(result[protocol], f"{PROTOCOL_NAMES[protocol]}, held-out folds")
    return result, warnings


def class_warnings(result: Mapping[str, Content], bound: Bound) -> list[str]:
    """Return warnings that name the classes without a threshold, with a mask of all pixels, and
    with an empirical risk above the bound.

    Args:
        result: `class<k>` -> the result of `controlled` for the class k.
    """
    # The ids of the classes without a threshold, with the number of images, of those whose
    # empirical risk exceeds the bound, and of those whose threshold is 0.
    without = []
    above = []
    everywhere = []
    for name, control in result.items():
        k = name.removeprefix("class")
        if control["level"] is None:
            without.append(f"{k} ({control['images']:,})")
        elif exceeded(control, name):
            above.append(k)
        if control["level"] == 0:
            everywhere.append(k)
    warnings = []
    if without:
        warnings.append(
            f"{bound}: no threshold for the class {', '.join(without)}; in brackets the images, or "
            f"groups of them, that have this risk; {bound.fewest_images:,} are needed"
        )
    if everywhere:
        warnings.append(
            f"{bound}: only a mask of all pixels meets it for the class {', '.join(everywhere)}; "
            "thresholds are multiples of 1/255: calibrated maps may have lower risks"
        )
    if above:
        warnings.append(
            f"held-out folds: the empirical {RISKS[bound.risk].title} of the class "
            f"{', '.join(above)} is above the bound, by chance in 1 of 40 classes: the images may "
            "not be exchangeable, or these are too few"
        )
    return warnings


def controlled(risks: np.ndarray, bound: Bound, resamples: int, *, over_groups: bool) -> Content:
    """Return the threshold for which the images guarantee the bound, and its empirical risk.

    Args:
        risks: (U, 2, 257): FNR and FPR of each image, or group of images, at the thresholds t/255
            (`unit_risks` or `largest_risks`).
        over_groups: whether `risks` are of groups.

    Returns:
        A dict of
        - `risk` and `alpha`, of the bound; `joint`, true where it is on the largest risk of K
          classes; `over`, "groups" where it is on groups of images;
        - `images`, the number n of images (or groups) for which the risk is defined;
        - `level` t and `threshold` t/255, None where no threshold meets the bound; `reason`, why;
        - `promised`, the guaranteed mean risk n/(n+1) R + 1/(n+1) at the threshold;
        - `spread`, as `risk_spread` returns it;
        - `delivered`, both empirical risks, as `_delivered` returns them.
    """
    defined = bound.defined_risks(risks)
    total = defined.sum(axis=0)
    units = len(defined)
    level = bound.level(total, units)
    result: Content = {"risk": bound.risk, "alpha": bound.alpha, "images": units}
    if bound.joint:
        result["joint"] = True
    if over_groups:
        result["over"] = "groups"
    result["level"] = level
    result |= dict.fromkeys(("threshold", "promised", "spread", "delivered"))
    if level is None:
        label = "pixels of the object or class" if bound.risk == "fnr" else "other pixels"
        needed = bound.fewest_images  # more where the risk is not 0
        result["reason"] = (
            f"{units:,} images or groups of them have {label}, and {needed:,} are needed"
        )
        return result
    return result | {
        "threshold": level / (EIGHT_BIT - 1),
        "promised": float(guaranteed(total, units)[level]),
        "spread": risk_spread(risks, bound, resamples),
        "delivered": _delivered(risks, bound, resamples),
    }


def _delivered(risks: np.ndarray, bound: Bound, resamples: int) -> Content | None:
    """Return the empirical FNR and FPR of the images, each at the threshold of the other folds.

    Args:
        risks: (U, 2, 257), as in `controlled`.

    Returns:
        What `_empirical` returns; None if the images outside of a fold give no threshold.
    """
    risks = risks[~np.isnan(risks[..., 0]).all(axis=1)]  # a unit without a pixel tells nothing
    folds = folds_of(np.arange(len(risks)))
    levels = []
    for fold in range(folds.max() + 1):
        others = bound.defined_risks(risks[folds != fold])
        levels.append(bound.level(others.sum(axis=0), len(others)))
    if None in levels:
        return None
    # (U, 2): of each unit both risks at the threshold of its fold.
    held_out = risks[np.arange(len(risks)), :, np.array(levels)[folds]]
    return _empirical(held_out, resamples)


@one_thread
def risk_spread(risks: np.ndarray, bound: Bound, resamples: int, key: int = SEED) -> Limits | None:
    """Return the 95 % range of the expected risk of a further image, over calibration samples.

    The bound holds for the mean over samples of n images; the threshold of a single sample has a
    higher or lower risk. The bootstrap estimates this spread from the threshold of each resample
    and the mean risk of all images there. For 0/1 risks it approximates the beta distribution of
    Angelopoulos and Bates (arXiv 2107.07511, section 3.2).

    Args:
        risks: (U, 2, 257), as in `controlled`. Only the n images (or groups) for which the risk is
            defined are resampled.
        key: of the draws.

    Returns:
        None without resamples, with n < 10, or where a resample gives no threshold.
    """
    defined = bound.defined_risks(risks)
    units = len(defined)
    if not resamples or units < FEW_GROUPS:
        return None
    totals = draws(units, resamples, key) @ defined  # (R, 257), summed risks on each resample
    levels = [bound.level(total, units) for total in totals]
    if None in levels:
        return None
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(defined.mean(axis=0)[np.array(levels)], [tail, (1 + LEVEL) / 2])
    return float(low), float(high)


def _empirical(risks: np.ndarray, resamples: int) -> Content:
    """Return both mean risks over images (or groups of them), with their intervals.

    Args:
        risks: (U, 2) FNR and FPR of each unit; NaN where a risk is undefined.

    Returns:
        `fnr` and `fpr`; their `intervals` by risk; and `images`, the number of units with a risk.
    """
    defined = ~np.isnan(risks)
    means = image_means(risks, SEED, resamples)
    intervals: dict[str, Limits | None] = dict.fromkeys(RISKS)
    result: Content = {"images": len(risks), "intervals": intervals}
    for column, name in enumerate(RISKS):
        known = risks[defined[:, column], column]
        result[name] = float(known.mean()) if len(known) else None
        if len(known) and resamples:
            intervals[name] = interval(result[name], means[:, column], len(known), FRACTION)
    return result


def exceeded(result: Content, where: str) -> list[str]:
    """Return a warning if the whole confidence interval of the empirical risk exceeds the bound,
    and an empty list otherwise.

    Args:
        result: what `controlled` returned.
        where: the images that were measured, with which the warning begins.
    """
    bound = _bound_of(result)
    delivered = result["delivered"]
    limits = delivered and delivered["intervals"][bound.risk]  # None where either is missing
    if not limits or limits[0] <= bound.alpha:
        return []
    quantity = RISKS[bound.risk]
    empirical = with_ends(quantity, delivered[bound.risk], limits)
    return [
        f"{where}: the empirical {quantity.title} is {empirical} %, above the bound of "
        f"{quantity.factor * bound.alpha:g} %: the images may not be exchangeable, or these are "
        "too few"
    ]


def _bound_of(control: Content) -> Bound:
    """Return the bound that `control`, a result of `controlled`, is about.

    Only the control of a joint bound has the key "joint".
    """
    return Bound(control["risk"], control["alpha"], joint="joint" in control)


def summary_text(result: Mapping[str, Content]) -> list[str]:
    """Return the lines for the terminal on all thresholds, the `result` of `controls`."""
    if "class0" in result:
        return _class_lines(result)
    lines = []
    for name, control in result.items():
        for text in _control_lines(control):
            lines.append(f"{PROTOCOL_NAMES.get(name, 'all classes jointly')}: {text}")
    return lines


def _class_lines(result: Mapping[str, Content]) -> list[str]:
    """Return the lines of the table of the thresholds of K classes, and of its legend.

    Args:
        result: `class<k>` -> the result of `controlled`; the bound is the same for all. Its `level`
            is None if no threshold meets the bound; `delivered` holds the empirical risks.
    """
    control = result["class0"]
    units = control.get("over", "images")
    bound = _bound_of(control)
    rows = [["class", "p ≥", units, *[f"empirical {risk.column}" for risk in RISKS.values()]]]
    for name, control in result.items():
        cells = [name.removeprefix("class"), UNDEFINED, f"{control['images']:,}"]
        if control["level"] is not None:
            cells[1] = f"{_rounded(control['threshold'], bound):.4f}"
        for risk in RISKS:
            cells.append(_empirical_text(control["delivered"], risk))
        rows.append(cells)
    return [
        f"{bound} of each class: the mask of its pixels of p or more meets it on average over "
        f"{units} like these {WHOSE[bound.risk]} (exchangeable with them)",
        *aligned(rows),
        "FNR: share of the class that its mask misses; FPR: share of other pixels in it",
        f"empirical risk: each fifth of the {units} at the thresholds of the others",
    ]


def _rounded(threshold: float, bound: Bound) -> float:
    """Return a threshold with four decimals, rounded to the side on which the bound holds: the FNR
    is lower at lower thresholds, the FPR at higher ones.
    """
    scaled = 1e4 * threshold
    return (math.floor(scaled) if bound.risk == "fnr" else math.ceil(scaled)) / 1e4


def _empirical_text(delivered: Content | None, risk: str) -> str:
    """Return an empirical risk as printed text with its confidence limits; a sign for an undefined
    number where it is not known.

    Args:
        delivered: what `_delivered` returned.
        risk: `fnr` or `fpr`.
    """
    if not delivered or delivered[risk] is None:
        return UNDEFINED
    return with_ends(RISKS[risk], delivered[risk], delivered["intervals"][risk])


def _control_lines(result: Content) -> list[str]:
    """Return the lines for the terminal on one threshold, the `result` of `controlled`: the
    guarantee, the spread over samples, and the empirical risks.
    """
    bound = _bound_of(result)
    units = result.get("over", "images")
    level = result["level"]
    if level is None:
        return [f"{bound}: no threshold meets it: {result['reason']}"]
    threshold = _rounded(result["threshold"], bound)
    mask = f"a mask of the pixels of probability {threshold:.4f} ({level} of 255) or more"
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
    largest = "largest " if bound.joint else ""
    if result["spread"]:
        low, high = result["spread"]
        lines.append(
            f"95 % of samples of {sample} {units} give an expected {largest}{quantity.title} of "
            f"{quantity.number(low)} to {quantity.number(high)} %"
        )
    delivered = result["delivered"]
    if delivered:
        shown = []
        for name, risk in RISKS.items():
            if delivered[name] is not None:
                shown.append(f"{largest}{risk.title} % {_empirical_text(delivered, name)}")
        lines.append(
            f"empirical risk, each fifth of them at the threshold of the others: {', '.join(shown)}"
        )
    return lines
