"""A threshold with a guaranteed bound on a risk (`analysis.conformal`) for saved maps, and its empirical risk."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline_src.analysis import conformal
from pipeline_src.analysis.conformal import Bound
from pipeline_src.analysis.intervals import FEW_GROUPS, LEVEL, interval
from pipeline_src.analysis.resampling import draws, image_means
from pipeline_src.calibrators.selection import folds_of
from pipeline_src.errors import UserError
from pipeline_src.maps.pairs import Pairs
from pipeline_src.metrics.image_risks import EIGHT_BIT, RISKS, ImageRisks, split
from pipeline_src.metrics.metric import FRACTION, with_ends
from pipeline_src.metrics.protocol_counts import ProtocolCounts


def bound_of(text: str, pairs: Pairs, classes: int | None) -> Bound | None:
    """The bound that `--risk` asks for; None if it is empty.

    Args:
        classes: of the maps; None for binary maps.

    Raises:
        UserError: it is no bound, or the images are too few for it.
    """
    if not text:
        return None
    bound = Bound.of(text)
    if classes:
        raise UserError(
            "--risk is for maps of one object",
            found=f"maps of {classes} classes in {pairs.maps}",
            fix="leave out --risk",
        )
    if pairs.masks is None and bound.risk == "fnr":
        raise UserError(
            f"--risk {text} needs masks: without any object none is missed", fix="--risk fpr=0.05, or --mask DIR"
        )
    if len(pairs) < bound.needs:
        raise UserError(
            f"--risk {text} cannot be guaranteed by so few images",
            found=f"{len(pairs):,} in {pairs.maps}",
            expected=f"{bound.needs:,} or more: 1 / (n + 1) has to be {bound.alpha:g} at most",
            fix="give more images, or a larger ALPHA",
        )
    return bound


def controlled(
    run: ProtocolCounts,
    bound: Bound,
    seed: int,
    resamples: int,
    unseen: ProtocolCounts | None = None,
    held_out: ProtocolCounts | None = None,
) -> dict[str, Any]:
    """The threshold that a run's images guarantee, and its empirical risk.

    Args:
        unseen: other images, on which the threshold is tried. Without them each of five folds of `held_out` is tried at
            the threshold of the other folds.
        held_out: the images of `run`, each calibrated without its fold; by default `run` itself.

    Returns:
        `risk`, `alpha`; `images`, the n images (or groups of them) that have the risk; `over`, "groups" where the bound
        is on groups; `level` t and `threshold` t/255, None where no threshold meets the bound; `promised`, the
        guaranteed n/(n+1) R + 1/(n+1) there; `spread`, the 95 % range of the risk on further images over samples of n
        images (`risk_spread`); `reason`, why there is no threshold or it is useless; `delivered`, both empirical risks
        with `images` and `intervals`, None where no threshold was tried.
    """
    result = _threshold(run, bound)
    spread = risk_spread(run, bound, seed, resamples) if result["level"] is not None else None
    if unseen is None:
        tried = _cross_validated(held_out or run, bound, seed, resamples)
    elif result["level"] is None:
        tried = None
    else:
        tried = _empirical(unseen, np.full(unseen.number, result["level"]), seed, resamples)
    return result | {"spread": spread, "delivered": tried}


def _threshold(run: ProtocolCounts, bound: Bound) -> dict[str, Any]:
    sums = conformal.of_folds(run, np.zeros(run.number, np.int64))[0]
    units = int(split(sums)[1][conformal.RISK_NAMES.index(bound.risk)])
    result: dict[str, Any] = {"risk": bound.risk, "alpha": bound.alpha, "images": units}
    result |= {"over": "groups"} if run.units is not None else {}
    t = conformal.level(bound, sums)
    if t is None:
        label = "foreground" if bound.risk == "fnr" else "background"
        reason = f"{units:,} images or groups of them have {label}, and {bound.needs:,} are needed"
        return result | {"level": None, "threshold": None, "promised": None, "reason": reason}
    result |= {"level": t, "threshold": t / (EIGHT_BIT - 1), "promised": float(conformal.bounds(bound, sums)[t])}
    if conformal.trivial(bound, t, sums):
        masked = "all background, too" if bound.risk == "fnr" else "no pixel of an object"
        result["reason"] = f"useless: this mask holds {masked}"
    return result


def risk_spread(run: ProtocolCounts, bound: Bound, seed: int, resamples: int) -> tuple[float, float] | None:
    """The 95 % range of the risk on further images, over samples of as many images as a run has.

    The bound holds for the mean over samples of n images; the threshold of one sample has a higher or lower risk. The
    bootstrap estimates this spread by the threshold of each resample and the mean risk of all images there. For 0/1
    risks it approximates the beta distribution of Angelopoulos and Bates (arXiv 2107.07511, section 3.2). None without
    resamples, with fewer than ten images, or where a resample gives no threshold.
    """
    if not resamples or run.number < FEW_GROUPS:
        return None
    k = conformal.RISK_NAMES.index(bound.risk)
    units = np.concatenate(list(ImageRisks().units(run)))
    sums = sum(times @ units[block] for block, times in draws(len(units), resamples, seed))
    mean = split(units.sum(axis=0))[0][k] / split(units.sum(axis=0))[1][k]
    levels = [conformal.level(bound, resample) for resample in np.asarray(sums)]
    if any(level is None for level in levels):
        return None
    low, high = np.quantile(mean[np.array(levels)], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _empirical(run: ProtocolCounts, levels: np.ndarray, seed: int, resamples: int) -> dict[str, Any]:
    """Both risks, means over the images (or groups) of a run at the level of each, (U,)."""
    risks = conformal.of_units(run, levels)
    defined = ~np.isnan(risks)
    resampled = image_means(risks, seed, resamples) if resamples else None
    values: dict[str, Any] = {"images": int(defined.any(axis=1).sum()), "intervals": {}}
    for k, name in enumerate(conformal.RISK_NAMES):
        mean = values[name] = float(risks[defined[:, k], k].mean()) if defined[:, k].any() else None
        units = int(defined[:, k].sum())
        ends = None if mean is None or resampled is None else interval(mean, resampled[:, k], units, FRACTION)
        values["intervals"][name] = ends
        if ends and units < FEW_GROUPS:
            values["few"] = values.get("few", {}) | {name: units}
    return values


def _cross_validated(run: ProtocolCounts, bound: Bound, seed: int, resamples: int) -> dict[str, Any] | None:
    if run.number < 2:
        return None
    folds = folds_of(np.arange(run.number))
    sums = conformal.of_folds(run, folds)
    levels = [conformal.level(bound, sums.sum(axis=0) - fold) for fold in sums]
    return None if None in levels else _empirical(run, np.array(levels)[folds], seed, resamples)


def exceeded(result: dict[str, Any], where: str) -> list[str]:
    """A warning where the interval of the empirical risk lies above the bound; `result` as `controlled` returns it."""
    bound, delivered = Bound(result["risk"], result["alpha"]), result["delivered"]
    ends = delivered and delivered["intervals"][bound.risk]
    if not ends or ends[0] <= bound.alpha:
        return []
    quantity = RISKS[bound.risk]
    measured = with_ends(quantity, delivered[bound.risk], ends)
    return [
        f"{where}: the empirical {quantity.title} is {measured} %, above the bound of "
        f"{quantity.factor * bound.alpha:g} %; the bound holds on average over samples of {result['images']:,} images, "
        "and only for images like these: give more images, or a smaller ALPHA"
    ]


def in_words(result: dict[str, Any], where: str = "each fifth of them at the threshold of the others") -> list[str]:
    """The lines that the terminal shows of `controlled`; `where` is what the risks were measured on."""
    bound, grouped = Bound(result["risk"], result["alpha"]), result.get("over") == "groups"
    units = "groups" if grouped else "images"
    if result["level"] is None:
        return [f"{bound}: no threshold meets it: {result['reason']}"]
    lines = [
        f"{bound}: a mask of the pixels of probability {result['threshold']:.4f} ({result['level']} of 255) or more "
        f"meets it on average over {units} like these {result['images']:,} (exchangeable with them)",
        *(["  it is on the mean risk of a further group; that of a further image can be larger"] if grouped else []),
        *([f"  {result['reason']}: the maps are too poor, or the images too few"] if "reason" in result else []),
    ]
    quantity = RISKS[bound.risk]
    if spread := result["spread"]:
        low, high = map(quantity.number, spread)
        samples = f"samples of {result['images']:,} {units}"
        lines.append(f"  in 95 % of {samples} the {quantity.title} on further {units} is {low} to {high} %")
    if result["delivered"] is None:
        return [*lines, "  not tried: a part of the images gives no threshold"]
    shown = [
        f"{quantity.title} % {with_ends(quantity, value, result['delivered']['intervals'][name])}"
        for name, quantity in RISKS.items()
        if (value := result["delivered"][name]) is not None
    ]
    lines.append(f"  empirical risk, {where}: {', '.join(shown)}{', means over groups' * grouped}")
    few = result["delivered"].get("few", {})
    return lines + [f"  few {units} have {RISKS[n].title} ({number}): a rough interval" for n, number in few.items()]
