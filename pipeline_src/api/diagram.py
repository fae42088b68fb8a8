"""The reliability diagram in axes of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_src.counting.counts import Counts
from pipeline_src.errors import UserError
from pipeline_src.figures import bin_tables, style
from pipeline_src.figures.reliability import CONFIDENCE, draw_accuracy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pipeline_src.api.statistic import Statistic
    from pipeline_src.api.torch_metric import DenseCalibration


def reliability_diagram(of: Statistic | DenseCalibration, bins: int = 10, ax: Axes | None = None) -> Axes:
    """Accuracy of the top label against its confidence, with both means and the isotonic regression, which has no bins.

    Args:
        of: a `Statistic` or a `DenseCalibration`.
        bins: equal-width bins of confidence, a divisor of 66,300; of 150 where a `DenseCalibration` has so many,
            of which the isotonic regression is then too.
        ax: where to draw; a new figure of pyplot by default.

    Raises:
        UserError: it is neither of these, no pixel was counted, or the number of bins cannot be formed exactly.
    """
    counts = getattr(of, "counts", None)
    if not isinstance(counts, Counts):
        raise UserError(
            "a reliability diagram is drawn from counts",
            found=f"of type {type(of).__name__}",
            expected="a Statistic or a DenseCalibration",
            fix="reliability_diagram(Statistic().update(probabilities, masks))",
        )
    if not counts.pixels:
        raise UserError("there is nothing to draw", found="no pixel that counts", fix="`update` with images first")
    table, curve = bin_tables.reliability_table(counts, bins), bin_tables.isotonic_table(counts)
    with style.house():
        if ax is None:
            from matplotlib import pyplot

            ax = pyplot.subplots(figsize=(style.WIDTH, style.WIDTH), layout="constrained")[1]
        draw_accuracy(ax, table, curve, bin_tables.corner([table]))
        ax.set_xlabel(CONFIDENCE)
    return ax
