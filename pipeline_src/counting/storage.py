"""Files of counts: one .npz, written whole or not at all.

All numbers are integers: the file does not depend on the order of images or their split among
workers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src.counting.bins import top_label
from pipeline_src.counting.counts import (
    ALWAYS,
    ARRAYS,
    COLUMNS,
    UNMEASURED,
    Counts,
    Histogram,
    ImageTable,
    image_table,
    named_counts,
)
from pipeline_src.counting.levels import CLAMP, LEVELS, POSITION, UNIT, UNKNOWN
from pipeline_src.errors import UserError
from pipeline_src.files import atomic

Arrays = Mapping[str, np.ndarray]
# By so much per pixel the sum of confidences over the rows of images and that over the levels may
# differ, because both are rounded.
SLACK_OF_SUMS = 1e-8
# What the header of every file says; a file with another value cannot be read.
FORMAT = {
    "schema": 3,
    "kind": "counts",
    "levels": LEVELS,
    "position_units": POSITION,
    "sum_units": UNIT,
    "clamp": CLAMP,
    "columns": list(ALWAYS),
}


def save(counts: Mapping[str, Counts], path: Path | str, provenance: Mapping[str, Any]) -> None:
    """Write the counts of all protocols; the same counts and provenance give the same bytes.

    Args:
        provenance: anything that JSON can hold, such as model, dataset and versions.
    """
    header = json_array(FORMAT | {"provenance": provenance})
    content: dict[str, Any] = {"header": header} | counts_arrays(counts)
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **content)


def load(path: Path | str) -> dict[str, Counts]:
    """Return the counts by protocol that `save` wrote.

    Raises:
        UserError: no such file, not a counts file, or one of another schema.
    """
    try:
        with np.load(path) as file:
            arrays = dict(file)
        header = json.loads(arrays.pop("header").tobytes())
        other = {key: header.get(key) for key in FORMAT if header.get(key) != FORMAT[key]}
        if other:
            raise ValueError(f"written by another version, with {other}")
        return counts_from(arrays)
    except Exception as error:  # anything that a damaged file makes numpy, zip or json raise
        raise UserError(
            f"{path} is not a counts file that can be read",
            found=f"{type(error).__name__}: {error}",
            expected="a file that `evaluate`, `judge` or `Evaluation.save` wrote",
            fix="run the command again that writes it",
        ) from error


def provenance(path: Path | str) -> Any:
    """Return the provenance in a counts file, which `load` can read."""
    with np.load(path) as file:
        return json.loads(file["header"].tobytes())["provenance"]


def counts_arrays(counts: Mapping[str, Counts]) -> dict[str, np.ndarray]:
    """Return all arrays to store by name, from counts by protocol; `counts_from` takes them."""
    arrays: dict[str, np.ndarray] = {}
    confusion = counts["raw"].confusion
    if confusion is not None:
        arrays["confusion"] = confusion
    arrays["ids"] = json_array(list(counts["raw"].images.ids))
    for name, of_name in named_counts(counts).items():
        arrays |= histogram_arrays(of_name.histogram, name)
        images = of_name.images
        measured = (images.column(COLUMNS[-1]) != UNMEASURED).any()
        arrays[f"{name}_table"] = images.table if measured else images.table[:, :-1]
        arrays[f"{name}_image_levels"] = images.levels
    return arrays


def counts_from(arrays: Arrays) -> dict[str, Counts]:
    """Return the counts by protocol from the arrays that `counts_arrays` returned; damaged arrays
    raise any exception.
    """
    ids = json.loads(arrays["ids"].tobytes())
    # By the first part of the arrays' names: a protocol, or `top`, `class0`, `class1`, ...
    counts = {}
    for name in [name.removesuffix("_count") for name in arrays if name.endswith("_count")]:
        histogram = histogram_from(arrays, name, top=name == "top")
        counts[name] = Counts(histogram, _images_from(arrays, name, ids))
    if "confusion" in arrays:
        top = counts.pop("top")
        classes = tuple(counts.values())
        counts = {"raw": Counts(top.histogram, top.images, classes, arrays["confusion"])}
    for of_protocol in counts.values():
        check_sums(of_protocol)
    return counts


def _images_from(arrays: Arrays, name: str, ids: list[str]) -> ImageTable:
    """Return the rows of images from the arrays of a file whose names begin with `name`.

    Args:
        name: a protocol, or `top` or `class<k>` of K classes (`counts.named_counts`).
        ids: of the images.

    Raises:
        ValueError: there is not one row per id.
    """
    table = arrays[f"{name}_table"]
    levels = arrays[f"{name}_image_levels"]
    # The last column is stored only if an image has its value.
    if table.shape[1] == len(ALWAYS):
        table = np.pad(table, ((0, 0), (0, 1)), constant_values=UNMEASURED)
    if table.shape != (len(ids), len(COLUMNS)) or levels.shape != (len(ids), 256, 2):
        raise ValueError(f"rows of {name} are not those of {len(ids)} images")
    return image_table(ids, table, levels)


def histogram_arrays(histogram: Histogram, name: str) -> dict[str, np.ndarray]:
    """Return the arrays to store of a histogram, by names that begin with `name`.

    Of each array of the histogram only the numbers that are not 0 are stored, as `<name>_<array>`,
    and their positions in the flat array as `<name>_<array>_at`.
    """
    arrays: dict[str, np.ndarray] = {}
    for array in _stored(len(histogram.surest) > 0):
        dense = getattr(histogram, array).reshape(-1)
        cells = np.flatnonzero(dense)
        # Distances to the previous place, which are small numbers and compress well.
        arrays[f"{name}_{array}_at"] = np.diff(cells, prepend=0).astype(np.uint32)
        arrays[f"{name}_{array}"] = dense[cells]
    return arrays


def histogram_from(arrays: Arrays, name: str, top: bool) -> Histogram:
    """Return the histogram from the arrays that `histogram_arrays` returned.

    Args:
        name: with which the names of its arrays begin.
        top: whether it counts the top label of K classes.
    """
    known = f"{name}_surest" in arrays  # some published files do not hold it
    histogram = Histogram.empty(top=top)
    if not known:
        histogram = replace(histogram, surest=UNKNOWN)
    for array in _stored(known):
        cells = np.cumsum(arrays[f"{name}_{array}_at"], dtype=np.int64)
        getattr(histogram, array).reshape(-1)[cells] = arrays[f"{name}_{array}"]
    return histogram


def _stored(surest_known: bool) -> tuple[str, ...]:
    """Return the names of the arrays of a histogram that a file holds: all, or, if `surest` is not
    known, all but this last one.
    """
    return ARRAYS if surest_known else ARRAYS[:3]


def equal_counts(left: Mapping[str, Counts], right: Mapping[str, Counts]) -> bool:
    """Return whether two sets of counts, each by protocol, have the same images and numbers."""
    lefts = counts_arrays(left)
    rights = counts_arrays(right)
    if lefts.keys() != rights.keys():
        return False
    return all(np.array_equal(lefts[name], rights[name]) for name in lefts)


def check_sums(counts: Counts) -> None:
    """Raise a ValueError if sums over the rows of images are not those of the pixels by level.

    Both are stored, so a difference shows damage. The numbers of correct pixels must be equal. The
    sums of confidences must be nearly equal: published counts (`publishing.compact`) round the
    confidence of each pixel to a whole level, and the sum of n such errors grows with sqrt(n).
    """
    pixels = top_label(counts.histogram, 1)
    hits = int(pixels.hits[0])
    correct = counts.images.total("correct")
    if correct != hits:
        raise ValueError(f"{correct} correct pixels in the rows of images, {hits} by level")
    score = float(pixels.score[0])
    confidence = counts.images.total("confidence") / UNIT
    if abs(confidence - score) > SLACK_OF_SUMS * counts.pixels + counts.pixels**0.5 / LEVELS:
        raise ValueError(f"confidence {confidence} in the rows of images, {score} by level")


def json_array(value: object) -> np.ndarray:
    """Return a value as JSON, (n,) uint8, to be stored with arrays."""
    return np.frombuffer(json.dumps(value, sort_keys=True).encode(), np.uint8)
