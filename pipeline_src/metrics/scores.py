"""Accuracy and the proper scores: means over all pixels that count, of one protocol's `Counts`.

Each raises `Undefined` where no pixel counts, or where a quick statistic did not measure the quantity.
"""

from __future__ import annotations

from pipeline_src.counting.counts import Counts, ImageRows
from pipeline_src.counting.levels import UNIT
from pipeline_src.counting.views import Undefined


def rows_of(counts: Counts) -> ImageRows:
    """The rows per image; raises `Undefined` where there are none."""
    if counts.pixels == 0:
        raise Undefined("no pixel counts")
    if counts.rows is None:
        raise Undefined("a quick statistic does not measure it")
    return counts.rows


def _mean(counts: Counts, name: str) -> float:
    return rows_of(counts).total(name) / UNIT / counts.pixels


def accuracy(counts: Counts) -> float:
    """Share of pixels whose predicted class ([f >= 0.5], or the top one of K) is their label, in [0, 1]."""
    if counts.pixels == 0:
        raise Undefined("no pixel counts")
    right = counts.count[:, :, 1] if counts.top else counts.count[:, (0, 1), (0, 1)]
    return int(right.sum()) / counts.pixels


def brier(counts: Counts) -> float:
    """Brier score, mean of (f - y)^2, in [0, 1]. Reference: Brier, Monthly Weather Review 1950 (half of its form)."""
    return _mean(counts, "brier")


def nll(counts: Counts) -> float:
    """Negative log-likelihood (binary cross entropy), mean of -log of the probability given to the label, in nats.

    That probability is clamped to [1e-7, 1 - 1e-7], which decides the value where a map is saturated and wrong.
    """
    return _mean(counts, "nll")


def entropy(counts: Counts) -> float:
    """Mean entropy of the predicted distribution (f, 1 - f), in nats, in [0, log 2]; clamped as in `nll`."""
    return _mean(counts, "entropy")


def mae(counts: Counts) -> float:
    """Mean absolute error |f - y| over all pixels, in [0, 1].

    Pixels are pooled. Saliency papers average the images' means, see `image_mae`.
    """
    return _mean(counts, "absolute")


def image_mae(counts: Counts) -> float:
    """Mean over images of the image's mean |f - y|, in [0, 1]: MAE as saliency papers define it.

    Reference: Perazzi et al., CVPR 2012.
    """
    rows = rows_of(counts)
    met = rows.column("pixels") > 0
    return float((rows.column("absolute")[met] / UNIT / rows.column("pixels")[met]).mean())
