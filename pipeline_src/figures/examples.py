"""A few images of a dataset, with the confidence and the errors of two methods."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Painted, Picture, Results, Sources
from pipeline_src.labels import IGNORED, NO_CLASS

if TYPE_CHECKING:
    from pipeline_src.data.store import Store

CELL_WIDTH, LABEL = 0.95, 0.95  # inches

Maps = Mapping[str, Mapping[str, np.ndarray]]  # method -> image id -> (H, W) or (K, H, W) probabilities


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per test set."""
    methods = " and ".join(shown_methods(facts))
    for part in facts.tests if facts.shows_images else ():
        caption = f"Images of {part}, their masks, confidence and wrong pixels of {methods}, unnormalized."
        yield Picture(FIGURE, (part,), f"Images of {part}", caption, "raw", part, wide=True)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """The example maps of the first seed."""
    from pipeline_src.data.store import Store
    from pipeline_src.prediction.examples import read

    facts, store = results.facts, Store(sources.stores[picture.part])
    maps = {method: read(sources.examples[method, picture.part]) for method in shown_methods(facts)}
    table = prepare(maps, store)
    lines = [
        f"unnormalized · seed {facts.seeds[0]} · numbers: mean confidence and accuracy of an image in %",
    ]
    return Painted(draw(table, maps, store, picture.title, lines), table)


def shown_methods(facts: Facts) -> list[str]:
    """The baseline or else the first method, and ASLP_MC or else the last."""
    methods = list(facts.methods)
    return list(dict.fromkeys([facts.baseline or methods[0], facts.principal("aslp_mc") or methods[-1]]))


def top_label(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Confidence of the top label and the predicted class, (H, W) each, of (H, W) or (K, H, W) probabilities."""
    if probability.ndim == 3:
        return probability.max(axis=0), probability.argmax(axis=0)
    return np.maximum(probability, 1 - probability), probability >= 0.5


def prepare(maps: Maps, store: Store) -> DataFrame:
    """A row per method and image: mean `confidence` and `accuracy` of the pixels that count."""
    import pandas as pd

    rows = []
    for method, by_image in maps.items():
        for image, probability in by_image.items():
            target = store.truth(store.ids.index(image))
            confidence, predicted = top_label(probability)
            valid = target != IGNORED
            rows.append(
                {
                    "method": method,
                    "id": image,
                    "confidence": confidence[valid].astype(np.float64).mean() if valid.any() else np.nan,
                    "accuracy": (predicted == target)[valid].mean() if valid.any() else np.nan,
                }
            )
    return pd.DataFrame(rows)


def draw(table: DataFrame, maps: Maps, store: Store, heading: str, lines: Sequence[str]) -> Figure:
    """Draw a column per image: the image, its mask, and per method its confidence and its wrong pixels."""
    from matplotlib import colormaps

    names = ["image", "mask", *(f"{method}: {layer}" for method in maps for layer in ("confidence", "wrong pixels"))]
    images = {image: store.ids.index(image) for image in next(iter(maps.values()))}
    high = CELL_WIDTH * min(1, max(store.index[k].height / store.index[k].width for k in images.values()))
    step, least = high + 0.16, 1 / max(store.classes, 2)
    figure, used = style.new_figure(step * len(names) + 0.3, heading, lines, style.WIDE)
    for r, name in enumerate(names):
        text = "\n".join(textwrap.wrap(name, 16)[:3])
        style.write(figure, 0.1, used + r * step + high / 2, text, color=style.INK)
    numbers = table.set_index(["method", "id"])
    for c, (image, k) in enumerate(images.items()):
        target = store.truth(k)
        mask = np.where(target >= NO_CLASS, 200, target.astype(float) * 255 / max(store.classes - 1, 1))
        cells = [np.asarray(store.images[k]), np.repeat(mask[..., None], 3, axis=2).astype(np.uint8)]
        for method in maps:
            confidence, predicted = top_label(maps[method][image])
            scaled = (confidence - least) / (1 - least)
            errors = ((predicted != target) & (target != IGNORED))[..., None]
            cells += [
                _rgb(colormaps["Blues"](scaled)),
                np.where(errors, _rgb(colormaps["Reds"](scaled)), np.uint8(240)),
            ]
        for r, cell in enumerate(cells):
            _show_image(figure, cell, LABEL + c, used + r * step, CELL_WIDTH, high)
        for m, method in enumerate(maps):
            row, y = numbers.loc[(method, image)], used + (4 + 2 * m) * step - 0.08
            text = f"conf. {100 * row['confidence']:.1f} · acc. {style.percent(row['accuracy'])}"
            style.write(figure, LABEL + c + CELL_WIDTH / 2, y, text, ha="center", fontsize=5.2)
    text = f"blue: confidence, red: confidence of wrong pixels; from light, {least:.2g}, to dark, 1"
    style.write(figure, LABEL, used + step * len(names) + 0.1, text)
    return figure


def _show_image(figure: Figure, image: np.ndarray, x: float, y: float, width: float, height: float) -> None:
    """Show an image (uint8, RGB, at most 128 pixels long) whose upper left corner is at `x`, `y` inches."""
    import cv2

    factor = min(1.0, 128 / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))
    axes = style.place(figure, x, y, width, height)
    axes.imshow(cv2.resize(image, size, interpolation=cv2.INTER_AREA), interpolation="none", aspect="auto")
    axes.axis("off")


def _rgb(colors: np.ndarray) -> np.ndarray:
    return np.asarray(np.rint(255 * colors[..., :3]), np.uint8)


FIGURE = FigureType(
    "examples",
    "Examples",
    "Images with their masks, and the confidence and the errors of two methods. A hash of their ids decides which "
    "images are shown.",
    pictures,
    paint,
)
