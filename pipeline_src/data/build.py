"""The writer of stores: folders with the images and masks of a split, decoded and resized once.

The module `store` reads them. It is a module of its own because training must not depend on code
that unpacks archives.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from pipeline_src.data import image_io, manifest, sources
from pipeline_src.data.entry import Entry
from pipeline_src.data.manifest import Row
from pipeline_src.data.masks import StoredMask, create_masks
from pipeline_src.data.store import SCHEMA, IndexRow
from pipeline_src.errors import UserError
from pipeline_src.files import Content, atomic_folder, check_space, write_text
from pipeline_src.params.schema import Split

log = logging.getLogger(__name__)


def build(
    split: Split,
    entry: Entry,
    *,
    data_root: Path,
    unpacked: Path,
    prepared: Path,
    size: int,
    out: Path,
    label: int | None = None,
) -> Content:
    """Write the images and masks of a split into the folder `out`, a store; return its store.json.

    The folder is replaced as a whole at the end. The memory needed does not grow with the number of
    samples. The files hold no paths of this machine and no times.

    Args:
        split: the samples, in the order of the split's list.
        entry: the dataset of the samples.
        data_root, unpacked: the folders of downloads and of unpacked archives.
        prepared: the folder that `prepare` wrote for the dataset.
        size: height and width in pixels to which images and masks are resized (ratio not kept).
        out: folder of the store.
        label: the label of every pixel of samples out of distribution, 0 background or
            `labels.NO_CLASS`; masks are ignored. None if the masks give the labels; images
            without a mask are then background.

    Raises:
        UserError: there are too few samples, files have changed since `prepare`, or the disk is too
            small.
    """
    rows = manifest.select(split, prepared)
    located = sources.locate(entry, data_root, unpacked)
    root = sources.open_root(located, unpacked)
    masks = create_masks(entry, located.layout)
    info = {"schema": SCHEMA, "part": split.model_dump(exclude_none=True), "size": size}
    if label is not None:  # every pixel has this label, whatever the masks show
        rows = [replace(row, mask="", sha256_mask="", grey=0) for row in rows]
    elif entry.classes:
        info["classes"] = len(entry.classes)
    pixels = sum(row.height * row.width for row in rows)
    # Bytes: RGB and mask at `size`, labels at the original size, an int32 per grey pixel.
    space = len(rows) * size * size * 4 + pixels + 4 * sum(row.grey for row in rows)
    check_space(
        out.parent,
        space,
        f"the data store {out.name}",
        fix="free some space, or choose a smaller image_size",
    )
    log.info("%s: storing %s samples at %d px", split, f"{len(rows):,}", size)
    advice = "prepare the dataset again"
    if located.root is None:  # the files are those of an archive or a generator
        advice = f"remove {root}, and the archive is unpacked again"

    def load(row: Row) -> tuple[np.ndarray, StoredMask]:
        """Return the image (H, W, 3) and the mask of a sample, constant if it has no mask file."""
        image = image_io.decode_image(_verified(root / row.image, row.sha256_image, advice))
        if row.mask:
            return image, masks.load(_verified(root / row.mask, row.sha256_mask, advice), size)
        labels = np.full(image.shape[:2], label or 0, np.uint8)
        mask = np.zeros((size, size), np.uint8)
        return image, StoredMask(mask, labels, grey=np.empty(0, np.int64))

    with atomic_folder(out) as folder:
        _write_samples(folder, rows, load, size, pixels)
        write_text(folder / "store.json", json.dumps(info, indent=1) + "\n")
    return info


def _write_samples(
    folder: Path,
    rows: list[Row],
    load: Callable[[Row], tuple[np.ndarray, StoredMask]],
    size: int,
    pixels: int,
) -> None:
    """Write the arrays and index.csv of a store.

    The arrays are memory-mapped, because they may be larger than the memory. Labels keep the
    original size of the images, so those of all samples follow each other in one flat array.

    Args:
        load: returns the image (H, W, 3) and the mask of a row.
        size: height and width of the stored images and masks in pixels.
        pixels: number of pixels of all images at their original size.
    """
    shape = (len(rows), size, size)
    images = open_memmap(folder / "images.npy", "w+", np.uint8, (*shape, 3))
    masks = open_memmap(folder / "masks.npy", "w+", np.uint8, shape)
    truth = open_memmap(folder / "truth.npy", "w+", np.uint8, (pixels,))
    index: list[IndexRow] = []
    greys: list[np.ndarray] = []  # places of pixels that are neither 0 nor 255 in each mask
    offset = 0
    for i, row in enumerate(rows):
        image, mask = load(row)
        images[i] = image_io.resize(image, size)
        masks[i] = mask.mask
        end = offset + mask.labels.size
        truth[offset:end] = mask.labels.ravel()
        greys.append(mask.grey.astype(np.int32))
        index.append(
            IndexRow(
                id=row.id,
                height=row.height,
                width=row.width,
                offset=offset,
                grey=row.grey,
                sha256_image=row.sha256_image,
                sha256_mask=row.sha256_mask,
            )
        )
        offset = end
    for array in (images, masks, truth):
        array.flush()
    np.save(folder / "grey.npy", np.concatenate(greys))
    manifest.write_csv(folder / "index.csv", IndexRow._fields, index)


def _verified(path: Path, declared: str, fix: str) -> bytes:
    """Return the bytes of a file that has not changed since the dataset was prepared.

    Args:
        declared: the sha256 that was recorded when the dataset was prepared.
        fix: the advice of the error.

    Raises:
        UserError: the file is missing or has another sha256.
    """
    data = path.read_bytes() if path.is_file() else b""
    actual = hashlib.sha256(data).hexdigest()
    if actual != declared:
        raise UserError(
            f"{path} has changed since the dataset was prepared",
            found=f"sha256 {actual}",
            expected=f"sha256 {declared}",
            fix=fix,
        )
    return data
