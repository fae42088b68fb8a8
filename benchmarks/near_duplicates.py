"""Test images of a data set that look like one of its training images: frames of the same fixed camera, say.

    python benchmarks/near_duplicates.py SMOKE5K train-all test path/to/downloads > names.txt
    python benchmarks/near_duplicates.py SMOKE5K path/to/downloads > groups.csv

The first prints the stems of the images of the second split that lie within `BITS` of 256 bits of one of the first, by
the signs of differences between neighbours in a picture of 17 x 16 grey pixels (dHash). The second prints groups of
images: two are in one if they are so close, or of one fire by their names (a time and the seconds since it began), or
joined by others that are. That is how SMOKE5K-near-train.txt and SMOKE5K-groups.csv in pipeline_src/data/lists were
made.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from scipy.sparse.csgraph import connected_components

from pipeline_src.data import catalog, manifest, sources
from pipeline_src.data.image_io import decode_image
from pipeline_src.data.prepare import prepare
from pipeline_src.params.parts import ALL, Part

BITS = 8
UNPACKED = Path("data/unpacked")


def dhash(image: np.ndarray) -> np.ndarray:
    """(256,) bool of an image (H, W, 3)."""
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (17, 16), interpolation=cv2.INTER_AREA).astype(int)
    return (grey[:, 1:] > grey[:, :-1]).ravel()


def hashes(name: str, split: str, folder: Path, root: Path) -> tuple[list[str], np.ndarray]:
    """Stems of a split, and (N, 256) their bits."""
    rows = manifest.select(Part(set=name, split=split), folder)
    return [row.stem for row in rows], np.array([dhash(decode_image((root / row.image).read_bytes())) for row in rows])


def distances(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """(N, M) bits in which (N, 256) and (M, 256) differ."""
    return one.astype(int) @ (1 - two.T) + (1 - one) @ two.T.astype(int)


def hashes_of(name: str, data_root: str, *splits: str) -> list[tuple[list[str], np.ndarray]]:
    """`hashes` of some splits."""
    entry = catalog.load()[name]
    with tempfile.TemporaryDirectory() as folder:
        prepare(entry, data_root, UNPACKED, Path(folder))
        root = sources.open_root(sources.locate(entry, data_root, UNPACKED), UNPACKED)
        return [hashes(name, split, Path(folder), root) for split in splits]


def near(name: str, train: str, test: str, data_root: str) -> None:
    """Print the images of one split that are close to one of another."""
    (_, seen), (stems, asked) = hashes_of(name, data_root, train, test)
    apart = distances(asked, seen).min(axis=1)
    close = [stem for stem, bits in zip(stems, apart, strict=True) if bits <= BITS]
    print(f"{len(close)} of {len(stems)} within {BITS} bits of {len(seen)} training images", file=sys.stderr)
    print("\n".join(close))


def fire(stem: str) -> str:
    """When the fire of an image began, by its name `<time>_<seconds since>`; the name itself without."""
    times = re.fullmatch(r"(\d{10})_([+-]\d+)", stem)
    return str(int(times[1]) - int(times[2])) if times else stem


def groups(name: str, data_root: str) -> None:
    """Print the images that belong together, id,group; without those that are alone."""
    ((stems, bits),) = hashes_of(name, data_root, ALL)
    fires = np.array([fire(stem) for stem in stems])
    _, labels = connected_components((distances(bits, bits) <= BITS) | (fires[:, None] == fires))
    sizes = np.bincount(labels)
    print(f"{len(sizes)} groups, {(sizes == 1).sum()} of one image, the largest of {sizes.max()}", file=sys.stderr)
    numbers: dict[int, int] = {}
    print("id,group")
    for stem, label in zip(stems, labels, strict=True):
        if sizes[label] > 1:
            print(f"{stem},{numbers.setdefault(label, len(numbers) + 1)}")


if __name__ == "__main__":
    (near if len(sys.argv) == 5 else groups)(*sys.argv[1:])
