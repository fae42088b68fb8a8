"""A few images of a data set, and how sure and how right two methods are on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.names import shortened
from pipeline_src.figures.thumbnails import row_name, show, shrunk
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Painted, Picture, Results, Sources
from pipeline_src.labels import IGNORED, NO_CLASS

if TYPE_CHECKING:
    from pipeline_src.data.store import Store

CELL_WIDTH, LABEL = 0.95, 0.95  # inches
SURE = ("#fde9a9", "#b9d3ea", "#2f73b3", "#0b2340")
WRONG = ("#f7d9c4", "#c2410c", "#5a1503")

Maps = Mapping[str, Mapping[str, np.ndarray]]  # method -> image id -> (H, W) or (K, H, W) probabilities


def pictures(facts: Facts) -> Iterator[Picture]:
    """One of every test set."""
    methods = " and ".join(shown_methods(facts))
    for part in facts.tests if facts.shows_images else ():
        caption = f"Images of {part}, their masks, and the confidence and the wrong pixels of {methods}, raw protocol."
        yield Picture(FIGURE, (part,), f"Images of {part}", caption, "raw", part, wide=True)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """The example maps of the first seed."""
    from pipeline_src.data.store import Store
    from pipeline_src.prediction.examples import read

    facts, store = results.facts, Store(sources.stores[picture.part])
    maps = {method: read(sources.examples[method, picture.part]) for method in shown_methods(facts)}
    table = prepare(maps, store)
    lines = [
        f"raw protocol · seed {facts.seeds[0]} · images drawn by a hash of their ids, not by result",
        "numbers: mean confidence and accuracy of an image in %",
    ]
    return Painted(draw(table, maps, store, picture.title, lines), {"": table})


def shown_methods(facts: Facts) -> list[str]:
    """The baseline or else the first method, and ASLP_MC or else the last."""
    methods = list(facts.methods)
    return list(dict.fromkeys([facts.baseline or methods[0], facts.principal("aslp_mc") or methods[-1]]))


def judged(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
            truth = store.truth(store.ids.index(image))
            confidence, predicted = judged(probability)
            valid = truth != IGNORED
            rows.append(
                {
                    "method": method,
                    "id": image,
                    "confidence": confidence[valid].astype(np.float64).mean() if valid.any() else np.nan,
                    "accuracy": (predicted == truth)[valid].mean() if valid.any() else np.nan,
                }
            )
    return pd.DataFrame(rows)


def draw(table: DataFrame, maps: Maps, store: Store, heading: str, lines: Sequence[str]) -> Figure:
    """Draw a column per image: the image, its mask, and per method its confidence and its wrong pixels, shaded by how
    sure they are.
    """
    from matplotlib.colors import LinearSegmentedColormap

    sure, wrong = (LinearSegmentedColormap.from_list("", shades) for shades in (SURE, WRONG))
    places = {image: store.ids.index(image) for image in next(iter(maps.values()))}
    least = 1 / max(store.classes, 2)
    tallest = max(store.index[k].height / store.index[k].width for k in places.values())
    heights = [CELL_WIDTH * min(1, tallest)] * (2 + 2 * len(maps))
    gaps = [0.06, 0.06] + [0.06, 0.22] * len(maps)
    tops = np.concatenate([[0], np.cumsum(np.add(heights, gaps))])
    figure, used = style.new_figure(tops[-1] + 0.42, heading, lines, style.WIDE)
    row_name(figure, "image", used + tops[0] + heights[0] / 2, 15)
    row_name(figure, "mask", used + tops[1] + heights[0] / 2, 15)
    numbers = table.set_index(["method", "id"])
    for m, method in enumerate(maps):
        for what, at in (("confidence", tops[2 + 2 * m]), ("wrong pixels", tops[3 + 2 * m])):
            row_name(figure, f"{shortened(method, 15)}: {what}", used + at + heights[0] / 2, 15)
    for c, (image, k) in enumerate(places.items()):
        truth, size = store.truth(k), (store.index[k].height, store.index[k].width)
        grey = truth.astype(float) * 255 / max(store.classes - 1, 1)
        mask = np.where(truth >= NO_CLASS, 200, grey).astype(np.uint8)
        shown = [np.asarray(store.images[k]), np.repeat(mask[..., None], 3, axis=2)]
        for method in maps:
            confidence, predicted = judged(maps[method][image])
            scaled = (confidence - least) / (1 - least)
            errors = (predicted != truth) & (truth != IGNORED)
            shown += [_rgb(sure(scaled)), np.where(errors[..., None], _rgb(wrong(scaled)), np.uint8(240))]
        for r, picture in enumerate(shown):
            show(figure, shrunk(picture, *size), LABEL + c, used + tops[r], CELL_WIDTH, heights[r])
        for m, method in enumerate(maps):
            row = numbers.loc[(method, image)]
            text = f"conf. {100 * row['confidence']:.1f} · acc. {style.percent(row['accuracy'])}"
            middle = LABEL + c + CELL_WIDTH / 2
            style.write(figure, middle, used + tops[4 + 2 * m] - 0.13, text, ha="center", fontsize=5.2)
    y = used + tops[-1] + 0.14
    for x, text, shades in ((LABEL, "confidence", sure), (LABEL + 3.0, "confidence of wrong pixels", wrong)):
        strip = _rgb(shades(np.linspace(0, 1, 64)[None]))
        axes = style.place(figure, x, y - 0.05, 0.9, 0.1)
        axes.imshow(strip, interpolation="none", aspect="auto")
        axes.axis("off")
        style.write(figure, x + 0.97, y, f"{least:.2g} to 1, {text}")
    return figure


def _rgb(colours: np.ndarray) -> np.ndarray:
    return np.rint(255 * colours[..., :3]).astype(np.uint8)


FIGURE = FigureType(
    "examples",
    "Examples",
    "Images with their masks, and how sure and how wrong two methods are. Which images are shown is decided by a hash "
    "of their ids.",
    pictures,
    paint,
)
