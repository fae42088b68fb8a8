"""The making of a store; apart from its reading, so that training does not depend on the code that unpacks archives."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src.data import images, manifest, sources
from pipeline_src.data.catalog import Entry, Part
from pipeline_src.data.manifest import Row
from pipeline_src.data.store import SCHEMA, IndexRow
from pipeline_src.data.unpack import whole_folder
from pipeline_src.errors import UserError
from pipeline_src.files import write_text


def build(
    part: Part | Mapping[str, Any],
    entry: Entry,
    data_root: Path | str | None,
    unpacked: Path,
    manifest_folder: Path,
    size: int,
    out: Path,
    say: Callable[[str], None] = print,
    nothing: int = 0,
) -> dict[str, Any]:
    """Write the store of a part into the folder `out`, which is replaced as a whole at the end.

    The memory needed does not grow with the part. The files hold neither paths of this machine nor time stamps.

    Args:
        part: what to take; its order is that of the split's list.
        entry: the set of the part.
        data_root, unpacked: where its files come from if they are not unpacked (any more).
        manifest_folder: what `prepare` wrote for the set.
        size: height and width in pixels to which images and masks are resized (ratio not kept).
        out: folder of the store.
        say: prints a line.
        nothing: the label of images without a mask: 0 background, or `levels.NO_CLASS`.

    Returns:
        What store.json holds.

    Raises:
        UserError: more is asked for than there is, files have changed since `prepare`, or the disk is too small.
    """
    part = part if isinstance(part, Part) else Part(**part)
    rows = manifest.select(part, manifest_folder)
    located = sources.locate(entry, data_root, unpacked)
    root = sources.open_located(entry, located, unpacked)
    foreground = located.layout.foreground

    def masks(row: Row, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        if not row.mask:
            return np.zeros((size, size), np.uint8), np.full(shape, nothing, np.uint8)
        mask = images.decode_mask(read(root / row.mask, row.sha256_mask), foreground)
        return images.resize(mask, size), (mask > 127).astype(np.uint8)

    facts = {"ood": entry.ood, "grey_pixels": sum(row.grey for row in rows)}
    return write(part, rows, root, size, out, masks, facts, say)


def write(
    part: Part,
    rows: Sequence[Row],
    root: Path,
    size: int,
    out: Path,
    masks: Callable[[Row, tuple[int, ...]], tuple[np.ndarray, np.ndarray]],
    facts: Mapping[str, Any],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Write a store of any kind of masks; arguments and what is returned as in `build`.

    Args:
        root: folder of the files that `rows` name.
        masks: (row, (height, width) of its image) -> what masks.npy holds, (size, size) uint8, and what truth.npy
            holds, (height, width) uint8.
        facts: what store.json says besides.
    """
    pixels = sum(row.height * row.width for row in rows)
    needed = len(rows) * size * size * 4 + pixels
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out.parent).free
    if needed > free:
        raise UserError(
            f"the disk is too small for the data store {out}",
            found=f"{free / 2**30:.1f} GiB free",
            expected=f"{needed / 2**30:.1f} GiB",
            do="free some, or choose a smaller image_size",
        )
    say(f"{part}: storing {len(rows):,} samples at {size} px ({needed / 2**20:,.0f} MiB)")
    with whole_folder(out) as folder:
        index, offset = [], 0
        with (
            _array(folder / "images.npy", len(rows), size, size, 3) as write_image,
            _array(folder / "masks.npy", len(rows), size, size) as write_mask,
            _array(folder / "truth.npy", pixels) as write_truth,
        ):
            for row in rows:
                image = images.decode_image(read(root / row.image, row.sha256_image))
                mask, truth = masks(row, image.shape[:2])
                write_image(images.resize(image, size))
                write_mask(mask)
                write_truth(truth)
                height, width = truth.shape
                index.append(IndexRow(row.id, height, width, offset, row.grey, row.sha256_image, row.sha256_mask))
                offset += truth.size
        manifest.write_csv(folder / "index.csv", IndexRow._fields, index)
        info = {
            "schema": SCHEMA,
            "part": part.model_dump(exclude_none=True),
            "size": size,
            "samples": len(rows),
            "pixels": pixels,
            **facts,
        }
        write_text(folder / "store.json", json.dumps(info, indent=1) + "\n")
    return info


@contextmanager
def _array(path: Path, *shape: int) -> Iterator[Callable[[np.ndarray], None]]:
    """A .npy file of uint8 that is written piece by piece, so that a large one stays out of memory."""
    with open(path, "wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        yield lambda piece: file.write(np.ascontiguousarray(piece).data)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path, declared: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} is gone since the data set was prepared", found=error, do="prepare the set again"
        ) from error
    if hashlib.sha256(data).hexdigest() != declared:
        raise UserError(f"{path} has changed since the data set was prepared", do="prepare the set again")
    return data
