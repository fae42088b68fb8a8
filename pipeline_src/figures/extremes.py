"""The training images with the lowest and the highest learned perturbation levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline_src.analysis.alphas import window
from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Painted, Picture, Results, Sources, tables_of

if TYPE_CHECKING:
    from pipeline_src.data.store import Store

IMAGES_PER_END = 6
CELL_SIDE, LABEL = 0.94, 0.95  # inches


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per method that learns alphas."""
    for method in facts.learned if facts.shows_images else ():
        caption = f"{method}: the training images of lowest and highest α; {facts.networks_in_words(method)}."
        yield Picture(FIGURE, (method,), method, caption, method=method, wide=True)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """The training images of the lowest and the highest mean α."""
    from pipeline_src.data.store import Store

    table = prepare(tables_of(sources.alphas, picture.method))
    networks = results.facts.networks_in_words(picture.method)
    lines = [f"mean over the last fifth of the epochs · {networks} · masks outlined"]
    store = Store(sources.stores["train"])
    return Painted(draw(table, store, f"{picture.title}: lowest and highest α", lines), {"": table})


def prepare(alphas: Sequence[DataFrame], number: int = IMAGES_PER_END) -> DataFrame:
    """`end` ("lowest" or "highest"), `id` and `alpha` of up to `number` images at each end, from the end inwards.

    Args:
        alphas: one table per seed as in `alpha.csv`; an image's alpha is its mean over seeds and the last epochs.
    """
    import pandas as pd

    means = []
    for table in alphas:
        values = table.set_index("id")
        means.append(values.iloc[:, window(values.shape[1])].mean(axis=1))
    alpha = pd.concat(means, axis=1).mean(axis=1).rename("alpha").rename_axis("id").reset_index()
    alpha = alpha.sort_values(["alpha", "id"], ignore_index=True)
    number = min(number, len(alpha) // 2)
    low, high = alpha.head(number).assign(end="lowest"), alpha.tail(number)[::-1].assign(end="highest")
    return pd.concat([low, high], ignore_index=True)[["end", "id", "alpha"]]


def draw(table: DataFrame, store: Store, heading: str, lines: Sequence[str]) -> Figure:
    """Draw the images, the outline of their masks on them, from the preprocessed training images."""
    step = CELL_SIDE + 0.24
    figure, used = style.new_figure(2 * step + 0.12, heading, lines, style.WIDE)
    for r, end in enumerate(("lowest", "highest")):
        y = used + 0.06 + r * step
        style.write(figure, 0.1, y + CELL_SIDE / 2, f"{end} α", color=style.INK)
        for c, row in enumerate(table[table["end"] == end].itertuples()):
            k, x = store.ids.index(row.id), LABEL + c
            image, mask = np.asarray(store.images[k]), np.asarray(store.masks[k])
            axes = style.show_image(figure, image, x, y, CELL_SIDE, CELL_SIDE)
            if mask.min() < 128 <= mask.max():
                axes.contour(
                    mask, levels=[127.5], colors=[style.OVER], linewidths=[0.9], extent=axes.images[0].get_extent()
                )
            look = {"ha": "center", "fontsize": 6.5}
            style.write(figure, x + CELL_SIDE / 2, y + CELL_SIDE + 0.1, f"{row.alpha:.3g}", **look)
    return figure


FIGURE = FigureType(
    "extremes",
    "Images of lowest and highest α",
    "The training images that are perturbed least and most at the end of training, their masks outlined.",
    pictures,
    paint,
)
