"""Sets of several classes: masks of ids, prepared and stored as the binary ones and in the same form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from pipeline_src.data import build, manifest, prepare, sources
from pipeline_src.data.catalog import Layout, Part
from pipeline_src.data.images import Unreadable, opened
from pipeline_src.data.known import Known
from pipeline_src.data.manifest import Row
from pipeline_src.data.verify import Problem

IGNORED = 255


def decode_labels(data: bytes, classes: int, void: int = IGNORED) -> np.ndarray:
    """Mask file of class ids as uint8 (H, W): 0 to classes - 1, and 255 where it is `void`.

    Args:
        data: bytes of the file; 8 bits, grey or with a palette, whose indices are the ids.

    Raises:
        Unreadable: no such image, cut off, or it holds other values.
    """
    picture = opened(data)
    if picture.mode not in ("L", "P"):
        raise Unreadable(f"mask of classes has the mode {picture.mode}", "save it with 8 bits, the class id as value")
    labels = np.array(picture)
    found = np.unique(labels)
    wrong = found[(found >= classes) & (found != void)]
    if wrong.size:
        text = f"mask has the values {', '.join(map(str, wrong[:5]))}, neither a class (0 to {classes - 1}) nor void"
        raise Unreadable(text, f"correct it, or `classes` and `void` (now {void}) of the data set")
    labels[labels == void] = IGNORED
    return labels


def prepare_classes(
    entry: Known,
    data_root: Path | str | None,
    unpacked: Path,
    out: Path,
    on_problem: Literal["fail", "skip"] = "fail",
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """As `prepare.prepare`, for a set with classes. In the manifest, `foreground` is the share of pixels that count."""
    counted: dict[str, np.ndarray] = {}  # pixels by id of every mask that can be read

    def read_mask(row: Row, data: bytes, layout: Layout) -> tuple[int, ...]:
        labels = decode_labels(data, len(entry.classes), entry.void)
        counted[row.id] = np.bincount(labels.ravel(), minlength=IGNORED + 1)
        row.foreground = float(1 - counted[row.id][IGNORED] / labels.size)
        return labels.shape

    def passed_over(problem: Problem) -> bool:
        return entry.partly and problem.problem == "image without a mask"

    samples = prepare.gather(entry, data_root, unpacked, out, on_problem, read_mask, say, passed_over)
    pixels = sum(counted[row.id] for row in samples.rows)
    by_class = dict(zip(entry.classes, pixels.tolist(), strict=False))
    samples.notes += [f"no pixel is of the class {name}" for name, count in by_class.items() if not count]
    facts = {"pixels": int(pixels.sum()), "void_pixels": int(pixels[IGNORED]), "class_pixels": by_class}
    return samples.write(out, facts, prepare.twins(samples.rows), say)


def build_classes(
    part: Part,
    entry: Known,
    data_root: Path | str | None,
    unpacked: Path,
    manifest_folder: Path,
    size: int,
    out: Path,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """As `build.build`, for a set with classes: `masks` and `truth` hold ids, 255 ignored; ids are resized to the
    nearest. store.json has the number of `classes`."""
    rows = manifest.select(part, manifest_folder)
    root = sources.open_root(entry, data_root, unpacked)

    def masks(row: Row, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        labels = decode_labels(build.read(root / row.mask, row.sha256_mask), len(entry.classes), entry.void)
        return cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST_EXACT), labels

    return build.write(part, rows, root, size, out, masks, {"classes": len(entry.classes), "ood": False}, say)
