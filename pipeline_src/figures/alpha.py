"""Learned perturbation levels: over epochs, and their distribution after the last one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Painted, Picture, Results, Sources, tables_of

BANDS = ((0.05, 0.95), (0.25, 0.75))
MEANING = {  # of α, by the form of the perturbation; a method of the user's may have none
    "drawn": "α is the probability of perturbing an image's label at a visit.",
    "expected": "α is the share of the perturbed label at every visit.",
}
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per method that learns alphas."""
    for method in facts.learned:
        shown = f"α of the training images over epochs; {facts.networks_in_words(method)}"
        caption = f"{method}: {shown}. {MEANING.get(facts.methods[method].parameters.get('form', ''), '')}".strip()
        yield Picture(FIGURE, (method,), f"{method}: learned α", caption, method=method, tables=("last",))


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """The images of all seeds."""
    tables = tables_of(sources.alphas, picture.method)
    epochs, last = quantiles(tables), histogram(tables)
    networks = results.facts.networks_in_words(picture.method)
    lines = [f"{len(tables[0]):,} training images · {len(epochs)} epochs · {networks}"]
    return Painted(draw(epochs, last, picture.title, lines), {"": epochs, "last": last})


def quantiles(alphas: Sequence[DataFrame]) -> DataFrame:
    """Quantiles and mean over all images of all seeds, a row per epoch.

    Args:
        alphas: one table per seed as in `alpha.csv`: `id`, then columns "1", "2", ... with alpha after that epoch.
    """
    values = _values(alphas)
    table = values.quantile(list(QUANTILES)).T
    table.columns = [_column(q) for q in QUANTILES]
    table.insert(0, "epoch", [int(epoch) for epoch in table.index])
    table["mean"] = values.mean()
    return table.reset_index(drop=True)


def histogram(alphas: Sequence[DataFrame], bins: int = 40) -> DataFrame:
    """Images by alpha after the last epoch: `lower`, `upper`, `images`, in `bins` equal steps up to the largest."""
    import pandas as pd

    last = _values(alphas).iloc[:, -1].to_numpy()
    counts, edges = np.histogram(last, bins=bins, range=(0.0, max(float(last.max()), 0.05)))
    return pd.DataFrame({"lower": edges[:-1], "upper": edges[1:], "images": counts})


def draw(epochs: DataFrame, last: DataFrame, heading: str, lines: Sequence[str]) -> Figure:
    """Draw `quantiles` and `histogram`; the two panels share the axis of alpha."""
    figure, used = style.new_figure(2.75, heading, lines)
    main, side = (style.place(figure, x, used + 0.3, wide, 2.0) for x, wide in ((0.51, 1.84), (2.57, 0.78)))
    side.sharey(main)
    for (low, high), shade in zip(BANDS, (0.18, 0.34), strict=True):
        band = epochs[_column(low)], epochs[_column(high)]
        main.fill_between(epochs["epoch"], *band, color=style.ACCENT, alpha=shade, linewidth=0)
    main.plot(epochs["epoch"], epochs["q50"], color=style.INK)
    main.set_xlim(min(1, epochs["epoch"].min()), max(epochs["epoch"].max(), 2))
    main.set_ylim(0, 1.04 * max(epochs["q95"].max(), last["upper"].max()))
    main.set_ylabel("Perturbation level, α")
    main.set_xlabel("Epoch")
    side.barh(last["lower"], last["images"], height=last["upper"] - last["lower"], align="edge", color=style.ACCENT)
    side.set_xlabel("Images")
    side.tick_params(labelleft=False)
    for axes, title in ((main, "median, 50 % and 90 % of images"), (side, "after the last")):
        axes.locator_params("x", integer=True, nbins=3)
        axes.set_title(title, fontsize=7, loc="left", color=style.MUTED)
    return figure


def _column(quantile: float) -> str:
    return f"q{100 * quantile:02.0f}"


def _values(alphas: Sequence[DataFrame]) -> DataFrame:
    """All images of all seeds, a column per epoch in order (a seed that is still shorter ends the table)."""
    import pandas as pd

    shared = set.intersection(*(set(table.columns) - {"id"} for table in alphas))
    return pd.concat(alphas, ignore_index=True)[sorted(shared, key=int)]


FIGURE = FigureType(
    "alpha",
    "Learned perturbation levels",
    "The level α of each training image: the median over images and the bands that hold 50 % and 90 % of them, epoch "
    "by epoch, and all of them after the last epoch.",
    pictures,
    paint,
)
