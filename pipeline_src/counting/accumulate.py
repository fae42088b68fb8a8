"""The pass over the pixels of one image into the counts of one protocol.

Two ways lead to the same counts: `FloatPass` streams float32 maps in blocks that stay in the cache; `add_fractions`
takes the histogram of an integer map, at most 2 x 65,536 entries, and works in exact integers.
"""

from __future__ import annotations

import numpy as np

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.levels import CLAMP, HALF, LEVELS, POSITION, UNIT

BLOCK = 1 << 16  # pixels: few enough for the caches, enough to hide what a numpy call costs
# Added to WEIGHT a doubt stands, in units of 2^-24, at the low end of the bits, below a constant TAG. A cell that sums
# n of these as integers holds n * TAG modulo 2^21 above 43 bits of summed doubts, and n follows since TAG is odd.
WEIGHT = 2.0**28 + 2.0**19
WEIGHT_BITS = int(np.float64(WEIGHT).view(np.int64))
TAG_BIT = 43
UNTAG = pow(WEIGHT_BITS >> TAG_BIT, -1, 1 << 21)
PENDING = (1 << 20) - 1  # pixels that a cell can hold: their doubts, 2^23 at most, sum to less than 2^43
ROUNDER = 1.5 * 2**52 / UNIT
ROUNDER_BITS = np.float64(ROUNDER).view(np.int64)
SCORES = ("absolute", "brier", "nll", "entropy")


def score_sums(error: np.ndarray, work: np.ndarray) -> list[int]:
    """Sums of `SCORES` over pixels (absolute error, squared error, NLL, entropy), in units of 1 / UNIT.

    Each pixel's value is rounded to a whole number of units first, so the sums do not depend on the pixels' order.

    Args:
        error: |f - y| per pixel, float64 in [0, 1], overwritten. With q = 1 - |f - y|, the probability given to the
            label, the NLL is -log q and the entropy -q log q - (1-q) log(1-q) (that of f, since q is f or 1-f); q is
            clamped.
        work: (5, n) float64, a buffer.
    """
    write_scores(error, work)
    work = work[:4]
    # A value added to ROUNDER is rounded to a multiple of 1 / UNIT, which is then the low end of the bits.
    work += ROUNDER
    sums = work.view(np.int64).sum(axis=1)  # modulo 2^64, as is the subtraction
    sums -= np.multiply(work.shape[1], ROUNDER_BITS, dtype=np.int64)
    return [abs(total) for total in sums.tolist()]


def write_scores(error: np.ndarray, work: np.ndarray) -> None:
    """Write absolute error, squared error, minus NLL and minus entropy of each pixel into the first rows of `work`."""
    # Every array is written in place: a fresh array of this size costs more in page faults than the logarithm.
    absolute, squared, log_q, log_r, difference = work
    absolute[:] = error
    np.multiply(error, error, out=squared)
    np.clip(error, CLAMP, 1 - CLAMP, out=error)
    np.log(error, out=log_r)
    np.subtract(1.0, error, out=error)
    np.log(error, out=log_q)
    np.subtract(log_q, log_r, out=difference)
    error *= difference  # q log q + (1-q) log(1-q) = log(1-q) + q (log q - log(1-q))
    log_r += error


