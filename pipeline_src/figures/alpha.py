"""Learned perturbation levels of the training images over epochs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Painted, Picture, Results, Sources, tables_of

QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
BANDS = (("q05", "q95", 0.18), ("q25", "q75", 0.34))  # with their opacity
MEANING = {  # of α, by the form of the perturbation; a method of the user's may have none
    "drawn": "α is the probability of perturbing an image's label at a visit.",
    "expected": "α is the share of the perturbed label at every visit.",
}


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per method that learns alphas."""
    for method in facts.learned:
        shown = f"α of the training images over epochs; {facts.networks_in_words(method)}"
        caption = f"{method}: {shown}. {MEANING.get(facts.methods[method].parameters.get('form', ''), '')}".strip()
        yield Picture(FIGURE, (method,), f"{method}: learned α", caption, method=method)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """The images of all seeds."""
    tables = tables_of(sources.alphas, picture.method)
    epochs, networks = prepare(tables), results.facts.networks_in_words(picture.method)
    lines = [
        f"{len(tables[0]):,} training images · {len(epochs)} epochs · {networks}",
        "line: median · bands: 50 % and 90 % of the images",
    ]
    return Painted(draw(epochs, picture.title, lines), epochs)


def prepare(alphas: Sequence[DataFrame]) -> DataFrame:
    """A row per epoch: `epoch`, quantiles over all images of all seeds (`QUANTILES`), and their `mean`.

    Args:
        alphas: one table per seed as in `alpha.csv`: `id`, then columns "1", "2", ... with alpha after that epoch. The
            shortest seed ends the result.
    """
    import pandas as pd

    shared = set.intersection(*(set(table.columns) - {"id"} for table in alphas))
    values = pd.concat(alphas, ignore_index=True)[sorted(shared, key=int)]
    table = values.quantile(list(QUANTILES.values())).T.set_axis(list(QUANTILES), axis=1).assign(mean=values.mean())
    return table.rename_axis("epoch").reset_index().astype({"epoch": int})


def draw(epochs: DataFrame, heading: str, lines: Sequence[str]) -> Figure:
    """Draw the table of `prepare`."""
    figure, used = style.new_figure(2.6, heading, lines)
    axes = style.place(figure, 0.51, used + 0.15, 2.84, 2.0)
    for low, high, opacity in BANDS:
        axes.fill_between(epochs["epoch"], epochs[low], epochs[high], color=style.ACCENT, alpha=opacity, linewidth=0)
    axes.plot(epochs["epoch"], epochs["q50"], color=style.INK)
    axes.set_xlim(min(1, epochs["epoch"].min()), max(epochs["epoch"].max(), 2))
    axes.set_ylim(0, 1.04 * max(epochs["q95"].max(), 0.05))
    axes.locator_params("x", integer=True, nbins=5)
    axes.set_ylabel("Perturbation level, α")
    axes.set_xlabel("Epoch")
    return figure


FIGURE = FigureType(
    "alpha",
    "Learned perturbation levels",
    "The level α of each training image after each epoch: the median over images and the bands that hold 50 % and 90 % "
    "of them.",
    pictures,
    paint,
)
