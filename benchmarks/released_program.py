"""How large the differences to the released program are that docs/protocol.md names: tables in
Markdown.

    python benchmarks/released_program.py --photos DUTS-TR/Image --maps U2Net/ECSSD --masks ECSSD/GT

The released program is rewritten here from its description, in float64. Photographs: all that
--photos holds, taken for ones of 400 px on the longer side, as those of DUTS-TR are; the square has
384 px then, or as much of the given size. Maps: 8 bit, stretched one by one and rounded, as the
released test program saves them. Data sets with soft masks are rare outside of the original
archives; masks and maps averaged over 2 x 2 pixels stand in for them.
"""

from __future__ import annotations

import argparse
from math import log
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.sample import checked
from pipeline_src.data.image_io import decode_image, decode_mask, resize
from pipeline_src.maps.files import pairs_and_warnings
from pipeline_src.metrics.registry import value
from pipeline_src.params.schema import Augmentation
from pipeline_src.training.batches import augment
from pipeline_src.training.pixels import CLAMP

SHOWN = {"max F": "max_f", "mean F": "mean_f", "E": "e_measure"}
LONGER = 400  # pixels of the longer side of an image
SIDE = 384  # pixels of a side of the network's input
BORDER = 30  # pixels that a crop cuts off at most
# Of the levels 0..255, the lowest that reaches each threshold k/254: all but level 1.
THRESHOLDS = -(-255 * np.arange(255) // 254)


def clamp() -> None:
    top = np.float32(1) - np.float32(CLAMP)
    released = log(top / (1 - float(top)))
    print(f"clamp of |z|: float32 {released:.2f}, here {log((1 - CLAMP) / CLAMP):.2f}")


class Draw:
    """A generator for `augment` that draws no change but a crop of given shares of both sides."""

    def __init__(self, cut: np.ndarray):
        self.cut = cut

    def random(self) -> float:
        return 1.0

    def uniform(self, low: float, high: float, size: int | None = None) -> np.ndarray | float:
        return self.cut if size else 0.0


def filtered(image: np.ndarray, side: int) -> np.ndarray:
    return np.array(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))


def contrast(image: np.ndarray) -> float:
    """Return the mean absolute difference of neighboring pixels."""
    return float(np.mean([np.abs(np.diff(image.astype(int), axis=axis)).mean() for axis in (0, 1)]))


def photographs(folder: Path) -> None:
    """Print how resizing and cropping of photographs differ, and what a crop takes off."""
    rng = np.random.default_rng(0)
    settings = Augmentation(flip=0, rotate_probability=0)
    resized = []
    trained = []
    sharp = []
    cut = []
    for path in sorted(folder.glob("*.jpg")):
        image = decode_image(path.read_bytes())
        height, width = image.shape[:2]
        longer = max(height, width)
        side = round(SIDE / LONGER * longer)
        border = round(BORDER / LONGER * longer)
        square = resize(image, side)
        resized.append(np.abs(filtered(image, side).astype(int) - square).mean())
        left, top = rng.integers(
            1, border // 2 + 1, 2
        )  # whole pixels at both ends, so that both crops are the same
        theirs = filtered(image[top : height - top, left : width - left], side)
        draw: Any = Draw(np.array([2 * left / width, 2 * top / height]))
        ours, _ = augment(square, square[..., 0], draw, settings)
        trained.append(np.abs(theirs.astype(int) - ours).mean())
        sharp.append(contrast(ours) / contrast(theirs))
        cut.append([(1 + BORDER) / 2 / (LONGER * length / longer) for length in (width, height)])
    width, height = np.mean(cut, axis=0)
    print(f"{len(resized)} photographs, mean differences of 255")
    print(f"resized: {np.mean(resized):.2f}")
    print(
        f"cropped and resized: {np.mean(trained):.2f}; "
        f"neighbours differ {np.mean(sharp):.2f} times as much here"
    )
    print(f"crop: on average {width:.1%} of the width and {height:.1%} of the height")


def released(level: np.ndarray, soft: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return F and E at each threshold, of a map (H, W) of levels and a mask (H, W) in [0, 1]."""
    n = soft.size
    foreground = soft.sum()

    def above(weights: np.ndarray | None) -> np.ndarray:
        weights = None if weights is None else weights.ravel()
        return np.bincount(level.ravel(), weights, 256)[::-1].cumsum()[::-1][THRESHOLDS]

    taken = above(None)
    hits = above(soft)
    with np.errstate(invalid="ignore"):
        precision = hits / np.maximum(taken, 1)
        recall = hits / foreground
        f = np.nan_to_num(1.3 * precision * recall / (0.3 * precision + recall))
    enhanced = np.zeros(len(THRESHOLDS))
    for here, number in zip(*np.unique(soft, return_counts=True), strict=True):
        inside = above(soft == here)
        for predicted, pixels in ((1, inside), (0, number - inside)):
            a = predicted - taken / n
            b = here - foreground / n
            enhanced += pixels * (1 + 2 * a * b / (a * a + b * b + 1e-20)) ** 2 / 4
    return f, enhanced / (n - 1)


def scores(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Return the metrics of the released program on pairs of a map and a mask."""
    f, e = (
        np.mean(rows, axis=0) for rows in zip(*[released(*pair) for pair in pairs], strict=True)
    )
    return dict(zip(SHOWN, (f.max(), f.mean(), e.mean()), strict=True))


def ours(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    accumulator = Accumulator(whole_maps=True)
    for number, (level, mask) in enumerate(pairs):
        truth = (mask > 127 / 255).astype(np.uint8)
        accumulator.add(checked(level, truth, str(number)))
    counts = accumulator.counts()["stretched"]
    return {heading: value(name, counts) for heading, name in SHOWN.items()}


def stretched(level: np.ndarray) -> np.ndarray:
    low = int(level.min())
    high = int(level.max())
    return np.rint(255 * (level - float(low)) / max(high - low, 1)).astype(np.uint8)


def maps(folder: Path, masks: Path) -> None:
    """Print a table of the accuracy metrics of both programs on the same maps."""
    whole = []
    halved = []
    for pair in pairs_and_warnings(folder, masks)[0]:
        level = decode_mask(pair.map.read_bytes())
        assert pair.mask
        mask = decode_mask(pair.mask.read_bytes())
        half = (level.shape[1] // 2, level.shape[0] // 2)
        whole.append((stretched(level), mask / 255))
        small = cv2.resize(mask, half, interpolation=cv2.INTER_AREA)
        halved.append(
            (stretched(cv2.resize(level, half, interpolation=cv2.INTER_AREA)), small / 255)
        )
    grey = np.mean([((mask > 0) & (mask < 1)).mean() for _, mask in halved])
    binary = [(level, (mask > 127 / 255).astype(float)) for level, mask in halved]
    columns = [ours(whole), scores(whole), scores(binary), scores(halved)]
    print(f"{len(whole)} maps; halved, {grey:.1%} of the mask pixels are grey\n")
    print("| | here | released | released, halved, masks > 127 | released, halved, soft masks |")
    print("|---|---:|---:|---:|---:|")
    for heading in SHOWN:
        print("|", heading, "|", " | ".join(f"{column[heading]:.4f}" for column in columns), "|")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--maps", type=Path)
    parser.add_argument("--masks", type=Path)
    arguments = parser.parse_args()
    clamp()
    if arguments.photos:
        photographs(arguments.photos)
    if arguments.maps:
        maps(arguments.maps, arguments.masks)


if __name__ == "__main__":
    main()