class FloatPass:
    """Adds float32 maps to the counts of one protocol; part of them is buffered until `flush`.

    Args:
        scores: whether f is a score of its own, as of one of K classes: f below 0.5 is then binned by all its bits. For
            one object f below 0.5 stands for the confidence 1 - f, a float32 of 24 bits.
    """

    def __init__(self, counts: Counts, scores: bool = False):
        self.counts, self.scores = counts, scores
        # Pixels and summed doubts of a cell in one integer: one random access per pixel instead of two.
        self.pending = np.zeros(4 * (HALF + 1), np.int64)
        self.flushed = np.empty_like(self.pending)
        self.start = np.repeat(np.arange(HALF + 1) * POSITION, 4)  # of a level, in units of a position
        self.held = 0
        self.doubt = np.empty(BLOCK, np.float32)
        self.scaled = np.empty(BLOCK, np.float32)
        self.code = np.empty(BLOCK, np.uint8)
        self.predicted = np.empty(BLOCK, bool)
        self.wide = np.empty((2, BLOCK))
        # Integers overwrite the floats that they are made of: less memory stays in the caches.
        self.whole = self.doubt.view(np.int32)
        self.key, self.weight = self.wide.view(np.int64)
        self.work = np.empty(5 * BLOCK)

    def add(
        self,
        f: np.ndarray,
        y: np.ndarray,
        scale: tuple[np.float32, np.float32] | None = None,
        summed: bool = True,
    ):
        """Count one image.

        Args:
            f: (n,) float32 in [0, 1].
            y: (n,) uint8 in {0, 1}.
            scale: low and high of the stretch f -> (f - low) / (high - low), if any; where they are equal f becomes 0.
            summed: whether to return the sums of the image, which take most of the time.

        Returns:
            The sums of the image by column name (empty unless `summed`), and its (256, 2) pixels per 8-bit level and
            label; None where the counts keep no rows.
        """
        correct, doubts = 0, 0
        sums = np.zeros(len(SCORES), object)
        levels = np.zeros(512, np.int64)
        for start in range(0, len(f), BLOCK):
            fb, yb = f[start : start + BLOCK], y[start : start + BLOCK]
            n = len(fb)
            if scale is not None:
                low, high = scale
                fb = np.subtract(fb, low, out=self.scaled[:n])
                if high > low:
                    fb /= high - low
            self._count(fb, yb)
            if self.counts.rows is not None:
                wide, error = self.wide[:2, :n]  # the second still holds the weights
                wide[:] = fb
                if summed:
                    correct += int(np.count_nonzero(self.predicted[:n].view(np.uint8) == yb))
                    doubts += (int(self.weight[:n].sum()) - n * WEIGHT_BITS) % 2**64
                    error[:] = yb
                    error -= wide
                    np.abs(error, out=error)
                    sums += score_sums(error, self.work[: 5 * n].reshape(5, n))
                levels += self._levels(wide, yb)
        if self.counts.rows is None:
            return None
        levels = levels.reshape(256, 2)
        if not summed:
            return {}, levels
        confidence = len(f) * UNIT - doubts * (UNIT // POSITION)
        by_name = dict(zip(SCORES, sums.tolist(), strict=True))
        return by_name | {"correct": correct, "confidence": confidence}, levels

    def _count(self, f: np.ndarray, y: np.ndarray) -> None:
        """Count a block."""
        n = len(f)
        doubt, whole, key, weight, code, predicted = (
            a[:n] for a in (self.doubt, self.whole, self.key, self.weight, self.code, self.predicted)
        )
        wide, weighed = self.wide[:, :n]
        one = np.float32(1)
        np.subtract(one, f, out=doubt)
        if self.scores:
            np.minimum(doubt, f, out=doubt)  # 1 - f is exact from 0.5 on
        else:
            np.maximum(doubt, f, out=doubt)  # the confidence
            np.subtract(one, doubt, out=doubt)  # exact in float32, a multiple of 2^-24
        np.greater_equal(f, np.float32(0.5), out=predicted)

        quarter = np.equal(doubt, np.float32(0.25), out=code.view(bool))
        if np.count_nonzero(quarter):  # the one edge below 0.5 that a float32 can lie on
            quarter &= ~predicted
            self.counts.on_edge[LEVELS // 4] += np.bincount(y[quarter], minlength=2)

        np.add(predicted.view(np.uint8), predicted.view(np.uint8), out=code)
        code |= y
        wide[:] = doubt
        np.add(wide, WEIGHT, out=weighed)  # rounds the doubt to a multiple of 2^-24
        wide *= LEVELS  # exact in float64: 24 by 17 bits
        np.copyto(whole, wide, casting="unsafe")  # truncates: the level
        whole <<= 2
        whole |= code
        key[:] = whole
        if self.held + n > PENDING:
            self.flush()
        self.held += n
        np.add.at(self.pending, key, weight)

    def _levels(self, wide: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(512,) pixels of a block per 8-bit level and label, from f in float64, overwritten: 255 f is exact in it."""
        whole, key = self.whole[: len(y)], self.key[: len(y)]
        wide *= 255
        np.copyto(whole, wide, casting="unsafe")
        whole <<= 1
        whole |= y
        key[:] = whole
        return np.bincount(key, minlength=512)

    def flush(self) -> None:
        """Move the buffered pixels into the counts; in place, since it happens every million pixels."""
        pending, count = self.pending, self.flushed
        np.right_shift(pending, TAG_BIT, out=count)
        count *= UNTAG
        count &= (1 << 21) - 1
        self.counts.count.reshape(-1)[:] += count
        pending &= (1 << TAG_BIT) - 1
        pending *= LEVELS
        count *= self.start
        pending -= count
        self.counts.position.reshape(-1)[:] += pending
        pending[:] = 0
        self.held = 0


def extremes(values: np.ndarray) -> tuple:
    """Smallest and largest of values (n,), (0, 0) without any; NaN if one is. Each block is read from memory once."""
    blocks = [values[start : start + BLOCK] for start in range(0, len(values), BLOCK)]
    ends = np.array([(block.min(), block.max()) for block in blocks] or [(0, 0)], values.dtype)
    return ends[:, 0].min(), ends[:, 1].max()


def surely_in_unit_interval(f: np.ndarray) -> bool:
    """Whether f (n,) is float32 in [0, 1], by one pass; False may also mean -0.0.

    Read as unsigned integers, negative numbers, NaN and numbers above 1 are all above 1.
    """
    return f.dtype == np.float32 and (not f.size or f.view(np.uint32).max() <= np.float32(1).view(np.uint32))


def histogram(v: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The (value, label) pairs of an integer map: (m,) int64 values, labels and numbers of pixels, in ascending order.

    Args:
        v: (n,) uint8 or uint16.
        y: (n,) uint8 in {0, 1}.
    """
    pixels = np.zeros(2 * (np.iinfo(v.dtype).max + 1), np.int64)
    key = np.empty(min(BLOCK, len(v)), np.int64)
    for start in range(0, len(v), BLOCK):
        vb = v[start : start + BLOCK]
        kb = key[: len(vb)]
        kb[:] = vb
        kb <<= 1
        kb |= y[start : start + BLOCK]
        if v.dtype == np.uint8:
            pixels += np.bincount(kb, minlength=512)
        else:
            np.add.at(pixels, kb, 1)
    at = np.flatnonzero(pixels)
    return at >> 1, at & 1, pixels[at]


def add_fractions(counts: Counts, value, label, number, denominator: int) -> tuple[dict[str, int], np.ndarray]:
    """Count the histogram of one integer map: `number` pixels with f = value / denominator and the label.

    Args:
        counts: the `Counts` to add to.
        value, label, number: (n,) int64; 0 <= value <= denominator, label in {0, 1}.

    Returns:
        The sums of the image by column name, and its (256, 2) pixels per 8-bit level and label.
    """
    doubt = np.minimum(value, denominator - value)
    level, rest = np.divmod(doubt * LEVELS, denominator)
    position = np.rint(rest * (POSITION / denominator)).astype(np.int64)
    predicted = (2 * value >= denominator).astype(np.int64)
    at = (level * 2 + predicted) * 2 + label
    np.add.at(counts.count.reshape(-1), at, number)
    np.add.at(counts.position.reshape(-1), at, number * position)
    edge = (rest == 0) & (predicted == 0) & (level > 0)
    np.add.at(counts.on_edge, (level[edge], label[edge]), number[edge])

    levels = np.zeros(512, np.int64)
    np.add.at(levels, value * 255 // denominator * 2 + label, number)
    work = np.empty((5, len(value)))
    write_scores(np.abs(value - label * denominator) / denominator, work)
    units = np.rint(np.abs(work[:4]) * UNIT).astype(np.int64)
    sums = dict(zip(SCORES, (units @ number).tolist(), strict=True))
    correct = int(number[predicted == label].sum())
    confidence = round((1 - int(doubt @ number) / denominator / max(1, number.sum())) * number.sum() * UNIT)
    return {"correct": correct, "confidence": int(confidence), **sums}, levels.reshape(256, 2)
