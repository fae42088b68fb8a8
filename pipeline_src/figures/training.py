"""Training curves, from history.csv of the runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.panels import draw_curves, stacked
from pipeline_src.figures.types import DataFrame, FigureType, Painted, Picture, Results, Sources, tables_of

# Columns of history.csv by name of the figure: axis label, factor, and decimals.
CURVES = {
    "loss": ("loss", "Loss", 1, 3),
    "accuracy": ("val_accuracy", style.AXES["accuracy"], 100, 1),
    "ece": ("val_ece", style.AXES["ece"], 100, 2),
}


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per column of the histories if a method trains."""
    for key, (_, label, *_) in CURVES.items() if facts.trained else ():
        title = f"{label.removesuffix(', %')} of the {'training' if key == 'loss' else 'validation'} images"
        caption = f"{title} over epochs, all methods that train."
        yield Picture(FIGURE, (key,), title, caption, wide=style.is_wide(len(facts.trained)))


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All methods that train; losses on axes of their own, since they cannot be compared."""
    facts, (column, label, factor, digits) = results.facts, CURVES[picture.key[0]]
    tables = {method: prepare(tables_of(sources.histories, method), column) for method in facts.trained}
    shown, notes = {}, {}
    for method, table in tables.items():
        values = table[["mean", "least", "most"]] * factor
        curve = shown[method] = values.set_axis(["y", "low", "high"], axis=1).assign(x=table["epoch"])
        notes[method] = f"{curve['y'].iloc[0]:.{digits}f} → {curve['y'].iloc[-1]:.{digits}f}"
    every = np.concatenate([curve[["low", "high"]].to_numpy().ravel() for curve in shown.values()])
    low, high = np.quantile(every[np.isfinite(every)], [0.005, 0.995]) if np.isfinite(every).any() else (0, 1)
    margin = 0.06 * max(high - low, 1e-3)
    x_range = (1, max(2, *(int(table["epoch"].max()) for table in tables.values())))
    y_range = None if column == "loss" else (low - margin, high + margin)
    lines = [f"after each epoch · {style.averaged(facts)}" + " · each panel has its own scale" * (column == "loss")]
    figure = draw_curves(shown, notes, picture.title, lines, ("Epoch", label), x_range, y_range)
    return Painted(figure, {"": stacked(tables)})


def prepare(histories: Sequence[DataFrame], column: str) -> DataFrame:
    """`epoch`, and the `mean`, `least` and `most` of a column over the seeds that have come so far.

    Args:
        histories: one table per seed as in history.csv.
    """
    import pandas as pd

    together = pd.concat(histories).groupby("epoch")[column]
    table = together.agg(["mean", "min", "max"]).rename(columns={"min": "least", "max": "most"})
    return table.reset_index()


FIGURE = FigureType(
    "training",
    "Training",
    "Loss on the training images, accuracy and ECE on the validation images after each epoch; a band is the range of "
    "the seeds. Losses of different methods cannot be compared.",
    pictures,
    paint,
)
