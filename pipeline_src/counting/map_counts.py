"""The sufficient statistic of a set of prediction maps: one pass, mergeable by addition, saved as .npz.

    statistic = MapCounts.empty()
    for probability, truth, image_id in maps:
        statistic.add(probability, truth, image_id)
    statistic.save("U2Net-ECSSD.npz", {"set": "ECSSD"})

Maps of one object are counted in two protocols (docs/protocol.md): `raw`, the probabilities as they are, and
`stretched`, each map stretched so that its valid pixels reach from 0 to 1, as the paper's test program does. A map of
one value becomes 0 there and is counted (column `constant` of the rows). Maps of K classes are counted as pairs like
(f, y) of an object: (confidence, right) of the top label, and (p_k, y == k) of every class; there is no stretch.

All numbers are integers: the result does not depend on the order of images or their split among workers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline_src.counting import image_pixels
from pipeline_src.counting.counts import Counts
from pipeline_src.counting.levels import COARSE, UNIT
from pipeline_src.counting.storage import pack, read, unpack, unreadable, write
from pipeline_src.errors import UserError
from pipeline_src.labels import IGNORED

if TYPE_CHECKING:
    from pipeline_src.counting.accumulate import FloatPass, ImageCounts

KIND = "counts"  # of a file
Whole = Mapping[str, Mapping[str, float]]


class MapCounts:
    """Counts of one object or of K classes; `empty`, `add`, `+`, `save`, `load`.

    Attributes:
        classes: K `Counts` of the single classes, f being p_k and y whether the label is k. In their rows `pixels` are
            the image's pixels of class k by label or prediction, and `correct` those by both: IoU is correct / pixels.
            Empty for one object.
        confusion: (K, K) int64, pixels by label and predicted class; None for one object.
        regions: counts of parts of the same images by name (`regions`); none by default. Their stretch is that of the
            whole map.
        border: pixels, the width of the border of an object.
    """

    def __init__(
        self,
        raw: Counts,
        stretched: Counts | None = None,
        regions: Mapping[str, MapCounts] | None = None,
        classes: Sequence[Counts] = (),
        confusion: np.ndarray | None = None,
        border: float = 5,
    ):
        self._counts = {"raw": raw} | ({} if stretched is None else {"stretched": stretched})
        self.regions, self.classes, self.confusion = dict(regions or {}), list(classes), confusion
        self.border = border
        self._passes: dict[str, FloatPass] = {}
        self._ids = set() if raw.rows is None else set(raw.rows.ids)

    @classmethod
    def empty(cls, classes: int = 2, quick: bool = False, regions: Sequence[str] = (), border: float = 5) -> MapCounts:
        """A statistic without images, of one object (2) or of K > 2 classes.

        Args:
            quick: whether to keep the counts of the raw protocol only, without rows per image. They suffice for ECE, OE
                and accuracy of one object, in a third of the time.
            regions: of one object, which of `regions.REGIONS` to count, too.
            border: pixels, the width of the border of an object.
        """
        if classes > 2:
            return cls.of_classes(classes)
        parts = {name: cls(Counts.empty(), Counts.empty()) for name in regions}
        return cls(Counts.empty(rows=not quick), None if quick else Counts.empty(), parts, border=border)

    @classmethod
    def of_classes(cls, classes: int) -> MapCounts:
        """A statistic without images of maps of K classes, where these are two as well."""
        single = [Counts.empty() for _ in range(classes)]
        return cls(Counts.empty(top=True), classes=single, confusion=np.zeros((classes, classes), np.int64))

    @property
    def raw(self) -> Counts:
        """Counts of the probabilities as they are; of K classes those of the top label, f being its confidence and y
        whether it is right. Rows then hold the K-class scores: brier (sum over classes of (p_k - y_k)^2, in [0, 2]),
        nll, entropy, absolute (1 - p_y)."""
        return self.protocols["raw"]

    @property
    def stretched(self) -> Counts | None:
        """Counts of the maps stretched one by one; None of K classes, and where they were not asked for."""
        return self.protocols.get("stretched")

    @property
    def protocols(self) -> dict[str, Counts]:
        """Counts by protocol."""
        for buffered in self._passes.values():
            buffered.flush()
        return dict(self._counts)

    def add(
        self,
        probability: np.ndarray,
        truth: np.ndarray,
        image_id: str,
        within: np.ndarray | None = None,
        whole: Whole | None = None,
        ignore: int | None = None,
        no_class: int | None = None,
    ) -> None:
        """Count one image.

        Args:
            probability: of one object (H, W), probability of the positive class: float32 or float64 in [0, 1] (float64
                is rounded to float32), or an integer map, uint8 meaning v / 255 and uint16 meaning v / 65535. Of K
                classes (K, H, W), float32 or float64 in [0, 1] that sum to 1 over the classes (to 1e-3).
            truth: (H, W) uint8 with 0 background, 1 foreground, 255 ignored; or bool. Of K classes integers, class ids
                0..K-1, `ignore` or `no_class`.
            image_id: names the image; each image once.
            within: (H, W) bool, the pixels that count; None for all. The stretch is of the whole map.
            whole: measures of the whole map to keep, by protocol and name (`whole_maps`); NaN where undefined.
            ignore: the label of pixels that never count, 255. A mask of one object that has 0 and 255 is refused unless
                255 is given, since it is more often the foreground.
            no_class: of K classes the label of pixels on which every class is wrong, as out of distribution.

        Raises:
            UserError: shapes differ, a dtype or a value is not allowed, the id is taken. Nothing was counted then,
                except in coarse counts (`levels`), whose values are checked while they are counted.
        """
        if image_id in self._ids:
            raise UserError(f"the image {image_id} was already counted", expected="every image once, under its own id")
        probability, truth = np.asarray(probability), np.asarray(truth)
        if self.confusion is not None:
            label = IGNORED if ignore is None else ignore
            self._add_classes(
                image_pixels.class_pixels(probability, truth, image_id, len(self.classes), label, no_class)
            )
            self._ids.add(image_id)
            return
        if probability.shape != truth.shape or probability.ndim != 2:
            raise UserError(
                f"map and mask of {image_id} do not fit",
                found=f"a map of shape {probability.shape}, a mask of shape {truth.shape}",
                expected="two arrays of the same shape (height, width)",
            )
        y, all_count = image_pixels.labels(truth.ravel(), image_id, ignore)
        f, selected = probability.ravel(), None if within is None else within.ravel()
        if not all_count:
            valid = y != IGNORED
            f, y, selected = f[valid], y[valid], None if selected is None else selected[valid]
        counted = (
            self._integers(f, y, selected)
            if f.dtype in (np.uint8, np.uint16)
            else self._floats(f, y, selected, image_id)
        )
        for protocol, (image, constant) in counted:
            rows = self._counts[protocol].rows
            if rows is not None:
                values = (whole or {}).get(protocol, {}).items()
                row = {"height": truth.shape[0], "width": truth.shape[1], "constant": int(constant)}
                row |= {name: round(value * UNIT) for name, value in values if not math.isnan(value)}
                rows.append(image_id, row | image.sums, image.levels)
                self._ids.add(image_id)
        if self.regions:
            from pipeline_src.counting.regions import regions  # OpenCV, which other counts do without

            parts = regions(truth, self.border)
            for name, part in self.regions.items():
                part.add(probability, truth, image_id, parts[name], ignore=ignore)

    def _floats(
        self, f: np.ndarray, y: np.ndarray, selected: np.ndarray | None, image_id: str
    ) -> Iterator[tuple[str, tuple[ImageCounts, bool]]]:
        """Count a float map (n,), whose pixels are those that `kept` says, in all protocols."""
        # Compiled code is slow to import, and reading counts does without.
        from pipeline_src.counting.accumulate import FloatPass, extremes

        if not np.issubdtype(f.dtype, np.floating):
            raise UserError(
                f"the map of {image_id} has an unknown type",
                found=f.dtype,
                expected="float32 or float64 in [0, 1], uint8 or uint16",
            )
        checked = self._counts["raw"].levels == COARSE and f.dtype == np.float32  # while they are counted
        low, high = (0, 1) if checked else extremes(f)
        if not (low >= 0 and high <= 1):  # also catches NaN, which min and max return
            raise _no_probabilities(image_id, low, high)
        if selected is not None:
            f, y = f[selected], y[selected]
        f = np.ascontiguousarray(f, np.float32)
        low, high = np.float32(low), np.float32(high)
        for protocol, counts in self._counts.items():
            if protocol not in self._passes:
                self._passes[protocol] = FloatPass(counts)
            try:
                image = self._passes[protocol].add(f, y, (low, high) if protocol == "stretched" else None)
            except ValueError:
                raise _no_probabilities(image_id, *extremes(f)) from None
            yield protocol, (image, bool(low == high) and f.size > 0)

    def _integers(
        self, v: np.ndarray, y: np.ndarray, selected: np.ndarray | None
    ) -> Iterator[tuple[str, tuple[ImageCounts, bool]]]:
        """Count an integer map (n,), as `_floats`."""
        from pipeline_src.counting.accumulate import add_fractions, extremes, histogram

        top, whole_map = int(np.iinfo(v.dtype).max), v
        if selected is not None:
            v, y = v[selected], y[selected]
        value, label, number = histogram(v, y)
        low, high = map(int, value[[0, -1]] if selected is None and v.size else extremes(whole_map))
        for protocol, counts in self._counts.items():
            if protocol == "stretched":
                value, top = (value - low, high - low) if high > low else (0 * value, top)
            yield protocol, (add_fractions(counts, value, label, number, top), low == high and v.size > 0)

    def _add_classes(self, image: image_pixels.ClassPixels) -> None:
        """Count a map of K classes."""
        from pipeline_src.counting.accumulate import FloatPass

        if "scores" not in self._passes:  # its buffers serve all counts in turn
            self._passes["scores"] = FloatPass(self._counts["raw"], scores=True)
        buffered, classes = self._passes["scores"], self.classes
        for counts, (f, y, row) in zip([self._counts["raw"], *classes], image.pairs(), strict=True):
            assert counts.rows is not None
            buffered.counts = counts
            levels = buffered.add(f, y, summed=False).levels
            buffered.flush()
            counts.rows.append(image.image_id, row, levels)
        self.confusion += image.confusion()

    def __add__(self, other: MapCounts) -> MapCounts:
        """Both together; UserError where they share images. Both must count the same things (ValueError)."""
        this, that = by_name(self), by_name(other)
        if this.keys() != that.keys():
            raise ValueError(f"statistics of {', '.join(this)} and of {', '.join(that)} cannot be added")
        confusion = None if self.confusion is None or other.confusion is None else self.confusion + other.confusion
        return from_names({name: counts + that[name] for name, counts in this.items()}, confusion, self.border)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MapCounts):
            return NotImplemented
        if self.confusion is None or other.confusion is None:
            return self.confusion is other.confusion and by_name(self) == by_name(other)
        return np.array_equal(self.confusion, other.confusion) and by_name(self) == by_name(other)

    __hash__ = None  # type: ignore[assignment]

    # Copies must not share or lose the buffers of a pass over the pixels: they are made anew from the counts.

    def __getstate__(self) -> dict[str, Any]:
        return {"counts": by_name(self), "confusion": self.confusion, "border": self.border}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = from_names(**state).__dict__

    def save(self, path: Path | str, provenance: dict) -> None:
        """Write one .npz, whole or not at all; the same counts and provenance give the same bytes.

        Args:
            provenance: anything that JSON can hold, such as model, data set and versions.
        """
        arrays: dict[str, Any] = {} if self.confusion is None else {"confusion": self.confusion}
        for name, counts in by_name(self).items():
            arrays |= pack(counts, name)
        write(path, KIND, arrays, provenance)

    @classmethod
    def load(cls, path: Path | str) -> tuple[MapCounts, dict]:
        """Read what `save` wrote: the statistic and its provenance.

        Raises:
            UserError: no such file, not a statistic, or one of another schema.
        """
        arrays, provenance = read(path, KIND)
        try:
            names = [name.removesuffix("_count") for name in arrays if name.endswith("_count")]
            return from_names({name: unpack(arrays, name) for name in names}, arrays.get("confusion")), provenance
        except Exception as error:  # whatever missing or damaged members make of it
            raise unreadable(path, error) from error


def _no_probabilities(image_id: str, low: float, high: float) -> UserError:
    return UserError(
        f"the map of {image_id} holds values that are not probabilities",
        found=f"values from {low} to {high}",
        expected="probabilities in [0, 1]",
        fix="apply the sigmoid to logits; save 0..255 maps as uint8",
    )


def by_name(statistic: MapCounts) -> dict[str, Counts]:
    """All counts by name: `raw`, `stretched`, `border/raw`, ...; of K classes `top`, `class0`, ..."""
    if statistic.confusion is not None:
        return {"top": statistic.raw} | {f"class{k}": counts for k, counts in enumerate(statistic.classes)}
    regions = {
        f"{r}/{name}": region_counts
        for r, region in statistic.regions.items()
        for name, region_counts in region.protocols.items()
    }
    return statistic.protocols | regions


def from_names(counts: Mapping[str, Counts], confusion: np.ndarray | None, border: float = 5) -> MapCounts:
    """The statistic of `by_name`."""
    if confusion is not None:
        classes = [counts[f"class{k}"] for k in range(len(confusion))]
        return MapCounts(replace(counts["top"], top=True), classes=classes, confusion=confusion)
    names = dict.fromkeys(name.partition("/")[0] for name in counts if "/" in name)
    regions = {name: MapCounts(counts[f"{name}/raw"], counts.get(f"{name}/stretched")) for name in names}
    return MapCounts(counts["raw"], counts.get("stretched"), regions, border=border)
