"""The pass over the pixels of images: an `Accumulator` takes images and returns their `Counts`.

Two ways lead to the same counts: `FloatPass` takes float32 maps in blocks that stay in the cache;
`add_fractions` takes the histogram of an integer map, at most 2 x 65,536 entries, and works in
exact integers. All numbers are integers: the result does not depend on the order of images or their
split among workers.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pipeline_src.counting import kernels
from pipeline_src.counting.counts import (
    ARRAYS,
    COLUMNS,
    SCORE_SUMS,
    UNMEASURED,
    Counts,
    Histogram,
    ImageTable,
    check_repeated,
    image_table,
    named_counts,
)
from pipeline_src.counting.levels import (
    CLAMP,
    COARSE,
    LAST,
    LEVEL_OF_CELL,
    LEVELS,
    POSITION,
    PROTOCOLS,
    SHIFT,
    UNIT,
)
from pipeline_src.counting.sample import BLOCK, Sample
from pipeline_src.counting.whole_maps import whole_map_measures
from pipeline_src.errors import UserError

# Pixels whose cells are computed at once and counted then: with the counts they fit the L1 cache.
KEYS = 1 << 9
SLAB = 1 << 20  # pixels of K classes whose scores are in memory at once
Sums = Mapping[str, int]  # of an image, by column name (`counts.COLUMNS`)


class Accumulator:
    """Counts that grow with each image: `add` images, and `counts` returns the result.

    Args:
        classes: the number of classes K of the maps; None for maps of one object.
        protocols: for maps of one object, of `raw` (probabilities as they are) and `stretched`
            (min-max normalized).
        images: whether to keep a row per image, which takes most of the time. Of K classes only
            the top label is counted without rows.
        levels: number of levels of the histograms: LEVELS, or COARSE, which is faster and suffices
            for bins where no rows are kept.
        whole_maps: whether S-measure and E-measure of maps of one object are computed.
        weighted_f: whether weighted F is computed with these.
    """

    def __init__(
        self,
        classes: int | None = None,
        *,
        protocols: Sequence[str] = PROTOCOLS,
        images: bool = True,
        levels: int = LEVELS,
        whole_maps: bool = False,
        weighted_f: bool = False,
    ):
        """Begin with empty histograms: one per protocol, or for K classes of the top label and of
        each class.
        """
        self.classes = classes
        self.images = images
        self.whole_maps = whole_maps
        self.weighted_f = weighted_f
        # By name: protocols, or `top` and `class0`, `class1`, ... (`counts.named_counts`).
        self._histograms: dict[str, Histogram] = {}
        if classes is None:
            for protocol in protocols:
                self._histograms[protocol] = Histogram.empty(levels)
        else:
            self._histograms["top"] = Histogram.empty(levels, top=True)
            for k in range(classes if images else 0):
                self._histograms[f"class{k}"] = Histogram.empty(levels)
            self._confusion = np.zeros((classes, classes), np.int64)
        self._returned = False  # whether the arrays of the histograms were returned as counts
        self._passes: dict[str, FloatPass] = {}
        self._ids: dict[str, None] = {}  # in the order of adding, as the rows
        self._rows: dict[str, list[np.ndarray]] = {name: [] for name in self._histograms}
        self._levels: dict[str, list[np.ndarray]] = {name: [] for name in self._histograms}

    def __len__(self) -> int:
        """Return the number of images that have rows."""
        return len(self._ids)

    def add(self, sample: Sample, clamp: float = CLAMP) -> None:
        """Count one image.

        Args:
            clamp: the least probability whose logarithm is taken. Only integer maps use it, whose
                steps are wider than CLAMP; for other maps it is CLAMP.

        Raises:
            UserError: the id is taken, or the number of classes differs. Nothing was counted then.
        """
        if sample.classes != self.classes:
            raise UserError(
                f"the map of {sample.id} has another number of classes",
                found=sample.classes or "one object",
                expected=self.classes or "one object",
            )
        if self.images:
            check_repeated({sample.id} & self._ids.keys())
            self._ids[sample.id] = None
        self._copy_returned()
        if self.classes is not None:
            self._add_classes(sample)
        elif sample.probability.dtype in (np.uint8, np.uint16):
            self._add_integers(sample, clamp)
        else:
            self._add_floats(sample)

    def include(self, counts: Mapping[str, Counts]) -> None:
        """Add counts of other images, which another accumulator returned, such as a worker's.

        Raises:
            UserError: an image was counted in both.
            ValueError: the counts are of other protocols or classes.
        """
        parts = named_counts(counts)
        if parts.keys() != self._histograms.keys():
            raise ValueError(f"counts of {', '.join(parts)} are not of {', '.join(self._rows)}")
        ids = counts["raw"].images.ids
        check_repeated(self._ids.keys() & set(ids))
        self._ids |= dict.fromkeys(ids)
        self._copy_returned()
        for name, other in parts.items():
            for array in ARRAYS:
                total = getattr(self._histograms[name], array)
                total += getattr(other.histogram, array)  # in place
            self._rows[name] += list(other.images.table)
            self._levels[name] += list(other.images.levels)
        confusion = counts["raw"].confusion
        if confusion is not None:
            self._confusion += confusion

    def counts(self) -> dict[str, Counts]:
        """Return the counts of all images so far by protocol; later images do not change them."""
        for float_pass in self._passes.values():
            float_pass.flush()
        counts = {}
        for name, histogram in self._histograms.items():
            images = ImageTable.empty()
            if self._ids:
                table = np.stack(self._rows[name])
                images = image_table(list(self._ids), table, np.stack(self._levels[name]))
            counts[name] = Counts(histogram, images)
        self._returned = True  # the histograms now belong to the counts (`_copy_returned`)
        if self.classes is None:
            return counts
        top = counts.pop("top")
        if not self.images:
            return {"raw": top}
        classes = tuple(counts.values())
        return {"raw": replace(top, classes=classes, confusion=self._confusion.copy())}

    def _copy_returned(self) -> None:
        """Replace histograms that `counts` returned by copies, because what was returned must not
        change.
        """
        if self._returned:
            self._histograms = copy.deepcopy(self._histograms)
            self._passes = {}  # `counts` emptied their buffers; new passes add to the copies
            self._returned = False

    def _append_row(self, name: str, row: Mapping[str, int], levels: np.ndarray) -> None:
        """Add an image's row to those of the histogram `name`.

        Args:
            row: by column name; columns without a value are unmeasured.
            levels: (256, 2), the image's pixels by 8-bit level and label.
        """
        values = [row.get(column, UNMEASURED) for column in COLUMNS]
        self._rows[name].append(np.array(values, np.int64))
        self._levels[name].append(levels.astype(np.uint32))

    def _add_floats(self, sample: Sample) -> None:
        """Count a float map of one object in all protocols.

        Of the protocol `stretched`, f is normalized by the least and largest value of the map.
        """
        probability, labels = sample.pixels
        f = np.ascontiguousarray(probability, np.float32)
        low, high = map(np.float32, sample.limits)
        measures = self._measures(sample)
        for name, histogram in self._histograms.items():
            if name not in self._passes:
                self._passes[name] = FloatPass(histogram, images=self.images)
            scale = (low, high) if name == "stretched" else None
            sums, levels = self._passes[name].add(f, labels, scale)
            if self.images:
                row = _object_row(sample, sums, measures.get(name, {}), constant=low == high)
                self._append_row(name, row, levels)

    def _add_integers(self, sample: Sample, clamp: float) -> None:
        """Count an integer map of one object in all protocols, from the pixels by value and label.

        A value v is the fraction v / 255 or v / 65535; in the protocol `stretched` it is
        (v - low) / (high - low), from the least and the largest value of the map.
        """
        v, labels = sample.pixels
        # The (value, label) pairs that occur, ascending, and the number of pixels of each.
        pixels = kernels.pixels_by_value(v, labels)
        pairs = np.flatnonzero(pixels)  # 2 * value + label
        value = pairs >> 1
        label = pairs & 1
        number = pixels.reshape(-1)[pairs]
        low = int(value[0]) if v.size else 0
        high = int(value[-1]) if v.size else 0
        top = int(np.iinfo(v.dtype).max)
        measures = self._measures(sample)
        for name, histogram in self._histograms.items():
            numerator = value
            denominator = top
            if name == "stretched":
                numerator = value - low
                denominator = high - low or top  # a map of one value becomes 0
            sums, levels = add_fractions(
                histogram,
                numerator,
                label,
                number,
                denominator=denominator,
                clamp=clamp,
            )
            if self.images:
                row = _object_row(sample, sums, measures.get(name, {}), constant=low == high)
                self._append_row(name, row, levels)

    def _measures(self, sample: Sample) -> dict[str, dict[str, float]]:
        """Return the measures of a whole map by protocol and name; none where they are not asked
        for, or not defined because the sample is a volume.
        """
        if not self.whole_maps or sample.target.ndim != 2:
            return {}
        return whole_map_measures(sample.probability, sample.target, weighted=self.weighted_f)

    def _add_classes(self, sample: Sample) -> None:
        """Count a map of K classes: the top label and, where rows are kept, each class.

        The buffers of one `FloatPass` serve all histograms in turn.
        """
        if "top" not in self._passes:
            top = self._histograms["top"]
            self._passes["top"] = FloatPass(top, scores=True, images=self.images)
        float_pass = self._passes["top"]
        if not self.images:
            confidence, correct = sample.top_label()
            float_pass.add(confidence, correct)
            return
        p, labels = sample.pixels
        sums: dict[str, Counter[str]] = {name: Counter() for name in self._histograms}
        levels = {name: np.zeros((256, 2), np.int64) for name in self._histograms}
        for start in range(0, max(1, labels.size), SLAB):  # an image may have no pixel that counts
            slab = slice(start, start + SLAB)
            scores = self._class_scores(p[:, slab], labels[slab], sample.no_class)
            for name, f, hits, sums_of_slab in scores:
                float_pass.histogram = self._histograms[name]  # to which `flush` moves the pixels
                _, of_slab = float_pass.add(f, hits.astype(np.uint8), summed=False)
                float_pass.flush()
                levels[name] += of_slab
                sums[name].update(sums_of_slab)
        height, width = sample.target.shape[-2:]
        # Maps of K classes are not min-max normalized: a constant one is no special case.
        sums["top"].update({"height": height, "width": width, "constant": 0})
        for name, row in sums.items():
            self._append_row(name, row, levels[name])

    def _class_scores(
        self, p: np.ndarray, labels: np.ndarray, no_class: int | None
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray, dict[str, int]]]:
        """Yield scores (n,), hits (n,) bool and columns of the image's row, of the top label and
        of each class; add to the confusion.

        The columns of the top label are sums over pixels, those of `_class_sums` (Brier score and
        the like) among them.

        Args:
            p: (K, n) float32, probabilities.
            labels: (n,) int64, class ids or `no_class`.
            no_class: the label of pixels on which every class is wrong; None if there is none.

        Yields:
            the name of the histogram, scores, hits, sums. The score of a class is its probability,
            and a hit is a pixel with its label.
        """
        has_class = np.ones(labels.shape, bool)
        if no_class is not None:
            has_class = labels != no_class
        y = np.where(has_class, labels, 0)
        predicted = p.argmax(axis=0)
        confidence = p.max(axis=0)
        hits = (predicted == y) & has_class
        sums = {
            "pixels": y.size,
            "correct": int(hits.sum()),
            "confidence": _summed(confidence.astype(np.float64)),
        }
        yield "top", confidence, hits, sums | _class_sums(p, y, has_class)
        for k, f in enumerate(p):
            labelled = (y == k) & has_class
            chosen = predicted == k
            areas = {  # union and intersection, whose ratio is the IoU
                "pixels": int((labelled | chosen).sum()),
                "correct": int((labelled & chosen).sum()),
            }
            yield f"class{k}", f, labelled, areas
        cells = (y * len(p) + predicted)[has_class]  # indexes into the flat confusion matrix
        self._confusion += np.bincount(cells, minlength=len(p) ** 2).reshape(len(p), len(p))


def _object_row(
    sample: Sample, sums: Sums, measures: Mapping[str, float], constant: bool
) -> dict[str, int]:
    """Return the row of an image of one object by column name.

    Args:
        sums: of the pixels that count.
        measures: S-measure and the like in [0, 1]; a NaN leaves its column unmeasured.
        constant: whether the map has one value only.
    """
    row = {
        "height": sample.target.shape[-2],
        "width": sample.target.shape[-1],
        "constant": int(constant and sums["pixels"] > 0),
    }
    for name, value in measures.items():
        if not math.isnan(value):
            row[name] = round(value * UNIT)
    return row | dict(sums)


def _class_sums(p: np.ndarray, y: np.ndarray, has_class: np.ndarray) -> dict[str, int]:
    """Return the sums of `SCORE_SUMS` of an image of K classes, in 1 / UNIT.

    Args:
        p: (K, n) float32, probabilities.
        y: (n,) int64, class ids.
        has_class: (n,) bool; where it is false, the label has probability 0.
    """
    exact = p.astype(np.float64)
    given = np.where(has_class, exact[y, np.arange(y.size)], 0)
    clamped = np.clip(exact, CLAMP, 1 - CLAMP)
    return {
        "absolute": _summed(1 - given),
        # sum_k (p_k - [y = k])^2 = sum_k p_k^2 - 2 p_y + 1
        "brier": _summed((exact**2).sum(axis=0) - 2 * given + has_class),
        "nll": _summed(-np.log(np.clip(given, CLAMP, 1 - CLAMP))),
        "entropy": _summed(-(clamped * np.log(clamped)).sum(axis=0)),
    }


def _summed(values: np.ndarray) -> int:
    """Return the sum of values (n,), each rounded to 1 / UNIT first."""
    return int(np.rint(values * UNIT).sum())


def score_sums(
    error: np.ndarray, logs: np.ndarray, number: np.ndarray, clamp: float = CLAMP
) -> np.ndarray:
    """Return the sums of `SCORE_SUMS` (absolute error, squared error, NLL, entropy) as Python
    integers in 1 / UNIT.

    Each value is rounded to a whole number of units first, so the sums do not depend on the order
    of pixels. With q = 1 - |f - y|, the probability given to the label, the NLL is -log q and the
    entropy -q log q - (1-q) log(1-q) (that of f, since q is f or 1-f); q is clamped.

    Args:
        error: (n,) float64, |f - y|.
        logs: (2, n) float64, a buffer.
        number: (n,) int64, pixels with this error.
        clamp: the least q.
    """
    kernels.chances(error, clamp, logs)
    np.log(logs, out=logs)  # numpy takes several at once; compiled loops take one after the other
    return np.array(kernels.score_sums(error, logs, number, clamp, UNIT), object)


class FloatPass:
    """Adds float32 maps f to a histogram; the array `pending` buffers `held` pixels until `flush`.

    A buffer is faster, because the count and the position of a pixel are one integer in it
    (`kernels.PIXEL`). It has four of them, two predicted classes by two labels, for each cell: a
    level of the histogram, or a part of a level where pixels are dense, near doubt 0. The other
    arrays are work space, allocated once: `cell`, `rest` and `amount` for the `KEYS` pixels whose
    cells are found at a time, `scaled`, `error` and `logs` for a block of `BLOCK` pixels, and
    `single`, ones that say that each value is one pixel.

    Args:
        histogram: whose arrays are added to.
        scores: whether f is the score of one of K classes: f below 0.5 is then binned by all its
            bits. For one object f below 0.5 stands for the confidence 1 - f, a float32 of 24 bits.
        images: whether sums and levels of each image are computed.
    """

    def __init__(self, histogram: Histogram, scores: bool = False, images: bool = True):
        """Choose the kernel that fits the histogram, and allocate the buffer and the work space."""
        self.histogram = histogram
        self.scores = scores
        self.images = images
        # Whether the kernel for few levels applies. Many pixels in turn then have the same cell, so
        # it counts in `copies` of the buffer: an addition need not wait for the one before.
        self.few = histogram.levels == COARSE and not scores
        # Up to this value of b (`levels`), levels are divided into finer cells; 0 on the coarse
        # grid, where each level is one cell.
        self.last = LAST if histogram.levels == LEVELS else 0
        self.level = LEVEL_OF_CELL if self.last else np.arange(len(histogram.count))
        self.copies = kernels.COPIES if self.few else 1
        self.pending = np.zeros(4 * len(self.level) * self.copies, np.int64)
        self.held = 0
        self.cell = np.empty(KEYS, np.int32)
        self.rest = np.empty(KEYS, np.int32)
        self.amount = np.empty(KEYS, np.int64)
        self.scaled = np.empty(BLOCK, np.float32)
        self.error = np.empty(BLOCK)
        self.logs = np.empty(2 * BLOCK)
        self.single = np.ones(BLOCK if images else 0, np.int64)

    def add(
        self,
        f: np.ndarray,
        y: np.ndarray,
        scale: tuple[np.float32, np.float32] | None = None,
        summed: bool = True,
    ) -> tuple[Sums, np.ndarray]:
        """Count one image.

        Args:
            f: (n,) float32 in [0, 1].
            y: (n,) uint8 in {0, 1}.
            scale: (low, high) of min-max normalization, f -> (f - low) / (high - low); 0 where both
                are equal.
            summed: whether to compute the sums of the image, which take most of the time.

        Returns:
            the sums of the image by column name, and its pixels by 8-bit level and label, (256, 2)
            int64; both are zeros where they are not computed.
        """
        sums = np.zeros(2, object)
        scores = np.zeros(len(SCORE_SUMS), object)
        levels = np.zeros((256, 2), np.int64)
        # Without work space for a block, only the buffer of pixels bounds its length.
        block = BLOCK if scale or self.images else kernels.PENDING
        for start in range(0, len(f), block):
            fb = f[start : start + block]
            yb = y[start : start + block]
            n = len(fb)
            if scale is not None:
                low, high = scale
                fb = np.subtract(fb, low, out=self.scaled[:n])
                if high > low:
                    fb /= high - low
            self._count(fb, yb)
            if self.images:
                error = self.error[:n]
                sums += kernels.compare_floats(fb, yb, UNIT, levels, error)
                if summed:
                    scores += score_sums(error, self.logs[: 2 * n].reshape(2, n), self.single)
        return _by_column(len(f), [*sums, *scores]), levels

    def _count(self, f: np.ndarray, y: np.ndarray) -> None:
        """Count the probabilities f (n,) and labels y (n,) of a block in the buffer."""
        if self.held + len(f) > kernels.PENDING:
            self.flush()
        self.held += len(f)
        levels = self.histogram.levels
        if self.few:
            bits = POSITION.bit_length() - 1
            kernels.count_few(f, y, levels, bits, self.cell, self.amount, self.pending)
            return
        edge = kernels.count_floats(
            f,
            y,
            self.scores,
            levels,
            POSITION,
            SHIFT,
            self.last,
            self.cell,
            self.rest,
            self.pending,
        )
        self.histogram.on_edge[levels // 4] += edge  # f = 0.25, where level levels / 4 begins

    def flush(self) -> None:
        """Move the buffered pixels into the histogram, whose arrays are passed as flat ones."""
        count = self.histogram.count.reshape(-1)
        position = self.histogram.position.reshape(-1)
        surest = self.histogram.surest.reshape(-1)
        levels = self.histogram.levels
        kernels.move(self.pending, self.level, self.copies, levels, count, position, surest)
        self.held = 0


def _by_column(pixels: int, sums: Sequence[int]) -> Sums:
    """Return the sums of an image by column name.

    Args:
        pixels: number of pixels that count.
        sums: correct pixels, confidence, and the sums of `SCORE_SUMS`.
    """
    return {"pixels": pixels} | dict(zip(("correct", "confidence", *SCORE_SUMS), sums, strict=True))


def add_fractions(
    histogram: Histogram,
    value: np.ndarray,
    label: np.ndarray,
    number: np.ndarray,
    *,
    denominator: int,
    clamp: float,
) -> tuple[Sums, np.ndarray]:
    """Count the values of an integer map: `number` pixels have the fraction value / denominator and
    the label.

    Args:
        histogram: whose arrays are added to.
        value, label, number: (n,) int64, ascending; 0 <= value <= denominator, label in {0, 1}.
        clamp: the least probability whose logarithm is taken.

    Returns:
        the sums of the image by column name, and its pixels by 8-bit level and label, (256, 2)
        int64.
    """
    levels = np.zeros((256, 2), np.int64)
    error = np.empty(len(value))
    correct, doubts = kernels.count_fractions(
        value,
        label,
        number,
        denominator,
        histogram.levels,
        POSITION,
        SHIFT,
        LAST,
        histogram.count,
        histogram.position,
        histogram.on_edge,
        histogram.surest,
        levels,
        error,
    )
    pixels = int(number.sum())
    # Confidence is 1 - doubt, and a sum over pixels is their mean times their number.
    confidence = round((1 - doubts / denominator / max(1, pixels)) * pixels * UNIT)
    scores = score_sums(error, np.empty((2, len(value))), number, clamp)
    return _by_column(pixels, [correct, confidence, *scores]), levels
