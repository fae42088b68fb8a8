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

LONGEST = 128  # pixels of an image that is drawn

Maps = Mapping[str, Mapping[str, np.ndarray]]  # method -> image id -> (H, W) or (K, H, W) probabilities


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per test set."""
    methods = " and ".join(shown_methods(facts))
    for part in facts.tests if facts.shows_images else ():
        caption = f"Images of {part}, their masks, confidence and wrong pixels of {methods}, unnormalized."
        yield Picture(FIGURE, (part,), f"Images of {part}", caption, "raw", part, wide=True)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """Draw the example maps of the first seed."""
    from pipeline_src.data.store import Store
    from pipeline_src.prediction.examples import read

    facts, store = results.facts, Store(sources.stores[picture.part])
    maps = {method: read(sources.examples[method, picture.part]) for method in shown_methods(facts)}
    table = prepare(maps, store)
    lines = [
        f"unnormalized · seed {facts.seeds[0]} · numbers: mean confidence and accuracy of an image in %",
        "blue: confidence, red: confidence of wrong pixels; the darkest is 1",
    ]
    return Painted(draw(table, maps, store, picture.title, lines), table)


def shown_methods(facts: Facts) -> list[str]:
    """Return the baseline or else the first method, and ASLP_MC or else the last."""
    methods = list(facts.methods)
    return list(dict.fromkeys([facts.baseline or methods[0], facts.principal("aslp_mc") or methods[-1]]))


def top_label(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return confidence of the top label and predicted class, (H, W) each, of (H, W) or (K, H, W) probabilities."""
    if probability.ndim == 3:
        return probability.max(axis=0), probability.argmax(axis=0)
    return np.maximum(probability, 1 - probability), probability >= 0.5


def prepare(maps: Maps, store: Store) -> DataFrame:
    """Return a row per method and image: mean `confidence` and `accuracy` of the pixels that count."""
    import pandas as pd

    rows = []
    for method, by_image in maps.items():
        for image, probability in by_image.items():
            target = store.truth(store.ids.index(image))
            confidence, predicted = top_label(probability)
            valid, known = target != IGNORED, bool((target != IGNORED).any())
            numbers = {
                "confidence": confidence[valid].astype(np.float64).mean() if known else np.nan,
                "accuracy": (predicted == target)[valid].mean() if known else np.nan,
            }
            rows.append({"method": method, "id": image, **numbers})
    return pd.DataFrame(rows)


def draw(table: DataFrame, maps: Maps, store: Store, heading: str, lines: Sequence[str]) -> Figure:
    """Draw a column per image: the image, its mask, and per method its confidence and its wrong pixels."""
    names = ["image", "mask", *(f"{method}: {layer}" for method in maps for layer in ("confidence", "wrong pixels"))]
    images = {image: store.ids.index(image) for image in next(iter(maps.values()))}
    high = min(1, max(store.index[k].height / store.index[k].width for k in images.values())) + 0.16
    figure, used = style.new_figure(high * len(names), heading, lines, style.WIDE)
    top = 1 - used / figure.get_figheight()
    places = {"left": 0.14, "right": 0.99, "bottom": 0.02, "top": top, "wspace": 0.05}
    grid = figure.subplots(len(names), len(images), squeeze=False, gridspec_kw=places)
    numbers = table.set_index(["method", "id"])
    for column, (image, k) in zip(grid.T, images.items(), strict=True):
        cells = _cells(store, k, {method: by_image[image] for method, by_image in maps.items()})
        for axes, cell in zip(column, cells, strict=True):
            axes.imshow(_small(cell), interpolation="none")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        for axes, method in zip(column[2::2], maps, strict=True):
            row = numbers.loc[(method, image)]
            text = f"conf. {100 * row['confidence']:.1f} · acc. {100 * row['accuracy']:.1f}"
            axes.set_xlabel(text, fontsize=5.2, labelpad=2)
    for axes, name in zip(grid[:, 0], names, strict=True):
        text = "\n".join(textwrap.wrap(name, 16)[:3])
        axes.set_ylabel(text, rotation=0, ha="right", va="center", parse_math=False)
    return figure


def _cells(store: Store, k: int, maps: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return what is shown of an image, as (H, W, 3) uint8: itself, its mask, and two layers per method."""
    from matplotlib import colormaps

    target, least = store.truth(k), 1 / max(store.classes, 2)
    mask = np.where(target >= NO_CLASS, 200, target.astype(float) * 255 / max(store.classes - 1, 1))
    cells = [np.asarray(store.images[k]), np.repeat(mask[..., None], 3, axis=2).astype(np.uint8)]
    for probability in maps.values():
        confidence, predicted = top_label(probability)
        scaled = (confidence - least) / (1 - least)
        blue, red = (np.rint(255 * colormaps[name](scaled)[..., :3]).astype(np.uint8) for name in ("Blues", "Reds"))
        errors = ((predicted != target) & (target != IGNORED))[..., None]
        cells += [blue, np.where(errors, red, np.uint8(240))]
    return cells


def _small(image: np.ndarray) -> np.ndarray:
    """Return an image of at most `LONGEST` pixels on its longer side."""
    import cv2

    factor = min(1.0, LONGEST / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


FIGURE = FigureType(
    "examples",
    "Examples",
    "Images with their masks, and the confidence and the errors of two methods. A hash of their ids decides which "
    "images are shown.",
    pictures,
    paint,
)
