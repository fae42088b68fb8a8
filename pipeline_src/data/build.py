"""The writer of stores. It is separate from `store`: training does not depend on code that unpacks archives."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from pipeline_src.data import image_io, manifest, sources
from pipeline_src.data.entry import Entry
from pipeline_src.data.manifest import Row
from pipeline_src.data.masks import StoredMask, create_masks
from pipeline_src.data.store import SCHEMA, IndexRow
from pipeline_src.errors import UserError
from pipeline_src.files import atomic_folder, check_space, write_text
from pipeline_src.params.schema import Part

log = logging.getLogger(__name__)


def build(
    part: Part,
    entry: Entry,
    data_root: Path | str | None,
    unpacked: Path,
    manifest_folder: Path,
    size: int,
    out: Path,
    label: int | None = None,
) -> dict[str, Any]:
    """Write the store of a part into the folder `out`, which is replaced as a whole at the end.

    The memory needed does not grow with the part. The files hold no paths of this machine and no
    times.

    Args:
        part: the samples, in the order of the split's list.
        entry: the dataset of the part.
        data_root, unpacked: the folders of downloads and of unpacked archives.
        manifest_folder: the folder that `prepare` wrote for the dataset.
        size: height and width in pixels to which images and masks are resized (ratio not kept).
        out: folder of the store.
        label: the label of every pixel of a part out of distribution, 0 background or
            `labels.NO_CLASS`; masks are ignored. None if masks count; images without a mask are
            background.

    Returns:
        The content of store.json.

    Raises:
        UserError: the part is too small, files have changed since `prepare`, or the disk is too
            small.
    """
    rows = manifest.select(part, manifest_folder)
    located = sources.locate(entry, data_root, unpacked)
    root, masks = sources.open_root(located, unpacked), create_masks(entry, located.layout)
    if label is not None:
        rows = [replace(row, mask="", sha256_mask="", grey=0) for row in rows]
    pixels = sum(row.height * row.width for row in rows)
    space = len(rows) * size * size * 4 + pixels + 4 * sum(row.grey for row in rows)
    smaller = "free some space, or choose a smaller image_size"
    check_space(Path(out).parent, space, f"the data store {Path(out).name}", smaller)
    log.info("%s: storing %s samples at %d px", part, f"{len(rows):,}", size)
    info = {
        "schema": SCHEMA,
        "part": part.model_dump(exclude_none=True),
        "size": size,
        **({"classes": len(entry.classes)} if entry.classes and label is None else {}),
    }
    again = (
        "prepare the dataset again"
        if located.root
        else f"remove {root}, and the archive is unpacked again"
    )

    def load(row: Row) -> tuple[np.ndarray, StoredMask]:
        """Return the image (H, W, 3) and the mask of a sample."""
        image = image_io.decode_image(_verified(root / row.image, row.sha256_image, again))
        if row.mask:
            return image, masks.load(_verified(root / row.mask, row.sha256_mask, again), size)
        labels = np.full(image.shape[:2], label or 0, np.uint8)
        return image, StoredMask(np.zeros((size, size), np.uint8), labels, np.empty(0, np.int64))

    with atomic_folder(Path(out)) as folder:
        _write_samples(folder, zip(rows, map(load, rows), strict=True), len(rows), size, pixels)
        write_text(folder / "store.json", json.dumps(info, indent=1) + "\n")
    return info


def _write_samples(
    folder: Path,
    samples: Iterable[tuple[Row, tuple[np.ndarray, StoredMask]]],
    count: int,
    size: int,
    pixels: int,
) -> None:
    """Write the arrays and index.csv of a store, through memory maps: a large array stays out of memory."""
    images = open_memmap(folder / "images.npy", "w+", np.uint8, (count, size, size, 3))
    masks = open_memmap(folder / "masks.npy", "w+", np.uint8, (count, size, size))
    truth = open_memmap(folder / "truth.npy", "w+", np.uint8, (pixels,))
    index: list[IndexRow] = []
    greys: list[np.ndarray] = []
    offset = 0
    for i, (row, (image, mask)) in enumerate(samples):
        images[i], masks[i] = image_io.resize(image, size), mask.mask
        truth[offset : offset + mask.labels.size] = mask.labels.ravel()
        greys.append(mask.grey.astype(np.int32))
        index.append(
            IndexRow(
                row.id, row.height, row.width, offset, row.grey, row.sha256_image, row.sha256_mask
            )
        )
        offset += mask.labels.size
    for array in (images, masks, truth):
        array.flush()
    np.save(folder / "grey.npy", np.concatenate(greys))
    manifest.write_csv(folder / "index.csv", IndexRow._fields, index)


def _verified(path: Path, declared: str, fix: str) -> bytes:
    """Return the bytes of a file that has not changed since the dataset was prepared."""
    data = path.read_bytes() if path.is_file() else b""
    if (actual := hashlib.sha256(data).hexdigest()) != declared:
        changed = f"{path} has changed since the dataset was prepared"
        raise UserError(changed, found=f"sha256 {actual}", expected=f"sha256 {declared}", fix=fix)
    return data
