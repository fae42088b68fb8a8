"""Writes stores. Apart from `store`, so that training does not depend on the code that unpacks archives."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src.data import image_io, manifest, sources
from pipeline_src.data.entry import Entry
from pipeline_src.data.manifest import Row
from pipeline_src.data.masks import masks_of
from pipeline_src.data.store import SCHEMA, IndexRow
from pipeline_src.data.unpack import whole_folder
from pipeline_src.errors import UserError
from pipeline_src.files import check_writable, fault, write_text
from pipeline_src.params.parts import Part
from pipeline_src.params.schema import LIMITS, Limits

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
    limits: Limits = LIMITS,
) -> dict[str, Any]:
    """Write the store of a part into the folder `out`, which is replaced as a whole at the end.

    The memory needed does not grow with the part. The files hold neither paths of this machine nor time stamps.

    Args:
        part: the samples; their order is that of the split's list.
        entry: the set of the part.
        data_root, unpacked: where its files come from if they are not unpacked (any more).
        manifest_folder: the folder that `prepare` wrote for the set.
        size: height and width in pixels to which images and masks are resized (ratio not kept).
        out: folder of the store.
        label: the label of every pixel of a part out of distribution, 0 background or `labels.NO_CLASS`: masks that its
            set may have do not count. None where masks count; images without one are background.
        limits: of archives, if they are unpacked again.

    Returns:
        The content of store.json.

    Raises:
        UserError: the part is too small, files have changed since `prepare`, or the disk is too small.
    """
    rows = manifest.select(part, manifest_folder)
    located = sources.locate(entry, data_root, unpacked)
    root, masks = sources.open_root(located, unpacked, limits), masks_of(entry, located.layout)
    if label is not None:
        rows = [replace(row, mask="", sha256_mask="", grey=0) for row in rows]
    pixels = sum(row.height * row.width for row in rows)
    needed = len(rows) * size * size * 4 + pixels + 4 * sum(row.grey for row in rows)
    smaller = "free some space, or choose a smaller image_size"
    check_writable(Path(out).parent, needed, f"the data store {Path(out).name}", smaller)
    log.info("%s: storing %s samples at %d px", part, f"{len(rows):,}", size)
    info = {
        "schema": SCHEMA,
        "part": part.model_dump(exclude_none=True),
        "size": size,
        "samples": len(rows),
        "pixels": pixels,
        **(masks.store_info(rows) if label is None else {"ood": True, "grey_pixels": 0}),
    }

    read = partial(
        _read,
        do=f"remove {root}, and the archive is unpacked again"
        if located.root is None
        else "start the run again, which prepares the set anew",
    )

    def load(row: Row) -> tuple[np.ndarray, ...]:
        """The image (H, W, 3), the mask (size, size), the labels (H, W) and the grey pixels of a sample."""
        image = read(root / row.image, row.sha256_image, image_io.decode_image)
        if row.mask:
            return image, *read(root / row.mask, row.sha256_mask, lambda data: masks.load(data, size))
        unmasked = np.full(image.shape[:2], label or 0, np.uint8)
        return image, np.zeros((size, size), np.uint8), unmasked, np.empty(0, np.int64)

    with whole_folder(Path(out)) as folder:
        _write_samples(folder, map(load, rows), rows, size)
        write_text(folder / "store.json", json.dumps(info, indent=1) + "\n")
    return info


def _write_samples(folder: Path, samples: Iterator[tuple[np.ndarray, ...]], rows: Sequence[Row], size: int) -> None:
    """Write the arrays and index.csv of a store."""
    index, greys, offset = [], [], 0
    with (
        _array(folder / "images.npy", len(rows), size, size, 3) as write_image,
        _array(folder / "masks.npy", len(rows), size, size) as write_mask,
        _array(folder / "truth.npy", sum(row.height * row.width for row in rows)) as write_truth,
    ):
        for row, (image, mask, truth, grey) in zip(rows, samples, strict=True):
            write_image(image_io.resize(image, size))
            write_mask(mask)
            write_truth(truth)
            greys.append(grey.astype(np.int32))
            index.append(IndexRow(row.id, *truth.shape, offset, row.grey, row.sha256_image, row.sha256_mask))
            offset += truth.size
    np.save(folder / "grey.npy", np.concatenate(greys))
    manifest.write_csv(folder / "index.csv", IndexRow._fields, index)


@contextmanager
def _array(path: Path, *shape: int) -> Iterator[Callable[[np.ndarray], object]]:
    """A .npy file of uint8 that is written piece by piece, so that a large one stays out of memory."""
    with open(path, "wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        yield lambda piece: file.write(np.ascontiguousarray(piece).data)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path, declared: str, decode: Callable[[bytes], Any], do: str) -> Any:
    """What `decode` makes of a file that is as it was when the set was prepared."""
    try:
        if reason := fault(path):
            raise OSError(reason)
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read any more since the data set was prepared",
            found=error,
            expected=f"a file with the sha256 {declared}",
            do=do,
        ) from error
    if (actual := hashlib.sha256(data).hexdigest()) != declared:
        raise UserError(
            f"{path} has changed since the data set was prepared",
            found=f"sha256 {actual}",
            expected=f"sha256 {declared}",
            do=do,
        )
    return decode(data)
