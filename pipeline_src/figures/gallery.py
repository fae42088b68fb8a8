"""A gallery of predictions: image, mask, confidence and errors of the worst, median and best calibrated images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Picture, Results
from pipeline_src.labels import IGNORED, NO_CLASS

EACH = 2  # worst images, and as many median and best ones
LONGEST = 160  # pixels of an image that is drawn
CHOICE = "largest, median and smallest abs(confidence − accuracy)"


@dataclass(frozen=True)
class Prediction:
    """An image with its predictions.

    Attributes:
        place: "worst", "median" or "best".
        id: of the image.
        image: (h, w, 3) uint8 of any size; None if there is none.
        target: (H, W) class ids, `NO_CLASS` and `IGNORED`.
        maps: method -> its probabilities, (H, W) of one object or (K, H, W), floats or as of saved maps.
    """

    place: str
    id: str
    image: np.ndarray | None
    target: np.ndarray
    maps: Mapping[str, np.ndarray]


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per test set."""
    for part in facts.tests:
        caption = f"Images of {part} of {CHOICE}, mean over methods and seeds; maps of seed {facts.seeds[0]}."
        yield Picture(FIGURE, (part,), f"Predictions on {part}", caption, "raw", part, wide=True)


def paint(picture: Picture, results: Results, predictions: Sequence[Prediction]) -> tuple[Figure, DataFrame]:
    """Draw the predictions of all methods on the same images."""
    lines = [
        f"images of {CHOICE}, mean over methods and seeds",
        f"maps: seed {results.facts.seeds[0]}, unnormalized",
    ]
    return draw(predictions, picture.title, lines)


def choose(gaps: np.ndarray) -> dict[int, str]:
    """Return the places of the images to show -> "worst", "median" or "best", from their gaps (N,); NaN: never."""
    order = np.argsort(-gaps, kind="stable")[: np.count_nonzero(~np.isnan(gaps))].tolist()
    middle = max(0, (len(order) - EACH) // 2)
    chosen: dict[int, str] = {}
    for place, images in (
        ("worst", order[:EACH]),
        ("best", order[-EACH:]),
        ("median", order[middle : middle + EACH]),
    ):
        for image in images:
            chosen.setdefault(image, place)
    return {image: chosen[image] for image in order if image in chosen}


def draw(predictions: Sequence[Prediction], heading: str, lines: Sequence[str]) -> tuple[Figure, DataFrame]:
    """Draw a column per image: the image, its mask, and of each method its confidence and its errors; return also their
    mean confidence and accuracy."""
    import pandas as pd

    methods = list(predictions[0].maps)
    has_image = predictions[0].image is not None
    key = "confidence: the darker the higher · errors: wrong pixels, the darker the more confident"
    high = min(1.3, max(each.target.shape[0] / each.target.shape[1] for each in predictions)) + 0.16
    number = has_image + 1 + 2 * len(methods)
    figure, used = style.new_figure(high * number + 0.2, heading, [*lines, key], style.WIDE)
    top = 1 - (used + 0.2) / figure.get_figheight()
    grid = figure.subplots(
        number, len(predictions), squeeze=False, gridspec_kw={"left": 0.14, "right": 0.99, "bottom": 0, "top": top}
    )
    rows = []
    for column, prediction in zip(grid.T, predictions, strict=True):
        panels = iter(column)
        step = -(-max(prediction.target.shape) // LONGEST)
        target = prediction.target[::step, ::step]
        if prediction.image is not None:
            next(panels).imshow(prediction.image, extent=(0, target.shape[1], target.shape[0], 0))
        next(panels).imshow(np.where(target >= NO_CLASS, np.nan, target), "gray", vmin=0)
        for method, probability in prediction.maps.items():
            confidence, predicted, least = top_label(probability)
            counts = prediction.target != IGNORED
            right = predicted == prediction.target
            means = [float(values[counts].mean()) for values in (confidence, right)]
            rows.append((prediction.place, prediction.id, method, *means))
            axes = next(panels)
            axes.imshow(np.where(counts, confidence, np.nan)[::step, ::step], "Blues", vmin=least, vmax=1)
            text = f"conf. {100 * means[0]:.1f} · acc. {100 * means[1]:.1f}"
            axes.set_xlabel(text, fontsize=5.2, labelpad=2)
            wrong = np.where(counts & ~right, confidence, np.nan)[::step, ::step]
            next(panels).imshow(wrong, "Reds", vmin=2 * least - 1, vmax=1)
        column[0].set_title(prediction.place, fontsize=7)
    layers = (f"{method}:\n{layer}" for method in methods for layer in ("confidence", "errors"))
    for axes, name in zip(grid[:, 0], [*["image"] * has_image, "mask", *layers], strict=True):
        short = "\n".join(style.short_names([line], 18)[line] for line in name.split("\n"))
        axes.set_ylabel(short, rotation=0, ha="right", va="center", fontsize=6, parse_math=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
        axes.spines[:].set_visible(True)
    return figure, pd.DataFrame(rows, columns=["place", "id", "method", "confidence", "accuracy"])


def top_label(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return confidence and class of the top label, (H, W) each, and the least possible confidence."""
    if probability.ndim == 3:
        return probability.max(axis=0), probability.argmax(axis=0), 1 / len(probability)
    scale = np.iinfo(probability.dtype).max if probability.dtype.kind == "u" else 1
    f = probability / scale
    return np.maximum(f, 1 - f), f >= 0.5, 0.5


FIGURE = FigureType(
    "gallery",
    "Gallery of predictions",
    "The same images for every method: their masks, the confidence in the top label, and the wrong pixels. Numbers are "
    "mean confidence and accuracy of an image in percent.",
    pictures,
    paint,
)
