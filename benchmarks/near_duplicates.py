"""Test images of a data set that look like one of its training images: frames of the same fixed camera, say.

    python benchmarks/near_duplicates.py SMOKE5K train-all test path/to/archives > names.txt

Prints the stems of the images of the second split that lie within `BITS` of 256 bits of one of the first, by the signs
of differences between neighbours in a picture of 17 x 16 grey pixels (dHash). That is how SMOKE5K-near-train.txt in
pipeline_src/data/lists was made.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from pipeline_src.data import catalog, manifest, sources
from pipeline_src.data.image_io import decode_image
from pipeline_src.data.prepare import prepare
from pipeline_src.params.schema import Part

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


def main(name: str, train: str, test: str, data_root: str) -> None:
    entry = catalog.load()[name]
    with tempfile.TemporaryDirectory() as folder:
        prepare(entry, data_root, UNPACKED, Path(folder))
        root = sources.open_root(sources.locate(entry, data_root, UNPACKED), UNPACKED)
        (_, seen), (stems, asked) = (hashes(name, split, Path(folder), root) for split in (train, test))
    apart = asked.astype(int) @ (1 - seen.T) + (1 - asked) @ seen.T.astype(int)
    near = [stem for stem, bits in zip(stems, apart.min(axis=1), strict=True) if bits <= BITS]
    print(f"{len(near)} of {len(stems)} within {BITS} bits of {len(seen)} training images", file=sys.stderr)
    print("\n".join(near))


if __name__ == "__main__":
    main(*sys.argv[1:])
