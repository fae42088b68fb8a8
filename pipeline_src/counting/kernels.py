"""The loops over pixels that `accumulate` counts with, on the grid that `levels` describes."""

from __future__ import annotations

import numpy as np

from pipeline_src.counting.compiled import BOOL, FLOAT, INT, NOTHING, compiled, read, several, written

# A cell's pixels and summed positions, as one integer: one access to memory per pixel. Positions begin at -levels // 2,
# since the rounding of scores may put a pixel that far below its level.
PIXEL = 1 << 44
PENDING = 1_000_000  # pixels that a cell can hold: their positions sum to less than PIXEL
COPIES = 4  # of few cells, used in turn: a pixel does not wait for the previous one. More would leave the L1 cache
VALUE_COPIES = 4  # of the values of an 8-bit map, likewise

BYTES, WORDS, SINGLES, DOUBLES, INTS = (read(name) for name in ("uint8", "uint16", "float32", "float64", "int64"))
ROWS, TABLE, CUBE = (written("int64", axes) for axes in (1, 2, 3))
SMALL, ERRORS, LOGS = written("int32"), written("float64"), written("float64", 2)


@compiled(several(INT, 2)(SINGLES, BYTES, BOOL, INT, INT, INT, INT, SMALL, SMALL, ROWS))
def count_floats(f, y, scores, levels, position, shift, last, cell, rest, pending):
    """Add pixels to `pending`, (4 * (levels // 2 + 1 + last),): by cell (`surest`), predicted class and label.

    Args:
        f, y: (n,), probabilities and labels.
        scores: whether all bits of f below 0.5 count (`accumulate.FloatPass`).
        levels, position: the number of levels, and `POSITION`.
        shift, last: `surest.SHIFT` and `surest.LAST`, or 0 for cells that are levels.
        cell, rest: (m,) int32, buffers.

    Returns:
        background and foreground pixels at f = 0.25, the one edge below 0.5 that a float32 can lie on.
    """
    unity, half = np.float32(1), np.float32(0.5)
    edge, edge_foreground = 0, 0
    shift, last = np.int32(shift), np.int32(last)
    for start in range(0, f.size, cell.size):
        fb, yb = f[start : start + cell.size], y[start : start + cell.size]
        for i in range(fb.size):  # several pixels at once, as nothing is looked up
            p = fb[i]
            least = np.float32(abs(min(p, unity - p)))  # of -0.0, too
            doubt = np.float64(least if scores else unity - max(p, unity - p))
            level = np.floor(doubt * levels)  # exact: 24 by 17 bits
            rest[i] = np.int32(np.rint(doubt * position) * levels - level * position)
            finer = (np.float32(least).view(np.int32) >> shift) + (least > 0)
            cell[i] = 4 * (np.int32(level) + min(finer, last)) + 2 * (p >= half) + yb[i]
            on_edge = (doubt == 0.25) & (p < half)
            edge += on_edge
            edge_foreground += on_edge & (yb[i] == 1)
        for i in range(fb.size):
            pending[np.uint32(cell[i])] += PIXEL + levels // 2 + rest[i]
    return edge - edge_foreground, edge_foreground


