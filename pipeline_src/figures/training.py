"""Training curves over epochs: histories of the runs, and the perturbation levels they learn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.types import (
    DataFrame,
    Figure,
    FigureType,
    Folders,
    Picture,
    Results,
    is_wide,
    stacked,
)

BAND = ["middle", "low", "high"]  # of a curve


class Curve(NamedTuple):
    """A quantity over epochs.

    Attributes:
        title: in a caption.
        label: of its axis.
        column: of history.csv; empty for alpha.csv.
        factor, digits: as it is printed.
        is_comparable: whether heights of methods can be compared, so panels have one range.
    """

    title: str
    label: str
    column: str
    factor: int
    digits: int
    is_comparable: bool = True

    def methods(self, facts: Facts) -> list[str]:
        """Return the methods of an experiment that have it."""
        return facts.trained if self.column else facts.learned


CURVES = {  # by name of the figure
    "loss": Curve(
        title="Loss of the training images",
        label="Loss",
        column="loss",
        factor=1,
        digits=3,
        is_comparable=False,
    ),
    "accuracy": Curve(
        title="Accuracy of the validation images",
        label="Accuracy, %",
        column="val_accuracy",
        factor=100,
        digits=1,
    ),
    "ece": Curve(
        title="ECE of the validation images",
        label="ECE, %",
        column="val_ece",
        factor=100,
        digits=2,
    ),
    "alpha": Curve(title="Learned perturbation level α", label="α", column="", factor=1, digits=3),
}


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per curve that some method has."""
    for key, curve in CURVES.items():
        methods = curve.methods(facts)
        if methods:
            band = "the range of the seeds" if curve.column else "90 % of the training images"
            caption = f"{curve.title} over epochs; the band is {band}."
            yield Picture(
                type=FIGURE,
                key=(key,),
                title=curve.title,
                caption=caption,
                wide=is_wide(len(methods)),
            )


def paint(picture: Picture, results: Results, folders: Folders) -> tuple[Figure, DataFrame]:
    """Draw one curve of all methods that have it; return also the numbers behind it.

    Args:
        folders: (method, seed) -> the folder of a run with history.csv and alpha.csv.
    """
    import pandas as pd

    facts = results.facts
    curve = CURVES[picture.key[0]]
    tables = {}
    for method in curve.methods(facts):
        runs = [folder for (name, _), folder in folders.items() if name == method]
        if curve.column:
            histories = [pd.read_csv(folder / "history.csv") for folder in runs]
            tables[method] = prepare_history(histories, curve.column)
        else:
            alphas = [pd.read_csv(folder / "alpha.csv") for folder in runs]
            tables[method] = prepare_alphas(alphas)
    line = f"after each epoch · {style.averaged(facts)}"
    if not curve.is_comparable:
        line += " · each panel has its own scale"
    return draw(tables, curve, picture.title, [line]), stacked(tables)


def prepare_history(histories: Sequence[DataFrame], column: str) -> DataFrame:
    """Return `epoch` and the `middle`, `low` and `high` of a column over the seeds.

    They are mean, minimum and maximum over the seeds that have come to an epoch.

    Args:
        histories: one table per seed as in history.csv, a row for each epoch.
        column: of the tables.
    """
    import pandas as pd

    table = pd.concat(histories).groupby("epoch")[column].agg(middle="mean", low="min", high="max")
    return table.reset_index()


def prepare_alphas(alphas: Sequence[DataFrame]) -> DataFrame:
    """Return `epoch` and the `middle`, `low` and `high` of alpha over the images of all seeds.

    They are the median and the 5 and 95 % quantiles.

    Args:
        alphas: one table per seed as in alpha.csv: `id`, then columns "1", "2", ... with alpha
            after that epoch. The shortest seed ends the result.
    """
    import pandas as pd

    values = pd.concat(alphas, join="inner", ignore_index=True).drop(columns="id")
    table = values.quantile([0.5, 0.05, 0.95]).T.set_axis(BAND, axis=1)
    return table.rename_axis("epoch").rename(index=int).sort_index().reset_index()


def draw(
    tables: Mapping[str, DataFrame], curve: Curve, heading: str, lines: Sequence[str]
) -> Figure:
    """Draw a panel per method with its curve in its color.

    Comparable curves of all other methods are behind it, faintly.

    Args:
        tables: method -> `epoch` and `middle`, `low` and `high` of the curve.
    """
    import pandas as pd

    curves = {}
    notes = {}
    for method, table in tables.items():
        scaled = table.copy()
        scaled[BAND] *= curve.factor
        first, last = scaled["middle"].iloc[[0, -1]]
        curves[method] = scaled
        notes[method] = f"{first:.{curve.digits}f} → {last:.{curve.digits}f}"
    figure, panels = style.small_multiples(notes, heading, lines)
    together = pd.concat(curves.values())
    last_epoch = max(2, int(together["epoch"].max()))  # an axis needs a length
    low, high = _range(together[["low", "high"]].to_numpy())
    for (method, table), panel in zip(curves.items(), panels, strict=True):
        axes = panel.axes
        if curve.is_comparable:
            for other in curves.values():
                axes.plot(other["epoch"], other["middle"], color=style.FAINT, linewidth=0.4)
        color = style.METHOD_COLORS[style.color_number(method)]
        epoch = table["epoch"]
        axes.fill_between(epoch, table["low"], table["high"], color=color, alpha=0.3, linewidth=0)
        axes.plot(epoch, table["middle"], color=color, linewidth=1.4)
        axes.set_xlim(1, last_epoch)
        axes.set_xticks([1, (1 + last_epoch) / 2, last_epoch], ["1", "", str(last_epoch)])
        if curve.is_comparable:
            axes.locator_params("y", nbins=4)
            axes.set_ylim(low, high)
        else:
            axes.set_yticks([])
        style.outer_labels(axes, panel, "Epoch", curve.label)
    return figure


def _range(values: np.ndarray) -> tuple[float, float]:
    """Return limits of an axis for all values but the 0.5 % lowest and highest, with a margin."""
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [0.005, 0.995]) if len(finite) else (0, 1)
    margin = 0.06 * max(high - low, 1e-3)
    return low - margin, high + margin


FIGURE = FigureType(
    "training",
    "Training",
    "Loss on the training images, accuracy and ECE on the validation images, and learned "
    "perturbation levels after each epoch. Losses of different methods cannot be compared.",
    pictures,
    paint,
)
