"""A gallery of predictions: image, mask, confidence and errors of the worst, median and best calibrated images."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Picture, Results
from pipeline_src.labels import IGNORED, NO_CLASS

EACH = 2  # worst images, and as many median and best ones
LONGEST = 160  # pixels of an image that is drawn
ROW = 1.1  # inches
KEY = (
    "confidence: the darker the higher · errors: wrong pixels, the darker the more confident",
    "numbers: share of the foreground, mean confidence, and accuracy, which are below the errors",
)
CHOICE = "largest, median and smallest abs(confidence − accuracy)"


@dataclass(frozen=True)
class Prediction:
    """An image with its predictions.

    Attributes:
        rank: "worst", "median" or "best".
        id: of the image.
        image: (h, w, 3) uint8 of any size; None if there is none.
        target: (H, W) class ids, `NO_CLASS` and `IGNORED`.
        maps: method -> its probabilities, (H, W) of one object or (K, H, W), floats or as of saved
            maps.
    """

    rank: str
    id: str
    image: np.ndarray | None
    target: np.ndarray
    maps: dict[str, np.ndarray]


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per test set."""
    for part in facts.tests:
        caption = f"Images of {part} of {CHOICE}, mean over methods and seeds; maps of seed {facts.seeds[0]}."
        yield Picture(FIGURE, (part,), f"Predictions on {part}", caption, "raw", part, wide=True)


def paint(
    picture: Picture, results: Results, predictions: Sequence[Prediction]
) -> tuple[Figure, DataFrame]:
    """Draw the predictions of all methods on the same images."""
    lines = [
        f"images of {CHOICE}, mean over methods and seeds",
        f"maps: seed {results.facts.seeds[0]}, unnormalized",
    ]
    return draw(predictions, picture.title, lines)


def choose(gaps: np.ndarray) -> dict[int, str]:
    """Return the places of the images to show -> "worst", "median" or "best", from their gaps (N,); NaN: never."""
    order = np.argsort(-gaps)[: np.count_nonzero(~np.isnan(gaps))].tolist()
    middle = max(0, (len(order) - EACH) // 2)
    best = dict.fromkeys(order[-EACH:], "best")
    median = dict.fromkeys(order[middle : middle + EACH], "median")
    chosen = median | best | dict.fromkeys(order[:EACH], "worst")
    return {image: chosen[image] for image in order if image in chosen}


def draw(
    predictions: Sequence[Prediction], heading: str, lines: Sequence[str]
) -> tuple[Figure, DataFrame]:
    """Draw a column per image with its layers; return also the numbers below them."""
    import pandas as pd

    columns = [list(layers(prediction)) for prediction in predictions]
    names = [name for name, *_ in columns[0]]
    figure, used = style.new_figure(ROW * len(names) + 0.3, heading, [*lines, *KEY], style.WIDE)
    places = {"left": 0.14, "right": 0.99, "bottom": 0.15 / figure.get_figheight(), "wspace": 0.05}
    places["top"] = 1 - (used + 0.2) / figure.get_figheight()
    grid = figure.subplots(len(names), len(predictions), squeeze=False, gridspec_kw=places)
    rows = []
    for panels, drawn, prediction in zip(grid.T, columns, predictions, strict=True):
        height, width = prediction.target.shape
        panels[0].set_title(prediction.rank, fontsize=7)
        for axes, (name, array, look, number) in zip(panels, drawn, strict=True):
            step = -(-max(array.shape[:2]) // LONGEST)
            axes.imshow(array[::step, ::step], extent=(0, width, height, 0), **look)
            axes.set(xticks=[], yticks=[])
            axes.grid(visible=False)
            axes.spines[:].set_visible(True)
            if look:
                axes.set_xlabel(f"{100 * number:.1f} %", fontsize=5.5, labelpad=2)
                rows.append((prediction.rank, prediction.id, name, number))
    for axes, name in zip(grid[:, 0], names, strict=True):
        text = textwrap.fill(name, 16)
        axes.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=6, parse_math=False)
    return figure, pd.DataFrame(rows, columns=["rank", "id", "layer", "mean"])


def layers(shown: Prediction) -> Iterator[tuple[str, np.ndarray, dict[str, Any], float]]:
    """Yield what is drawn of an image: name, array, how it is drawn, and a mean over its pixels:
    the share of the foreground, the mean confidence and the accuracy of each method.
    """
    counts = shown.target != IGNORED
    if shown.image is not None:
        yield "image", shown.image, {}, math.nan
    foreground = (shown.target > 0) & (shown.target < NO_CLASS)
    mask = np.where(shown.target < NO_CLASS, shown.target, math.nan)
    yield "mask", mask, {"cmap": "gray", "vmin": 0}, foreground[counts].mean()
    for method, probability in shown.maps.items():
        confidence, predicted, least = top_label(probability)
        right = predicted == shown.target
        known = np.where(counts, confidence, math.nan)
        mean = float(np.nanmean(known))
        yield f"{method}: confidence", known, {"cmap": "Blues", "vmin": least, "vmax": 1}, mean
        wrong = np.where(right, math.nan, known)
        yield (
            f"{method}: errors",
            wrong,
            {"cmap": "Reds", "vmin": 2 * least - 1, "vmax": 1},
            right[counts].mean(),
        )


def top_label(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return confidence and class of the top label, (H, W) each, and the least possible confidence."""
    if probability.ndim == 3:
        return probability.max(axis=0), probability.argmax(axis=0), 1 / len(probability)
    f = probability / (np.iinfo(probability.dtype).max if probability.dtype.kind == "u" else 1)
    return np.maximum(f, 1 - f), f >= 0.5, 0.5


FIGURE = FigureType(
    "gallery",
    "Gallery of predictions",
    "The same images for every method: their masks, the confidence in the top label, and the wrong pixels. Numbers are "
    "the share of the foreground, the mean confidence and the accuracy of an image.",
    pictures,
    paint,
)
