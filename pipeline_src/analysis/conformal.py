"""Conformal risk control (Angelopoulos et al., ICLR 2024): a threshold that bounds a risk.

The mean risk R(t) of n images at a threshold t is known. The method takes the least cautious
threshold with

    n / (n + 1) R(t) + 1 / (n + 1) <= alpha,

where 1 is the largest risk of an image. If all n + 1 images are exchangeable (drawn from one
distribution, in any order), the expected risk of a further image is at most alpha. The expectation
is over the drawing of all n + 1 images: a single image, or the further images at the threshold of
one sample, can have a higher risk.

Both risks are shares of the pixels of one label, and monotone in the threshold, as the method
needs. The false discovery rate, the share of a mask that is background, is not.

Of K classes, the mask of class k has the pixels of p_k >= t/255; a pixel can be in several masks or
in none. Either each class has a threshold of its own, from the images that have the class; then its
own mean risk is bounded. Or all classes have one threshold; then the bound is on the mean over all
images of the largest risk of a class in the image. It does not bound the mean risk of one class
over the images that have it: a class of few images can be missed there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from pipeline_src.counting.counts import Counts, ImageTable, image_blocks
from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.metrics.metric import FRACTION, NEITHER, Quantity

# Levels of an 8-bit map. Thresholds are t/255, t = 0 .. 256: at the last no pixel is foreground.
EIGHT_BIT = 256
# False negative and false positive rate, in percent.
FNR = Quantity(title="FNR", heading="FNR %", factor=100, digits=2, better=NEITHER, range=FRACTION)
FPR = replace(FNR, title="FPR", heading="FPR %")
RISKS = {"fnr": FNR, "fpr": FPR}
RISK_NAMES = list(RISKS)
JOINT = ",joint"  # after a bound, as text


@dataclass(frozen=True)
class Bound:
    """A bound on a risk of masks, which a threshold is to guarantee.

    Attributes:
        risk: `fnr`, the share of the foreground that a mask misses, or `fpr`, the share of the
            background that is in the mask.
        alpha: the highest expected risk, in (0, 1).
        joint: whether all of K classes have one threshold that bounds the largest of their risks.
    """

    risk: str
    alpha: float
    joint: bool = False

    @classmethod
    def of(cls, text: str) -> Bound:
        """Return the bound that a text such as "fnr=0.1" or "fnr=0.1,joint" names.

        Raises:
            UserError: the text is not of this form.
        """
        name, _, number = text.removesuffix(JOINT).partition("=")
        try:
            alpha = float(number)
        except ValueError:
            alpha = math.nan
        if name not in RISKS or not 0 < alpha < 1:
            near = None if name in RISKS else did_you_mean(name, RISKS)
            raise UserError(
                "--risk cannot be used",
                found=text,
                expected=f"fnr=ALPHA or fpr=ALPHA with 0 < ALPHA < 1; with {JOINT} of K classes",
                fix=near or "--risk fnr=0.1",
            )
        return cls(name, alpha, joint=text.endswith(JOINT))

    @property
    def fewest_images(self) -> int:
        """The smallest number n of images, or of groups of them, that can guarantee the bound:
        1 / (n + 1) <= alpha.
        """
        return math.ceil(1 / self.alpha - 1 - 1e-9)  # rounding must not add an image

    def defined_risks(self, risks: np.ndarray) -> np.ndarray:
        """Return the risk at all thresholds, (n, 257), of the n units for which it is defined.

        Args:
            risks: (U, 2, 257), from `unit_risks` or `largest_risks`.
        """
        chosen = risks[:, RISK_NAMES.index(self.risk)]
        # A risk is undefined at all thresholds or at none.
        return chosen[~np.isnan(chosen[:, 0])]

    def level(self, summed_risks: np.ndarray, units: int) -> int | None:
        """Return the least cautious threshold t/255 whose bound holds, as t in 0 .. 256.

        The FNR rises with t, so it is the largest t; the FPR falls, so it is the smallest one.

        Args:
            summed_risks: (257,) over the units (images, or groups of them), by t.
            units: number of units.

        Returns:
            None if the bound holds at no t, for example with too few units.
        """
        allowed = np.flatnonzero(guaranteed(summed_risks, units) <= self.alpha)
        if not len(allowed):
            return None
        return int(allowed[-1] if self.risk == "fnr" else allowed[0])

    def __str__(self) -> str:
        """Return the bound as text, such as "FNR ≤ 10 %"."""
        quantity = RISKS[self.risk]
        largest = "largest " if self.joint else ""
        return f"{largest}{quantity.title} ≤ {quantity.factor * self.alpha:g} %"


def guaranteed(summed_risks: np.ndarray, units: int) -> np.ndarray:
    """Return the bound on the expected risk of a further image at all thresholds t/255, (257,).

    It is n / (n + 1) R(t) + 1 / (n + 1), with the mean risk R of n units.

    Args:
        summed_risks: (257,) n R(t).
        units: their number n.
    """
    return (summed_risks + 1) / (units + 1)


def unit_risks(counts: Counts) -> np.ndarray:
    """Return the risks of the masks f >= t/255 of each independent unit, (U, 2, 257).

    The FNR of an image is the share of its foreground that the mask misses; it rises with t. The
    FPR is the share of its background that is in the mask; it falls with t. The FNR of an image
    without foreground is NaN, and so is the FPR of an image without background. The risk of a group
    of images is the mean over the images in which it is defined.
    """
    return _of_units(_single_risks(counts.images), counts.images)


def largest_risks(counts: Counts) -> np.ndarray:
    """Return the largest risks of the masks p_k >= t/255 of K classes in each unit, (U, 2, 257).

    They are FNR and FPR, as in `unit_risks`, each the largest of all classes for which it is
    defined in the image.
    """
    largest = np.full((len(counts.images), len(RISKS), EIGHT_BIT + 1), np.nan)
    for of_class in counts.classes:
        largest = np.fmax(largest, _single_risks(of_class.images))  # NaN does not count
    return _of_units(largest, counts.images)


@np.errstate(invalid="ignore")  # 0 / 0 where a risk is undefined
def _single_risks(images: ImageTable) -> np.ndarray:
    """Return the risks of each image (`unit_risks`), (I, 2, 257)."""
    risks = np.empty((len(images), len(RISKS), EIGHT_BIT + 1))
    for block in image_blocks(len(images)):
        # Pixels of f < t/255 by label, t = 0 .. 256.
        below = np.cumsum(np.pad(images.levels[block], ((0, 0), (1, 0), (0, 0))), axis=1, dtype=int)
        background = below[..., 0]
        foreground = below[..., 1]
        wrong = np.stack([foreground, background[:, -1:] - background], axis=1)
        pixels = np.stack([foreground[:, -1:], background[:, -1:]], axis=1)
        risks[block] = wrong / pixels
    return risks


@np.errstate(invalid="ignore")  # 0 / 0 where no image of a group has the risk
def _of_units(risks: np.ndarray, images: ImageTable) -> np.ndarray:
    """Return the mean risks of each group, (U, 2, 257), or those of images if there are none."""
    if images.groups is None:
        return risks
    # The mean over the images of each group, without NaN.
    total = np.zeros((images.units, *risks.shape[1:]))
    number = np.zeros_like(total)
    np.add.at(total, images.groups, np.nan_to_num(risks))
    np.add.at(number, images.groups, ~np.isnan(risks))
    return total / number
