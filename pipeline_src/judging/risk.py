"""A threshold with a bound on a risk (`analysis.conformal`) for saved maps, and what it delivers."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline_src.analysis import conformal
from pipeline_src.analysis.conformal import Bound
from pipeline_src.analysis.intervals import FEW_GROUPS, interval
from pipeline_src.analysis.resampling import image_means
from pipeline_src.calibrators.selection import folds_of
from pipeline_src.errors import UserError
from pipeline_src.judging.files import Pairs
from pipeline_src.metrics.image_risks import EIGHT_BIT, RISKS, split
from pipeline_src.metrics.metric import FRACTION, with_ends
from pipeline_src.metrics.protocol_counts import ProtocolCounts

LEAST = 1e-9  # that a bound can be; whatever a computer holds of images keeps none below


def check(text: str, pairs: Pairs, classes: int | None) -> Bound | None:
    """The bound that `--risk` asks for; None if it is empty.

    Args:
        classes: of the maps; None for one object.

    Raises:
        UserError: it is no bound, or the images cannot keep it.
    """
    if not text:
        return None
    bound = Bound.of(text)
    if bound.alpha < LEAST:
        raise UserError(
            "--risk cannot be used", found=text, expected=f"ALPHA of {LEAST:g} or more", do="--risk fnr=0.1"
        )
    if classes:
        raise UserError(
            "--risk is for maps of one object",
            found=f"maps of {classes} classes in {pairs.maps}",
            do="leave out --risk",
        )
    if pairs.masks is None and bound.risk == "fnr":
        raise UserError(
            f"--risk {text} needs masks: without any object none is missed", do="--risk fpr=0.05, or --mask DIR"
        )
    if len(pairs) < bound.needs:
        raise UserError(
            f"--risk {text} cannot be kept by so few images",
            found=f"{len(pairs):,} in {pairs.maps}",
            expected=f"{bound.needs:,} or more: 1 / (n + 1) has to be {bound.alpha:g} at most",
            do="give more images, or a larger ALPHA",
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
    """The threshold of a run's images, and what it delivers.

    Args:
        unseen: other images, on which the threshold is tried. Without them each of five folds of `held_out` is, at the
            threshold of the others.
        held_out: the images of `run`, each as it is scored by what has not seen it; by default `run` itself.

    Returns:
        `risk`, `alpha`; `images`, the n images (or groups of them) that have the risk; `over`, "groups" where these are
        what the bound is on; `level` t and `threshold` t/255,
        None where there is none; `promised`, n/(n+1) R + 1/(n+1) there; a `reason` where the threshold is none or
        serves nothing; `delivered`, both risks with `images` and `intervals`, None where no threshold was tried.
    """
    result = _fitted(run, bound)
    if unseen is None:
        tried = _cross_validated(held_out or run, bound, seed, resamples)
    elif result["level"] is None:
        tried = None
    else:
        tried = _delivered(unseen, np.full(unseen.number, result["level"]), seed, resamples)
    return result | {"delivered": tried}


def _fitted(run: ProtocolCounts, bound: Bound) -> dict[str, Any]:
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
        held = "all background, too" if bound.risk == "fnr" else "no pixel of an object"
        result["reason"] = f"useless: this mask holds {held}"
    return result


def _delivered(run: ProtocolCounts, levels: np.ndarray, seed: int, resamples: int) -> dict[str, Any]:
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
    levels = [conformal.level(bound, sums.sum(axis=0) - own) for own in sums]
    return None if None in levels else _delivered(run, np.array(levels)[folds], seed, resamples)


def in_words(result: dict[str, Any], where: str = "each fifth of them at the threshold of the others") -> list[str]:
    """What the terminal shows of `controlled`; `where` is what the risks were delivered on."""
    bound, grouped = Bound(result["risk"], result["alpha"]), result.get("over") == "groups"
    units = "groups" if grouped else "images"
    if result["level"] is None:
        return [f"{bound}: no threshold keeps it: {result['reason']}"]
    lines = [
        f"{bound}: a mask of the pixels of probability {result['threshold']:.4f} ({result['level']} of 255) or more "
        f"keeps it on average over {units} like these {result['images']:,} (exchangeable with them)",
        *(["  it is on the mean risk of a further group; that of a further image can be larger"] if grouped else []),
        *([f"  {result['reason']}: the maps are too poor, or the images too few"] if "reason" in result else []),
    ]
    if result["delivered"] is None:
        return [*lines, "  not tried: a part of the images alone gives no threshold"]
    shown = [
        f"{quantity.title} % {with_ends(quantity, value, result['delivered']['intervals'][name])}"
        for name, quantity in RISKS.items()
        if (value := result["delivered"][name]) is not None
    ]
    lines.append(f"  delivered, {where}: {', '.join(shown)}{', means over groups' * grouped}")
    few = result["delivered"].get("few", {})
    return lines + [f"  few {units} have {RISKS[n].title} ({of}): a rough interval" for n, of in few.items()]