@compiled(BOOL(SINGLES, BYTES, INT, INT, SMALL, ROWS, ROWS))
def count_coarsely(f, y, levels, bits, cell, amount, pending):
    """As `count_floats` without `scores`, for up to 255 levels, none of which ends at 0.25: doubts are whole numbers of
    2^-`bits`, up to 2^23 of them, and their products with the levels have 31 bits. `pending`: (COPIES * (2 * levels +
    4),). `cell`, `amount`: (m,) buffers, the second int64. Counting stops, and False is returned, where f is outside of
    [0, 1]."""
    zero, unity, half = np.float32(0), np.float32(1), np.float32(0.5)
    number, bits, below = np.int32(levels), np.int32(bits), np.int32((1 << bits) - 1)
    unit = np.float32(1 << bits)
    for start in range(0, f.size, cell.size):
        fb, yb = f[start : start + cell.size], y[start : start + cell.size]
        probabilities = np.int32(0)
        for i in range(fb.size):  # several pixels at once, as nothing is looked up
            p = fb[i]
            probabilities += np.int32((p >= zero) & (p <= unity))
            doubt = np.int32(np.int32((unity - max(p, unity - p)) * unit) * number)
            amount[i] = np.int64(doubt & below) + (PIXEL + levels // 2)
            cell[i] = COPIES * (4 * np.int32(doubt >> bits) + 2 * (p >= half) + yb[i]) + i % COPIES
        if probabilities < fb.size:
            return False
        for i in range(fb.size):
            pending[np.uint32(cell[i])] += amount[i]
    return True


@compiled(NOTHING(ROWS, INTS, INT, INT, ROWS, ROWS, ROWS))
def move(pending, level, copies, levels, count, position, surest):
    """Move `pending` into `count` and `position`, (2 * levels + 4,), and into `surest` what it has room for; `level` is
    that of each cell."""
    for cell in range(4 * level.size):
        to = 4 * level[cell // 4] + cell % 4
        for i in range(cell * copies, (cell + 1) * copies):
            pixels = np.int64(np.uint64(pending[i]) // np.uint64(PIXEL))
            count[to] += pixels
            position[to] += pending[i] - pixels * (PIXEL + levels // 2)
            if cell < surest.size:
                surest[cell] += pixels
            pending[i] = 0


@compiled(several(INT, 2)(SINGLES, BYTES, INT, TABLE, ERRORS))
def compare_floats(f, y, unit, levels, error):
    """Correct pixels of a block and their summed confidences in 1 / `unit`; its pixels by 8-bit level and label are
    added to `levels` (256, 2), and |f - y| is written to `error`."""
    unity, half = np.float32(1), np.float32(0.5)
    correct, confidence = 0, 0
    for i in range(f.size):
        correct += (f[i] >= half) == (y[i] == 1)
        confidence += np.int32(max(f[i], unity - f[i]) * np.float64(unit))
        error[i] = abs(y[i] - np.float64(f[i]))
    for i in range(f.size):
        levels[np.uint64(255 * np.float64(f[i])), y[i]] += 1  # exact
    return correct, confidence


@compiled(NOTHING(DOUBLES, FLOAT, LOGS))
def chances(error, clamp, chance):
    """Write the clamped probabilities of the wrong and of the right label, from |f - y|."""
    for i in range(error.size):
        wrong = min(max(error[i], clamp), 1 - clamp)
        chance[0, i] = wrong
        chance[1, i] = 1 - wrong


@compiled(several(INT, 4)(DOUBLES, LOGS, INTS, FLOAT, FLOAT))
def score_sums(error, logs, number, clamp, unit):
    """Sums of `counts.SCORE_SUMS`, of values that stand for `number` pixels each, rounded to 1 / `unit` one by one.

    Args:
        error: (n,), |f - y|.
        logs: (2, n), logarithms of `chances`.
        number: (n or more,).
    """
    absolute, brier, nll, entropy = 0, 0, 0, 0
    for i in range(error.size):
        right = 1 - min(max(error[i], clamp), 1 - clamp)
        log_wrong, log_right = logs[0, i], logs[1, i]
        absolute += number[i] * np.int64(np.rint(error[i] * unit))
        brier += number[i] * np.int64(np.rint(error[i] * error[i] * unit))
        nll -= number[i] * np.int64(np.rint(log_right * unit))
        # q log q + (1-q) log(1-q) = log(1-q) + q (log q - log(1-q))
        entropy -= number[i] * np.int64(np.rint((log_wrong + right * (log_right - log_wrong)) * unit))
    return absolute, brier, nll, entropy


@compiled(NOTHING(BYTES, BYTES, CUBE), NOTHING(WORDS, BYTES, CUBE))
def histogram(v, y, pixels):
    """Add the pixels of an integer map to `pixels`, by value, label and copy, of which there are 2^k."""
    last = pixels.shape[2] - 1
    for i in range(v.size):
        pixels[v[i], y[i], i & last] += 1


@compiled(several(INT, 2)(INTS, INTS, INTS, INT, INT, INT, INT, INT, CUBE, CUBE, TABLE, CUBE, TABLE, ERRORS))
def count_fractions(
    value, label, number, denominator, levels, position, shift, last, count, positions, on_edge, surest, image, error
):
    """Count `number` pixels with f = value / denominator and the label, each (n,), in exact integers; `surest` holds
    those that it has cells for.

    Returns:
        correct pixels, and their summed doubts times the denominator.
    """
    correct, doubts = 0, 0
    for i in range(value.size):
        v, y, n = value[i], label[i], number[i]
        doubt = min(v, denominator - v)
        level, rest = doubt * levels // denominator, doubt * levels % denominator
        predicted = np.int64(2 * v >= denominator)
        count[level, predicted, y] += n
        positions[level, predicted, y] += n * np.int64(np.rint(rest * (position / denominator)))
        finer = (np.float32(doubt / denominator).view(np.int32) >> shift) + (doubt > 0)
        cell = level + min(finer, last)
        if cell < surest.shape[0]:
            surest[cell, predicted, y] += n
        if rest == 0 and level > 0 and not predicted:
            on_edge[level, y] += n
        image[v * 255 // denominator, y] += n
        error[i] = abs(v - y * denominator) / denominator
        correct += n * (predicted == y)
        doubts += n * doubt
    return correct, doubts


@compiled(NOTHING(SINGLES, DOUBLES, ERRORS))
def weigh(distance, weights, weight):
    """Write the weight of each pixel, `weights` at its squared distance or at the last one."""
    last = weights.size - 1
    for i in range(distance.size):
        weight[i] = weights[min(np.int64(np.rint(distance[i] * distance[i])), last)]
