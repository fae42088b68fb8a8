"""The reliability diagram in axes of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_src.errors import UserError
from pipeline_src.figures import bin_tables, style
from pipeline_src.figures.reliability import CONFIDENCE, draw_accuracy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pipeline_src.api.statistic import Statistic
    from pipeline_src.api.torch_metric import DenseCalibration


def reliability_diagram(statistic: Statistic | DenseCalibration, bins: int = 10, ax: Axes | None = None) -> Axes:
    """Draw accuracy of the top label against its confidence, with both means.

    Args:
        statistic: the counted pixels.
        bins: equal-width bins of confidence, a divisor of 66,300.
        ax: where to draw; a new figure of pyplot by default.

    Raises:
        UserError: no pixel was counted, or the number of bins cannot be formed exactly.
    """
    counts = statistic.counts
    if not counts.pixels:
        raise UserError("there is nothing to draw", found="no pixel that counts", fix="`update` with images first")
    table = bin_tables.reliability_table(counts, bins)
    with style.house():
        if ax is None:
            from matplotlib import pyplot

            ax = pyplot.subplots(figsize=(style.WIDTH, style.WIDTH), layout="constrained")[1]
        draw_accuracy(ax, table, bin_tables.corner([table]))
        ax.set_xlabel(CONFIDENCE)
    return ax
