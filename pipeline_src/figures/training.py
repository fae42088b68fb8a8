"""Training curves over epochs: history.csv of the runs, and the perturbation levels that methods learn."""

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
    stacked,
    tables_of,
)


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


CURVES = {  # by name of the figure
    "loss": Curve("Loss of the training images", "Loss", "loss", 1, 3, is_comparable=False),
    "accuracy": Curve("Accuracy of the validation images", "Accuracy, %", "val_accuracy", 100, 1),
    "ece": Curve("ECE of the validation images", "ECE, %", "val_ece", 100, 2),
    "alpha": Curve("Learned perturbation level α", "α", "", 1, 3),
}


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per curve that some method has."""
    for key, curve in CURVES.items():
        if methods := facts.trained if curve.column else facts.learned:
            band = "the range of the seeds" if curve.column else "90 % of the training images"
            caption = f"{curve.title} over epochs; the band is {band}."
            yield Picture(FIGURE, (key,), curve.title, caption, wide=style.is_wide(len(methods)))


def paint(picture: Picture, results: Results, folders: Folders) -> tuple[Figure, DataFrame]:
    """Draw one curve of all methods that have it."""
    facts, curve = results.facts, CURVES[picture.key[0]]
    if curve.column:
        tables = {
            m: prepare_history(tables_of(folders, m, "history.csv"), curve.column)
            for m in facts.trained
        }
    else:
        tables = {m: prepare_alphas(tables_of(folders, m, "alpha.csv")) for m in facts.learned}
    lines = [
        f"after each epoch · {style.averaged(facts)}"
        + " · each panel has its own scale" * (not curve.is_comparable)
    ]
    return draw(tables, curve, picture.title, lines), stacked(tables)


def prepare_history(histories: Sequence[DataFrame], column: str) -> DataFrame:
    """Return `epoch`, and the `middle` (mean), `low` and `high` of a column over the seeds that
    have come so far.

    Args:
        histories: one table per seed as in history.csv.
    """
    import pandas as pd

    table = pd.concat(histories).groupby("epoch")[column].agg(middle="mean", low="min", high="max")
    return table.reset_index()


def prepare_alphas(alphas: Sequence[DataFrame]) -> DataFrame:
    """Return `epoch`, and the `middle` (median), `low` and `high` (5 and 95 %) of alpha over the
    images of all seeds.

    Args:
        alphas: one table per seed as in alpha.csv: `id`, then columns "1", "2", ... with alpha
            after that epoch. The shortest seed ends the result.
    """
    import pandas as pd

    shared = set.intersection(*(set(table.columns) - {"id"} for table in alphas))
    values = pd.concat(alphas, ignore_index=True)[sorted(shared, key=int)]
    table = values.quantile([0.5, 0.05, 0.95]).T.set_axis(["middle", "low", "high"], axis=1)
    return table.rename_axis("epoch").reset_index().astype({"epoch": int})


def draw(
    tables: Mapping[str, DataFrame], curve: Curve, heading: str, lines: Sequence[str]
) -> Figure:
    """Draw a panel per method with its curve in its color, faintly with comparable curves of all
    others behind it.

    Args:
        tables: method -> table as `prepare_history`.
    """
    figure, panels = style.small_multiples(len(tables), heading, lines)
    curves = {
        method: table.assign(**(table[["middle", "low", "high"]] * curve.factor))
        for method, table in tables.items()
    }
    last_epoch = max(2, *(int(table["epoch"].max()) for table in curves.values()))
    low, high = _range(list(curves.values()))
    for (method, table), (axes, first, last) in zip(curves.items(), panels, strict=True):
        for other in curves.values() if curve.is_comparable else ():
            axes.plot(other["epoch"], other["middle"], color=style.FAINT, linewidth=0.4)
        color = style.METHOD_COLORS[style.color_number(method)]
        axes.fill_between(
            table["epoch"], table["low"], table["high"], color=color, alpha=0.3, linewidth=0
        )
        axes.plot(table["epoch"], table["middle"], color=color, linewidth=1.4)
        axes.set_xlim(1, last_epoch)
        axes.set_xticks([1, (1 + last_epoch) / 2, last_epoch], ["1", "", str(last_epoch)])
        if curve.is_comparable:
            axes.locator_params("y", nbins=4)
            axes.set_ylim(low, high)
        else:
            axes.set_yticks([])
        style.outer_labels(axes, first, last, "Epoch", curve.label)
        ends = (f"{table['middle'].iloc[k]:.{curve.digits}f}" for k in (0, -1))
        style.name_panel(axes, method, " → ".join(ends), curves)
    return figure


def _range(curves: Sequence[DataFrame]) -> tuple[float, float]:
    """Return limits of an axis for all curves but their outliers."""
    values = np.concatenate([curve[["low", "high"]].to_numpy().ravel() for curve in curves])
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [0.005, 0.995]) if len(finite) else (0, 1)
    margin = 0.06 * max(high - low, 1e-3)
    return low - margin, high + margin


FIGURE = FigureType(
    "training",
    "Training",
    "Loss on the training images, accuracy and ECE on the validation images, and learned perturbation levels after "
    "each epoch. Losses of different methods cannot be compared.",
    pictures,
    paint,
)
