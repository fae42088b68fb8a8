"""Training curves over epochs: histories of the runs, and the perturbation levels they learn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.types import (
    DataFrame,
    Drawn,
    Figure,
    FigureType,
    Folders,
    Picture,
    Results,
    is_wide,
    stacked,
)

BAND = ["middle", "low", "high"]  # columns of a curve: its line, and the limits of its band


class Curve(NamedTuple):
    """A quantity over epochs.

    Attributes:
        title: its name in a caption.
        label: the label of its axis.
        column: the column of history.csv that holds it; empty for alphas, which are in alpha.csv.
        factor, digits: it is printed as a multiple by `factor`, with so many decimals.
        is_comparable: whether its values can be compared between methods. The panels then have one
            range, and show the curves of all methods faintly.
    """

    title: str
    label: str
    column: str
    factor: int = 1
    digits: int = 3
    is_comparable: bool = True

    def methods(self, facts: Facts) -> list[str]:
        """Return the methods of an experiment that have this quantity: those that train, or those
        that learn alphas.
        """
        return facts.trained if self.column else facts.learned


CURVES = {  # name of the figure -> its curve
    "loss": Curve(
        title="Loss of the training images",
        label="Loss",
        column="loss",
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
    "alpha": Curve(title="Learned perturbation level α", label="α", column=""),
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


def paint(picture: Picture, results: Results, folders: Folders) -> Drawn:
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
    shown = f"median image, {facts.networks_text()}"
    if curve.column:
        shown = facts.networks_text(style.MEANS)
    line = f"after each epoch · {shown}"
    if not curve.is_comparable:
        line += " · each panel has its own scale"
    return draw(tables, curve, picture.title, [line]), stacked(tables)


def prepare_history(histories: Sequence[DataFrame], column: str) -> DataFrame:
    """Return a row per epoch with the columns `epoch`, `middle`, `low` and `high`: mean, minimum
    and maximum of a column over the seeds that have come to this epoch.

    Args:
        histories: one table per seed as in history.csv, a row for each epoch.
        column: the column of these tables.
    """
    import pandas as pd

    table = pd.concat(histories).groupby("epoch")[column].agg(middle="mean", low="min", high="max")
    return table.reset_index()


def prepare_alphas(alphas: Sequence[DataFrame]) -> DataFrame:
    """Return a row per epoch with the columns `epoch`, `middle`, `low` and `high`: median, 5 % and
    95 % quantile of alpha over the training images of all seeds.

    Args:
        alphas: one table per seed as in alpha.csv, a row for each image: `id`, then columns "1",
            "2", ... with alpha after that epoch. Only epochs that all seeds have are in the result.
    """
    import pandas as pd

    # The columns that all tables have: `id` and epochs.
    values = pd.concat(alphas, join="inner", ignore_index=True).drop(columns="id")
    table = values.quantile([0.5, 0.05, 0.95]).T.set_axis(BAND, axis=1)
    return table.rename_axis("epoch").rename(index=int).sort_index().reset_index()


def draw(
    tables: Mapping[str, DataFrame], curve: Curve, heading: str, lines: Sequence[str]
) -> Figure:
    """Draw a panel per method with its curve in its color. The curves of all methods are behind it,
    faintly, if they are comparable.

    Args:
        tables: method -> `epoch` and `middle`, `low` and `high` of the curve, before
            `Curve.factor`.
        heading, lines: the texts above all panels.
    """
    import pandas as pd

    curves = {}
    notes = {}
    for method, table in tables.items():
        scaled = table.copy()
        scaled[BAND] *= curve.factor
        first, last = scaled["middle"].iloc[[0, -1]]
        curves[method] = scaled
        # Below the name of a panel: the value after the first epoch and after the last.
        notes[method] = f"{first:.{curve.digits}f} → {last:.{curve.digits}f}"
    figure, panels = style.small_multiples(notes, heading, lines)
    together = pd.concat(curves.values())
    last_epoch = max(2, int(together["epoch"].max()))  # an axis from 1 needs another end
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
            axes.set_yticks([])  # numbers would invite to compare the panels
        style.outer_labels(axes, panel, "Epoch", curve.label)
    return figure


def _range(values: np.ndarray) -> tuple[float, float]:
    """Return limits of an axis that show all values but the 0.5 % lowest and the 0.5 % highest,
    with a margin.
    """
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
