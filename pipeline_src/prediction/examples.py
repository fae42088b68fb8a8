"""A few images whose probability maps are stored, for figures that show images.

They are the `NUMBER` images whose ids have the smallest SHA-256 under a fixed key. All methods and seeds of an
experiment show the same images, and no image is selected by its result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from pipeline_src.files import atomic, reading

NUMBER = 6
KEY = "examples"
WHITE = 255


def example_ids(ids: Iterable[str]) -> list[str]:
    """The ids of the images to show, at most `NUMBER`, in the order of their hashes."""
    return sorted(ids, key=lambda name: hashlib.sha256(f"{KEY} {name}".encode()).digest())[:NUMBER]


def write(path: Path | str, maps: Mapping[str, np.ndarray]) -> None:
    """Write probabilities in [0, 1], (H, W) or (K, H, W) by image id, to 8 bits; the same maps give the same bytes."""
    levels = {name: np.rint(probability * WHITE).astype(np.uint8) for name, probability in maps.items()}
    with atomic(path) as temporary:
        np.savez_compressed(temporary, **levels)


def read(path: Path | str) -> dict[str, np.ndarray]:
    """Return the maps that `write` wrote: float32 probabilities in [0, 1], off by at most 1/510.

    Returns:
        by image id, in the order of `example_ids`: the positive class (H, W), or K classes (K, H, W), at original size.

    Raises:
        UserError: there is no such file.
    """
    fix = "run `snakemake --cores all`, which writes them"
    with reading(f"no example maps in {path}", expected=None, fix=fix), np.load(path) as file:
        maps = {name: file[name].astype(np.float32) / WHITE for name in file.files}
    return maps
