"""Sets of several classes: masks of ids, prepared and stored beside the binary ones and in the same form.

The stores of binary sets rest on `prepare` and `build` alone, so what is written here trains no network of theirs anew.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image

from pipeline_src.data import build, images, manifest, prepare, sources
from pipeline_src.data.catalog import ALL, Part
from pipeline_src.data.images import Unreadable
from pipeline_src.data.known import Known
from pipeline_src.data.manifest import Row
from pipeline_src.data.prepare import Problem
from pipeline_src.data.store import SCHEMA, IndexRow
from pipeline_src.data.unpack import whole_folder
from pipeline_src.errors import UserError, listed
from pipeline_src.files import write_text

IGNORED = 255


def decode_labels(data: bytes, classes: int, void: int = IGNORED) -> np.ndarray:
    """Mask file of class ids as uint8 (H, W): 0 to classes - 1, and 255 where it is `void`.

    Args:
        data: bytes of the file; 8 bits, grey or with a palette, whose indices are the ids.

    Raises:
        Unreadable: no such image, cut off, or it holds other values.
    """
    try:
        picture = Image.open(io.BytesIO(data))
        picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise Unreadable(f"cannot be read as an image ({error})", "get the file again") from error
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
    located = sources.locate(entry, data_root, unpacked)
    root = sources.open_located(entry, located, unpacked)
    rows, problems = prepare._pair(entry, located, root)
    if entry.partly:
        problems = [each for each in problems if each.problem != "image without a mask"]
    found = len(rows)
    say(f"{entry.name}: source {located.key} ({located.source.label}), verifying {found:,} images")
    pixels = np.zeros(IGNORED + 1, np.int64)
    rows = [row for row in rows if _verify(row, root, entry, pixels, problems)]
    expected = located.source.count
    if expected is not None and expected != len(rows):
        text = f"has {len(rows):,} usable samples, {expected:,} expected"
        problems.append(Problem(located.source.label, text, "download it again, or correct `count` of the source"))
    notes = prepare._assign(entry, located, data_root, rows, problems)
    problems.sort()
    cells = ((each.file, each.problem, each.do) for each in problems)
    manifest.write_csv(Path(out) / "problems.csv", ("file", "problem", "do"), cells)
    if (problems and on_problem == "fail") or not rows:
        raise UserError(
            f"data set {entry.name} has {len(problems):,} problems:"
            + listed(f"{each.file}: {each.problem}; {each.do}" for each in problems),
            found=f"{len(rows):,} usable samples in {root}",
            do="mend them (problems.csv lists all), or leave them out with `data: {on_problem: skip}`",
        )
    absent = [name for name, count in zip(entry.classes, pixels, strict=False) if not count]
    notes += [f"no pixel is of the class {name}" for name in absent]
    summary = {
        "set": entry.name,
        "source": located.key,
        "fingerprint": sources.identify(entry, located, data_root),
        "content": located.content,
        "expected": expected,
        "images": found,
        "samples": len(rows),
        "left_out": found - len(rows),
        "splits": {ALL: len(rows)}
        | {name: sum(name in row.splits for row in rows) for name in entry.splits_of(located.source)},
        "pixels": int(pixels.sum()),
        "void_pixels": int(pixels[IGNORED]),
        "class_pixels": dict(zip(entry.classes, pixels.tolist(), strict=False)),
        "identical_images": prepare._twins(rows),
        "problems": len(problems),
        "notes": notes,
    }
    manifest.write(Path(out) / "manifest.csv", rows)
    write_text(Path(out) / "summary.json", json.dumps(summary, indent=1) + "\n")
    say(f"{entry.name}: {len(rows):,} samples of {len(entry.classes)} classes, {len(problems):,} problems")
    for note in notes:
        say(f"{entry.name}: {note}")
    return summary


def _verify(row: Row, root: Path, entry: Known, pixels: np.ndarray, problems: list[Problem]) -> bool:
    """Fill in what the files tell and count pixels by id; whether the sample is usable."""
    mask_problems: list[Problem] = []
    usable = prepare._verify(plain := replace(row, mask=""), root, None, mask_problems)
    row.height, row.width, row.sha256_image = plain.height, plain.width, plain.sha256_image
    try:
        data = (root / row.mask).read_bytes()
        labels = decode_labels(data, len(entry.classes), entry.void)
        row.sha256_mask = hashlib.sha256(data).hexdigest()
        if usable and labels.shape != (row.height, row.width):
            sizes = f"mask is {labels.shape[1]} x {labels.shape[0]}, its image {row.width} x {row.height} pixels"
            raise Unreadable(sizes, "give both the same size")
        counted = np.bincount(labels.ravel(), minlength=len(pixels))
        row.foreground = float(1 - counted[IGNORED] / labels.size)
        if usable:
            pixels += counted
    except Unreadable as error:
        mask_problems.append(Problem(row.mask, error.problem, error.do))
    except OSError as error:
        mask_problems.append(Problem(row.mask, f"cannot be read: {error.strerror}", "look at its permissions"))
    problems += mask_problems
    return not mask_problems


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
    pixels = sum(row.height * row.width for row in rows)
    say(f"{part}: storing {len(rows):,} samples of {len(entry.classes)} classes at {size} px")
    with whole_folder(Path(out)) as folder:
        index, offset = [], 0
        with (
            build._array(folder / "images.npy", len(rows), size, size, 3) as write_image,
            build._array(folder / "masks.npy", len(rows), size, size) as write_mask,
            build._array(folder / "truth.npy", pixels) as write_truth,
        ):
            for row in rows:
                image = images.decode_image(build._read(root / row.image, row.sha256_image))
                labels = decode_labels(build._read(root / row.mask, row.sha256_mask), len(entry.classes), entry.void)
                write_image(images.resize(image, size))
                write_mask(cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST_EXACT))
                write_truth(labels)
                index.append(IndexRow(row.id, *labels.shape, offset, 0, row.sha256_image, row.sha256_mask))
                offset += labels.size
        manifest.write_csv(folder / "index.csv", IndexRow._fields, index)
        info = {
            "schema": SCHEMA,
            "part": part.model_dump(exclude_none=True),
            "size": size,
            "samples": len(rows),
            "classes": len(entry.classes),
            "ood": False,
            "pixels": pixels,
        }
        write_text(folder / "store.json", json.dumps(info, indent=1) + "\n")
    return info
