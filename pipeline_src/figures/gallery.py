"""A gallery of predictions of the worst, median and best calibrated images.

It shows image, mask, confidence and errors in rows, which are called layers, and an image in each
column.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.types import Drawn, FigureType, Picture, Results
from pipeline_src.labels import IGNORED, NO_CLASS

EACH = 2  # number of images of each rank: worst, median, best
LONGEST = 160  # pixels of the longer side of an image as it is drawn
ROW = 1.1  # height of a row in inches
# Explanations above the images, a line each.
KEY = (
    "confidence: the darker the higher · errors: wrong pixels, the darker the more confident",
    "numbers: share of the foreground, mean confidence, and accuracy, which are below the errors",
)
# Which images are shown, after "images of".
CHOICE = "largest, median and smallest abs(confidence − accuracy)"


@dataclass(frozen=True)
class Prediction:
    """An image with its predictions.

    Attributes:
        rank: "worst", "median" or "best".
        id: of the image.
        image: (h, w, 3) uint8 of any size; None if there is none.
        target: (H, W) class ids, `NO_CLASS` and `IGNORED`.
        maps: method -> its probabilities, (H, W) of one object or (K, H, W): floats, or unsigned
            integers as fractions of their largest value.
    """

    rank: str
    id: str
    image: np.ndarray | None
    target: np.ndarray
    maps: dict[str, np.ndarray]


class Layer(NamedTuple):
    """What is drawn of an image in a row of the gallery.

    Attributes:
        name: of the row.
        array: (h, w) or (h, w, 3).
        mean: the number below it, a mean over the pixels that count; NaN for the image itself.
        colors: name of the color map; None for the image itself.
        low, high: values at the ends of the color map; None for the least and largest of `array`.
    """

    name: str
    array: np.ndarray
    mean: float = math.nan
    colors: str | None = None
    low: float | None = None
    high: float | None = None


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per test set."""
    for split in facts.tests:
        caption = (
            f"Images of {split} of {CHOICE}, mean over methods and seeds; "
            f"maps of seed {facts.seeds[0]}."
        )
        yield Picture(
            type=FIGURE,
            key=(split,),
            title=f"Predictions on {split}",
            caption=caption,
            protocol="raw",
            split=split,
            wide=True,
        )


def paint(picture: Picture, results: Results, predictions: Sequence[Prediction]) -> Drawn:
    """Draw the predictions of all methods on the same images; return also the numbers below them.

    Args:
        predictions: of the images that `choose` chose, an image each.
    """
    lines = [
        f"images of {CHOICE}, mean over methods and seeds",
        f"maps: seed {results.facts.seeds[0]}, unnormalized",
    ]
    return draw(predictions, picture.title, lines)


