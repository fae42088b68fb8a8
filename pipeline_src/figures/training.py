"""Training curves, from history.csv of the runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.panels import name_panel, outer_labels, small_multiples, stacked
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Painted, Picture, Results, Sources, tables_of

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
    curves, notes = {}, {}
    for method, table in tables.items():
        curves[method] = table.assign(**(table[["mean", "least", "most"]] * factor))
        notes[method] = f"{curves[method]['mean'].iloc[0]:.{digits}f} → {curves[method]['mean'].iloc[-1]:.{digits}f}"
    own_scale = column == "loss"
    lines = [f"after each epoch · {style.averaged(facts)}" + " · each panel has its own scale" * own_scale]
    return Painted(draw(curves, notes, label, own_scale, picture.title, lines), stacked(tables))


def prepare(histories: Sequence[DataFrame], column: str) -> DataFrame:
    """`epoch`, and the `mean`, `least` and `most` of a column over the seeds that have come so far.

    Args:
        histories: one table per seed as in history.csv.
    """
    import pandas as pd

    table = pd.concat(histories).groupby("epoch")[column].agg(["mean", "min", "max"])
    return table.rename(columns={"min": "least", "max": "most"}).reset_index()


def draw(
    curves: Mapping[str, DataFrame],
    notes: Mapping[str, str],
    label: str,
    own_scale: bool,
    heading: str,
    lines: Sequence[str],
) -> Figure:
    """Draw a panel per method with its curve in its color, faintly with those of all others behind it.

    Args:
        curves: method -> table as `prepare`.
        notes: method -> the text below its name.
        own_scale: whether heights of methods cannot be compared: each panel has a range of its own.
    """
    figure, panels = small_multiples(len(curves), heading, lines)
    looks, last_epoch = style.method_looks(curves), max(2, *(int(curve["epoch"].max()) for curve in curves.values()))
    values = np.concatenate([curve[["least", "most"]].to_numpy().ravel() for curve in curves.values()])
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [0.005, 0.995]) if len(finite) else (0, 1)
    margin = 0.06 * max(high - low, 1e-3)
    for (method, curve), (axes, first, last) in zip(curves.items(), panels, strict=True):
        for other in () if own_scale else curves.values():
            axes.plot(other["epoch"], other["mean"], color=style.FAINT, linewidth=0.4)
        color = looks[method]["color"]
        axes.fill_between(curve["epoch"], curve["least"], curve["most"], color=color, alpha=0.3, linewidth=0)
        axes.plot(curve["epoch"], curve["mean"], color=color, linewidth=1.4)
        axes.set_xlim(1, last_epoch)
        axes.set_xticks([1, (1 + last_epoch) / 2, last_epoch], ["1", "", str(last_epoch)])
        if own_scale:
            axes.set_yticks([])
        else:
            axes.locator_params("y", nbins=4)
            axes.set_ylim(low - margin, high + margin)
        outer_labels(axes, first, last, "Epoch", label)
        name_panel(axes, method, notes[method], curves)
    return figure


FIGURE = FigureType(
    "training",
    "Training",
    "Loss on the training images, accuracy and ECE on the validation images after each epoch; a band is the range of "
    "the seeds. Losses of different methods cannot be compared.",
    pictures,
    paint,
)
