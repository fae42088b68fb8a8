"""The counts of a set of prediction maps: one pass, mergeable by addition, saved as .npz.

    counts = MapCounts.empty()
    for probability, mask, image_id in maps:
        counts.add(probability, mask, image_id)
    counts.save("U2Net-ECSSD.npz", {"dataset": "ECSSD"})

Maps of one object are counted in two protocols (docs/protocol.md): `raw`, the probabilities as they
are, and `stretched`, min-max normalized, where the valid pixels of each map reach from 0 to 1, as
in the paper's test program. A map of one value becomes 0 there and is counted (column `constant` of
the rows). Maps of K classes are counted as pairs like (f, y) of an object, unnormalized:
(confidence, correct) of the top label, and (p_k, y == k) of every class.

All numbers are integers: the result does not depend on the order of images or their split among
workers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline_src.counting import image_pixels
from pipeline_src.counting.counts import ALWAYS, Counts
from pipeline_src.counting.levels import CLAMP, LEVELS, POSITION, PROTOCOLS, UNIT
from pipeline_src.counting.score_histogram import check_sums
from pipeline_src.errors import UserError
from pipeline_src.files import atomic
from pipeline_src.labels import IGNORED

if TYPE_CHECKING:
    from pipeline_src.counting.accumulate import FloatPass, ImageCounts

Measures = Mapping[str, Mapping[str, float]]
FORMAT = {
    "schema": 3,
    "kind": "counts",
    "levels": LEVELS,
    "position_units": POSITION,
    "sum_units": UNIT,
    "clamp": CLAMP,
    "columns": list(ALWAYS),
}


class MapCounts:
    """Counts of one object or of K classes; `empty`, `add`, `+`, `save`, `load`.

    Args:
        counts: of one object `raw` and `stretched`. Of K classes `top` (f is the confidence, y
            whether the top label is correct) and `class0`, ... (f is p_k, y whether the label is
            k).
        confusion: (K, K) int64, pixels by label and predicted class; None for one object.

    Rows of `top` hold the K-class scores: brier (sum over classes of (p_k - y_k)^2, in [0, 2]),
    nll, entropy, absolute (1 - p_y). In rows of a class `pixels` are the image's pixels of the
    class by label or prediction, and `correct` those by both: IoU is correct / pixels.
    """

    def __init__(self, counts: Mapping[str, Counts], confusion: np.ndarray | None = None):
        self._counts, self.confusion = dict(counts), confusion
        self._passes: dict[str, FloatPass] = {}
        rows = next(iter(counts.values())).rows
        self._ids = set() if rows is None else set(rows.ids)

    @classmethod
    def empty(cls, classes: int = 2) -> MapCounts:
        """Return counts without images, of one object (2) or of K > 2 classes."""
        if classes > 2:
            return cls.of_classes(classes)
        return cls({protocol: Counts.empty() for protocol in PROTOCOLS})

    @classmethod
    def of_classes(cls, classes: int) -> MapCounts:
        """Return counts without images, for maps of K >= 2 classes."""
        counts = {"top": Counts.empty(top=True)} | {
            f"class{k}": Counts.empty() for k in range(classes)
        }
        return cls(counts, np.zeros((classes, classes), np.int64))

    @property
    def counts(self) -> dict[str, Counts]:
        """All counts by name."""
        for float_pass in self._passes.values():
            float_pass.flush()
        return dict(self._counts)

    @property
    def raw(self) -> Counts:
        """Counts of the unnormalized probabilities; of K classes those of the top label."""
        return self.protocols["raw"]

    @property
    def protocols(self) -> dict[str, Counts]:
        """Counts of whole images by protocol."""
        counts = self.counts
        if self.confusion is not None:
            return {"raw": counts["top"]}
        return {protocol: counts[protocol] for protocol in PROTOCOLS if protocol in counts}

    @property
    def classes(self) -> list[Counts]:
        """Counts of the K classes; none for one object."""
        return [counts for name, counts in self.counts.items() if name.startswith("class")]

    def add(
        self,
        probability: np.ndarray,
        truth: np.ndarray,
        image_id: str,
        measures: Measures | None = None,
        ignore: int | None = None,
        no_class: int | None = None,
        clamp: float = CLAMP,
    ) -> None:
        """Count one image.

        Args:
            probability: of one object (H, W), probability of the positive class: float32 or float64
                in [0, 1] (float64 is rounded to float32), or an integer map, uint8 meaning v / 255
                and uint16 meaning v / 65535. Of K classes (K, H, W), float32 or float64 in [0, 1]
                that sum to 1 over the classes (to 1e-3).
            truth: (H, W) uint8 with 0 background, 1 foreground, 255 ignored; or bool. Of K classes
                integers, class ids 0..K-1, `ignore` or `no_class`.
            image_id: names the image; each image once.
            measures: of the whole map, to keep, by protocol and name (`whole_maps`); NaN where
                undefined.
            ignore: the label of pixels that never count, 255. A mask of one object that has 0 and
                255 is refused unless 255 is given, since it is more often the foreground.
            no_class: of K classes the label of pixels on which every class is wrong, as out of
                distribution.
            clamp: of integer maps, the least probability whose logarithm is taken.

        Raises:
            UserError: shapes differ, a dtype or a value is not allowed, the id is taken. Nothing
                was counted then.
        """
        if image_id in self._ids:
            raise UserError(
                f"the image {image_id} was already counted",
                expected="every image once, under its own id",
            )
        probability, truth = np.asarray(probability), np.asarray(truth)
        if self.confusion is not None:
            self._add_classes(
                probability, truth, image_id, IGNORED if ignore is None else ignore, no_class
            )
        else:
            self._add_object(probability, truth, image_id, measures or {}, ignore, clamp)
        if next(iter(self._counts.values())).rows is not None:
            self._ids.add(image_id)

    def _add_object(
        self,
        probability: np.ndarray,
        truth: np.ndarray,
        image_id: str,
        measures: Measures,
        ignore: int | None,
        clamp: float,
    ) -> None:
        """Count a map of one object in all protocols."""
        if probability.shape != truth.shape or probability.ndim != 2:
            raise UserError(
                f"map and mask of {image_id} do not fit",
                found=f"a map of shape {probability.shape}, a mask of shape {truth.shape}",
                expected="two arrays of the same shape (height, width)",
            )
        y, all_count = image_pixels.labels(truth.ravel(), image_id, ignore)
        f = probability.ravel()
        if not all_count:
            valid = y != IGNORED
            f, y = f[valid], y[valid]
        if f.dtype in (np.uint8, np.uint16):
            counted = self._add_integers(f, y, clamp)
        else:
            counted = self._add_floats(f, y, image_id)
        for name, image, constant in counted:
            rows = self._counts[name].rows
            if rows is not None:
                row = {"height": truth.shape[0], "width": truth.shape[1], "constant": int(constant)}
                values = measures.get(name, {}).items()
                row |= {
                    measure: round(value * UNIT)
                    for measure, value in values
                    if not math.isnan(value)
                }
                rows.append(image_id, row | image.sums, image.levels)

    def _add_floats(
        self, f: np.ndarray, y: np.ndarray, image_id: str
    ) -> Iterator[tuple[str, ImageCounts, bool]]:
        """Count a float map (n,); yield by name what was counted, and whether the map has one value."""
        # Compiled code is slow to import, and reading counts does without.
        from pipeline_src.counting.accumulate import FloatPass, extremes

        if not np.issubdtype(f.dtype, np.floating):
            raise UserError(
                f"the map of {image_id} has an unknown type",
                found=f.dtype,
                expected="float32 or float64 in [0, 1], uint8 or uint16",
            )
        low, high = extremes(f)
        if not (low >= 0 and high <= 1):  # also catches NaN, which min and max return
            raise UserError(
                f"the map of {image_id} holds values that are not probabilities",
                found=f"values from {low} to {high}",
                expected="probabilities in [0, 1]",
                fix="apply the sigmoid to logits; save 0..255 maps as uint8",
            )
        f, scale = np.ascontiguousarray(f, np.float32), (np.float32(low), np.float32(high))
        for name, counts in self._counts.items():
            if name not in self._passes:
                self._passes[name] = FloatPass(counts)
            image = self._passes[name].add(f, y, scale if name == "stretched" else None)
            yield name, image, scale[0] == scale[1] and f.size > 0

    def _add_integers(
        self, v: np.ndarray, y: np.ndarray, clamp: float
    ) -> Iterator[tuple[str, ImageCounts, bool]]:
        """Count an integer map (n,), as `_add_floats`."""
        from pipeline_src.counting.accumulate import add_fractions, histogram

        top, (value, label, number) = int(np.iinfo(v.dtype).max), histogram(v, y)
        low, high = map(int, value[[0, -1]]) if v.size else (0, 0)
        for name, counts in self._counts.items():
            fraction = value, top
            if name == "stretched":
                fraction = (value - low, high - low) if high > low else (0 * value, top)
            image = add_fractions(counts, fraction[0], label, number, fraction[1], clamp)
            yield name, image, low == high and v.size > 0

    def _add_classes(
        self,
        probability: np.ndarray,
        truth: np.ndarray,
        image_id: str,
        ignore: int,
        no_class: int | None,
    ) -> None:
        """Count a map of K classes."""
        from pipeline_src.counting.accumulate import FloatPass

        image = image_pixels.class_pixels(
            probability, truth, image_id, len(self._counts) - 1, ignore, no_class
        )
        if "top" not in self._passes:  # its buffers serve all counts in turn
            self._passes["top"] = FloatPass(self._counts["top"], scores=True)
        float_pass = self._passes["top"]
        for counts, (f, y, row) in zip(self._counts.values(), image.pairs(), strict=True):
            assert counts.rows is not None
            float_pass.counts = counts
            levels = float_pass.add(f, y, summed=False).levels
            float_pass.flush()
            counts.rows.append(image_id, row, levels)
        self.confusion += image.confusion()

    def __add__(self, other: MapCounts) -> MapCounts:
        """Return the counts of both; UserError where they share images, ValueError if these differ in kind."""
        left, right = self.counts, other.counts
        if left.keys() != right.keys():
            raise ValueError(
                f"counts of {', '.join(left)} and of {', '.join(right)} cannot be added"
            )
        confusion = (
            None
            if self.confusion is None or other.confusion is None
            else self.confusion + other.confusion
        )
        return MapCounts({name: counts + right[name] for name, counts in left.items()}, confusion)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MapCounts):
            return NotImplemented
        left, right = (
            np.zeros(0) if counts.confusion is None else counts.confusion
            for counts in (self, other)
        )
        return np.array_equal(left, right) and self.counts == other.counts

    __hash__ = None  # type: ignore[assignment]

    # Copies must not share or lose the buffers of a pass over the pixels: they are built from the
    # counts.

    def __getstate__(self) -> dict[str, Any]:
        return {"counts": self.counts, "confusion": self.confusion}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = MapCounts(**state).__dict__

    def save(self, path: Path | str, provenance: Mapping[str, Any]) -> None:
        """Write one .npz, whole or not at all; the same counts and provenance give the same bytes.

        Args:
            provenance: anything that JSON can hold, such as model, dataset and versions.
        """
        arrays: dict[str, Any] = {
            "header": json_array(FORMAT | {"provenance": provenance}),
            **self.arrays(),
        }
        with atomic(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all arrays to store by name; `of_arrays` takes them."""
        arrays: dict[str, np.ndarray] = (
            {} if self.confusion is None else {"confusion": self.confusion}
        )
        for name, counts in self.counts.items():
            arrays |= counts.arrays(name)
            if counts.rows is not None:
                arrays["ids"] = json_array(counts.rows.ids)
        return arrays

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> MapCounts:
        """Return the counts from the arrays that `arrays` returned; damaged arrays raise any exception."""
        ids = json.loads(arrays["ids"].tobytes()) if "ids" in arrays else None
        names = [name.removesuffix("_count") for name in arrays if name.endswith("_count")]
        counted = cls(
            {name: Counts.of_arrays(arrays, name, ids) for name in names}, arrays.get("confusion")
        )
        if ids is not None:
            for counts in counted.protocols.values():
                check_sums(counts)
        return counted

    @classmethod
    def load(cls, path: Path | str) -> MapCounts:
        """Read what `save` wrote.

        Raises:
            UserError: no such file, not a counts file, or one of another schema.
        """
        try:
            with np.load(path) as file:
                arrays = dict(file)
            header = json.loads(arrays.pop("header").tobytes())
            if other := {
                key: header.get(key) for key, value in FORMAT.items() if header.get(key) != value
            }:
                raise ValueError(f"written by another version, with {other}")
            return cls.of_arrays(arrays)
        except (
            Exception
        ) as error:  # anything that a foreign or damaged file makes numpy, zip or json raise
            raise UserError(
                f"{path} is not a counts file that can be read",
                found=f"{type(error).__name__}: {error}",
                expected=f"a file that `evaluate` or `judge` wrote, with {FORMAT}",
                fix="remove it and run the same command again",
            ) from error


def json_array(value: object) -> np.ndarray:
    """Return a value as JSON, (n,) uint8, to be stored with arrays."""
    return np.frombuffer(json.dumps(value, sort_keys=True).encode(), np.uint8)
