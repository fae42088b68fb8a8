"""Conformal risk control (Angelopoulos et al., ICLR 2024): a threshold that bounds the expected risk of an image.

The mean risk R(t) of n images at a threshold t is known. The method takes the least cautious threshold with

    n / (n + 1) R(t) + 1 / (n + 1) <= alpha,

where 1 is the largest risk of an image. If all n + 1 images are exchangeable (drawn from one distribution, in any
order), the expected risk of a further image is at most alpha. The expectation is over the drawing of all n + 1 images:
a single image, or the further images at the threshold of one sample, can have a higher risk.

Both risks are shares of the pixels of one label (`metrics.image_risks`), the foreground or the background. They are
monotone in the threshold, as the method needs. An image without an object also has the second. The false discovery
rate, the share of a mask that is background, has neither property.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline_src.analysis.estimate import common_seeds
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.metrics.image_risks import EIGHT_BIT, RISKS, ImageRisks, split
from pipeline_src.metrics.metric import Quantity
from pipeline_src.metrics.protocol_counts import ProtocolCounts

QUANTITIES = {"threshold": Quantity(title="threshold", better=0), **RISKS}
RISK_NAMES = list(RISKS)


@dataclass(frozen=True)
class Bound:
    """A bound that is to be guaranteed on a risk.

    Attributes:
        risk: of `RISKS`.
        alpha: the highest expected risk, in (0, 1).
    """

    risk: str
    alpha: float

    @classmethod
    def of(cls, text: str) -> Bound:
        """From "fnr=0.1"; UserError where it is not of this form."""
        name, _, number = text.partition("=")
        try:
            alpha = float(number)
        except ValueError:
            alpha = math.nan
        if name not in RISKS or not 0 < alpha < 1:
            raise UserError(
                "--risk cannot be used",
                found=text,
                expected=f"{' or '.join(f'{risk}=ALPHA' for risk in RISKS)} with 0 < ALPHA < 1",
                fix=(did_you_mean(name, RISKS) if name not in RISKS else None) or "--risk fnr=0.1",
            )
        return cls(name, alpha)

    @property
    def needs(self) -> int:
        """Return the smallest number of images n that can guarantee the bound: 1 / (n + 1) <= alpha."""
        return math.ceil(1 / self.alpha - 1 - 1e-9)

    def __str__(self) -> str:
        quantity = RISKS[self.risk]
        return f"{quantity.title} ≤ {quantity.factor * self.alpha:g} %"


def bounds(bound: Bound, sums: np.ndarray) -> np.ndarray:
    """(..., 257) n / (n + 1) R(t) + 1 / (n + 1) at all thresholds t/255, of sums (..., 516) over n units."""
    risks, units = split(sums)
    k = RISK_NAMES.index(bound.risk)
    return np.divide(risks[..., k, :] + 1, units[..., k, None] + 1)


def level(bound: Bound, sums: np.ndarray) -> int | None:
    """The least cautious t whose bound holds: the largest for FNR, the smallest for FPR. None if no t will do, as with
    too few units.

    Args:
        sums: of `ImageRisks` over units, (516,).
    """
    allowed = np.flatnonzero(bounds(bound, sums) <= bound.alpha)
    if not len(allowed):
        return None
    return int(allowed[-1] if bound.risk == "fnr" else allowed[0])


def trivial(bound: Bound, t: int, sums: np.ndarray) -> bool:
    """Whether masks of a level cost all there is: for FNR all background is in them, for FPR no pixel of an object."""
    risks, units = split(sums)
    other = 1 - RISK_NAMES.index(bound.risk)
    return t == (0 if bound.risk == "fnr" else EIGHT_BIT) or bool(risks[other, t] == units[other] > 0)


def of_units(counted: ProtocolCounts, levels: np.ndarray) -> np.ndarray:
    """(U, 2) the risks of each unit at its level, (U,); NaN where it has none."""
    at_levels = []
    for block in ImageRisks().units(counted):
        risks, units = split(block)
        chosen_levels, levels = levels[: len(block)], levels[len(block) :]
        at_levels.append(np.where(units > 0, risks[np.arange(len(block)), :, chosen_levels], np.nan))
    return np.concatenate(at_levels)


def of_folds(counted: ProtocolCounts, folds: np.ndarray) -> np.ndarray:
    """(K, 516) sums of `ImageRisks` over the units of each fold, (U,) numbers from 0."""
    sums = np.zeros((folds.max() + 1, len(RISK_NAMES) * (EIGHT_BIT + 2)))
    for block in ImageRisks().units(counted):
        chosen_levels, folds = folds[: len(block)], folds[len(block) :]
        np.add.at(sums, chosen_levels, block)
    return sums


def controlled(bound: Bound, fitted: Measurement, unseen: Measurement) -> Measurement | None:
    """`QUANTITIES` of a method on a data set at the thresholds that another one gives, a threshold per seed.

    Returns:
        Points, and values on resamples of the unseen images at these thresholds. None without a common seed, or where
        no threshold keeps the bound.
    """
    seeds = common_seeds([fitted, unseen])
    if not seeds or not all("risk_sums" in measurement.arrays for measurement in (fitted, unseen)):
        return None
    levels = [level(bound, sums) for sums in fitted.of_seeds(fitted.arrays["risk_sums"], seeds)]
    if None in levels:
        return None
    chosen = np.arange(len(seeds))[:, None], np.array(levels)[:, None]
    points, values = {"threshold": np.array(levels) / (EIGHT_BIT - 1)}, {}
    for k, name in enumerate(RISK_NAMES):
        exact, resampled = (
            ImageRisks().from_sums(unseen.of_seeds(unseen.arrays[array], seeds).astype(np.float64), 0)[k]
            for array in ("risk_sums", "risk_sums_resampled")
        )
        points[name] = exact[chosen][:, 0]
        values[name] = np.moveaxis(resampled, 1, 2)[chosen][:, 0]
    values["threshold"] = np.full_like(values["fnr"], np.nan)  # it is not of these images
    return Measurement(
        seeds,
        unseen.images,
        unseen.units,
        points,
        values,
        of_all_seeds=fitted.of_all_seeds and unseen.of_all_seeds,
    )
