"""Statistics of made-up maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.counts import Counts
from pipeline_src.counting.sample import checked
from pipeline_src.labels import IGNORED
from pipeline_src.metrics.registry import summary

Image = tuple[np.ndarray, np.ndarray, str]  # map, mask, id
ByProtocol = dict[str, Counts]


def one(f, y, quick: bool = False, name: str = "a") -> ByProtocol:
    """Counts of one image given as rows of numbers."""
    options = {"protocols": ["raw"], "images": False} if quick else {}
    image = np.atleast_2d(f), np.atleast_2d(np.asarray(y, np.uint8)), name
    return counted([image], whole=False, **options)


def images(count: int, seed: int = 0, kind: str = "float32") -> Iterator[Image]:
    """Random images of odd sizes with ignored pixels."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        shape = tuple(rng.integers(3, 40, 2))
        f = 1 / (1 + np.exp(-rng.normal(0, 5, shape)))
        y = (rng.random(shape) < f).astype(np.uint8)
        y[rng.random(shape) < 0.1] = 255
        scaled = {"uint8": f * 255, "uint16": f * 65535}.get(kind, f)
        yield scaled.astype(kind), y, f"image-{k:03d}"


def varied(count: int, seed: int = 0, kind: str = "float32", sharp: float = 1.5, shape=(24, 30)) -> Iterator[Image]:
    """Images of varied difficulty, so that resampling images matters; `sharp` above 1 is over-confident."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        z = rng.normal(rng.normal(0, 2), 3, shape)
        y = (rng.random(shape) < 1 / (1 + np.exp(-z))).astype(np.uint8)
        f = 1 / (1 + np.exp(-sharp * z))
        top = {"uint8": 255, "uint16": 65535}.get(kind)
        yield (np.round(f * top) if top else f).astype(kind), y, f"{k:04d}"


def counted(of: Iterable[Image], whole: bool = True, ignore: int = IGNORED, **options) -> ByProtocol:
    """Counts of images, by default with their S and E."""
    accumulator = Accumulator(whole_maps=whole, **options)
    for f, y, name in of:
        accumulator.add(checked(f, y, name, ignore=ignore))
    return accumulator.counts()


def scene(seed: int, classes: int = 5, shape=(30, 40), sharp: float = 1.7) -> tuple[np.ndarray, np.ndarray]:
    """Over-confident probabilities (K, H, W) and class ids with ignored pixels."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 2, (classes, *shape))
    p = np.exp(z) / np.exp(z).sum(axis=0)
    truth = (p.cumsum(axis=0) > rng.random(shape)).argmax(axis=0).astype(np.uint8)
    truth[rng.random(shape) < 0.1] = 255
    sharpened = p**sharp / (p**sharp).sum(axis=0)
    return sharpened.astype(np.float32), truth


def of_scenes(scenes: Iterable[tuple[np.ndarray, np.ndarray]], classes: int = 5, **labels) -> ByProtocol:
    """Counts of maps of several classes; `labels`: those that `checked` takes."""
    accumulator = Accumulator(classes)
    for k, (p, truth) in enumerate(scenes):
        accumulator.add(checked(p, truth, str(k), **labels))
    return accumulator.counts()


def ious(maps, classes: int) -> np.ndarray:
    """IoU of each class, NaN where it does not occur, by mmsegmentation's metric: pairs of map (K, H, W) and truth."""
    import torch
    from mmseg.evaluation import IoUMetric

    areas = [
        IoUMetric.intersect_and_union(torch.from_numpy(p.argmax(0)), torch.from_numpy(truth), classes, 255)
        for p, truth in maps
    ]
    return IoUMetric.total_area_to_metrics(*map(sum, zip(*areas, strict=True)))["IoU"]


def summaries(counts: ByProtocol, bins: int = 10) -> dict[str, tuple[dict[str, float], dict[str, str]]]:
    """Exact values and the reasons of those that are undefined, by protocol."""
    return {protocol: summary(run, bins) for protocol, run in counts.items()}