def choose(gaps: np.ndarray) -> dict[int, str]:
    """Return the images to show, from worst to best: place in `gaps` -> "worst", "median" or
    "best".

    Args:
        gaps: (N,) |confidence - accuracy| of each image. Images without a pixel that counts have
            NaN, and are never shown.
    """
    # From the largest gap to the smallest; `argsort` puts NaN last.
    order = np.argsort(-gaps)[: np.count_nonzero(~np.isnan(gaps))].tolist()
    middle = max(0, (len(order) - EACH) // 2)
    best = dict.fromkeys(order[-EACH:], "best")
    median = dict.fromkeys(order[middle : middle + EACH], "median")
    # Among few images, one can have several ranks. It is shown once: as worst if it is, or else as
    # best.
    chosen = median | best | dict.fromkeys(order[:EACH], "worst")
    return {image: chosen[image] for image in order if image in chosen}


def draw(predictions: Sequence[Prediction], heading: str, lines: Sequence[str]) -> Drawn:
    """Draw a column per image with its layers; return also the numbers below them, a row each:
    rank and id of the image, layer, mean.
    """
    import pandas as pd

    columns = [list(layers(prediction)) for prediction in predictions]
    names = [layer.name for layer in columns[0]]
    # Besides the rows, 0.3 inches: 0.2 for the ranks above the first row, the rest below the last.
    figure, used = style.new_figure(ROW * len(names) + 0.3, heading, [*lines, *KEY], style.WIDE)
    inches = figure.get_figheight()
    figure.subplots_adjust(
        left=0.14, right=0.99, bottom=0.15 / inches, top=1 - (used + 0.2) / inches, wspace=0.05
    )
    grid = figure.subplots(len(names), len(predictions), squeeze=False)
    rows = []
    for panels, drawn, prediction in zip(grid.T, columns, predictions, strict=True):
        height, width = prediction.target.shape
        panels[0].set_title(prediction.rank, fontsize=7)
        for axes, layer in zip(panels, drawn, strict=True):
            # Each `step`-th pixel is drawn, so at most `LONGEST` a side: the quotient, rounded up.
            step = -(-max(layer.array.shape[:2]) // LONGEST)
            axes.imshow(
                layer.array[::step, ::step],
                extent=(0, width, height, 0),
                cmap=layer.colors,
                vmin=layer.low,
                vmax=layer.high,
            )
            axes.set(xticks=[], yticks=[])
            axes.grid(visible=False)
            axes.spines[:].set_visible(True)
            if layer.colors:
                axes.set_xlabel(f"{100 * layer.mean:.1f} %", fontsize=5.5, labelpad=2)
                rows.append((prediction.rank, prediction.id, layer.name, layer.mean))
    for axes, name in zip(grid[:, 0], names, strict=True):
        text = textwrap.fill(name, 16)
        axes.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=6, parse_math=False)
    return figure, pd.DataFrame(rows, columns=["rank", "id", "layer", "mean"])


def layers(shown: Prediction) -> Iterator[Layer]:
    """Yield the layers of an image: image and mask, and for each method confidence and errors.

    Their means are the share of the foreground, and mean confidence and accuracy of each method.
    """
    counted = shown.target != IGNORED  # (H, W) whether a pixel counts
    has_class = shown.target < NO_CLASS  # neither ignored nor without a class; 0 is background
    if shown.image is not None:
        yield Layer("image", shown.image)
    foreground = (has_class & (shown.target > 0))[counted].mean()
    mask = np.where(has_class, shown.target, math.nan)  # NaN is not drawn
    yield Layer("mask", mask, foreground, colors="gray", low=0)
    for method, probability in shown.maps.items():
        confidence, predicted, least = top_label(probability)  # `least`: least confidence
        right = predicted == shown.target
        # Ignored pixels, and in `wrong` also correct ones, are NaN, which is not drawn.
        confidence = np.where(counted, confidence, math.nan)
        wrong = np.where(right, math.nan, confidence)
        accuracy = right[counted].mean()
        mean = float(np.nanmean(confidence))
        yield Layer(f"{method}: confidence", confidence, mean, colors="Blues", low=least, high=1)
        # The colors begin below the least confidence, so its errors are not white.
        yield Layer(f"{method}: errors", wrong, accuracy, "Reds", low=2 * least - 1, high=1)


def top_label(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return confidence and class of the top label, (H, W) each, and the least confidence that a
    top label can have.

    Args:
        probability: (H, W) of one object, or (K, H, W); unsigned integers are fractions of their
            largest value.
    """
    if probability.ndim == 3:
        return probability.max(axis=0), probability.argmax(axis=0), 1 / len(probability)
    if probability.dtype.kind == "u":
        probability = probability / np.iinfo(probability.dtype).max
    return np.maximum(probability, 1 - probability), probability >= 0.5, 0.5


FIGURE = FigureType(
    "gallery",
    "Gallery of predictions",
    "The same images for every method: their masks, the confidence in the top label, and the wrong "
    "pixels. Numbers are the share of the foreground, the mean confidence and the accuracy of an "
    "image.",
    pictures,
    paint,
)
