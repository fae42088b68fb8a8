"""Take wrong sums of images of `new_seeds` from the histograms, in which the same pixels are exact.

    python benchmarks/erratum/sums.py

A run is wrong if the sum of `correct` over its images differs from the pixels of its histogram, or
a sum of `confidence` or `absolute` by more than 1e-7 a pixel. These three become exact. The sum of
`brier` and of `entropy` becomes that of pixels at the mean confidence of their cell. In the other
runs of the file this differs from the exact sum by less than 1e-6 (Brier score) and 2e-5 (entropy)
a pixel. `nll` and the shares of single images stay as they were published.
"""

from __future__ import annotations

from zipfile import ZipFile

import numpy as np

from pipeline_src.counting.compact import names, restored, score_steps
from pipeline_src.counting.counts import COLUMNS, Counts
from pipeline_src.counting.counts_file import (
    CountsFile,
    _decoded,
    _encoded,
    _packed,
    _read_member,
    _write_member,
)
from pipeline_src.counting.levels import CLAMP, LEVELS, POSITION, PROTOCOLS, UNIT
from pipeline_src.files import atomic
from pipeline_src.publishing.published import COUNTS, FOLDER, Publication

EXPERIMENT = FOLDER / "new_seeds"
EXACT = ("correct", "confidence", "absolute")
NEAR = ("brier", "entropy")
TOLERANCE = 1e-7  # of a sum, a pixel


def totals(counts: Counts) -> dict[str, int]:
    """Return the sums over all pixels by column, in the units of the rows."""
    level = np.arange(len(counts.count))[:, None, None]
    doubt = level * counts.count * POSITION + counts.position
    doubts = [[int(sum(doubt[:, p, y].tolist())) for y in (0, 1)] for p in (0, 1)]
    pixels = counts.count.sum(axis=0).tolist()
    unit = LEVELS * POSITION
    correct = pixels[0][0] + pixels[1][1]
    wrong = pixels[0][1] + pixels[1][0]
    confidence = (correct + wrong) * unit - sum(map(sum, doubts))
    absolute = doubts[0][0] + doubts[1][1] + wrong * unit - doubts[0][1] - doubts[1][0]
    mean = (level + counts.position / POSITION / np.maximum(counts.count, 1)) / LEVELS
    on_label = np.where(np.eye(2, dtype=bool), 1 - mean, mean)
    brier = float((counts.count * (1 - on_label) ** 2).sum())
    clamped = np.clip(on_label, CLAMP, 1 - CLAMP)
    entropy = -(clamped * np.log(clamped) + (1 - clamped) * np.log(1 - clamped))
    return {
        "correct": correct,
        "confidence": round(confidence * UNIT / unit),
        "absolute": round(absolute * UNIT / unit),
        "brier": round(brier * UNIT),
        "entropy": round(float((counts.count * entropy).sum()) * UNIT),
    }


def spread(amount: int, weights: np.ndarray) -> np.ndarray:
    """Return whole numbers (N,) that sum to `amount`, in proportion to weights (N,) >= 0."""
    weights = np.maximum(weights.astype(object), 0)
    ends = np.cumsum(weights) * abs(amount) // max(1, int(weights.sum()))
    parts = np.diff(ends.astype(np.int64), prepend=0)
    parts[np.argmax(weights)] += abs(amount) - int(parts.sum())
    return parts if amount > 0 else -parts


def corrected(run: dict[str, np.ndarray], name: str, wanted: dict[str, int]) -> None:
    """Set the sums of a protocol's columns, spread over the images."""
    table = run[f"{name}_table"]
    rest = run[f"{name}_rest"]
    steps = score_steps(run[f"{name}_pixels"], int(run["bits"]))[:, 0]
    pixels = table[COLUMNS.index("pixels")]
    for column, total in wanted.items():
        place = COLUMNS.index(column)
        step = int(steps[place])
        units, rest[place] = divmod(total, step)
        missing = units - int(table[place].sum())
        most = pixels if column == "correct" else pixels * UNIT // step
        weights = table[place] if missing < 0 else most - table[place]
        if column == "confidence" and missing < 0:
            weights = table[place] - most // 2
        table[place] += spread(missing, weights)


def main() -> None:
    path = EXPERIMENT / COUNTS
    file = CountsFile(path)
    runs = 0
    with ZipFile(path) as old, atomic(path) as temporary, ZipFile(temporary, "w") as new:
        shared = {part: _read_member(old, f"{part}/images") for part in {run[0] for run in file.runs}}
        for member in old.namelist():
            name = member.removesuffix(".npz.xz")
            part = name.split("/")[0]
            content = old.read(member)
            if name != f"{part}/images":
                run = _decoded(_read_member(old, name), shared[part])
                counts = restored(run).protocols
                wanted = {protocol: totals(counts[protocol]) for protocol in names(run)}
                if any(is_wrong(counts[protocol], wanted[protocol]) for protocol in wanted):
                    for protocol in PROTOCOLS:
                        corrected(run, protocol, wanted[protocol])
                    content = _packed(_encoded(run, shared[part]))
                    runs += 1
                    print(name, flush=True)
            _write_member(new, name, content)
    Publication.read(EXPERIMENT).write(EXPERIMENT)
    print(f"{runs} of {len(file.runs)} runs were wrong")


def is_wrong(counts: Counts, wanted: dict[str, int]) -> bool:
    """Return whether sums over the rows differ from those of the histogram."""
    assert counts.rows is not None
    for column in EXACT:
        allowed = 0 if column == "correct" else TOLERANCE * UNIT * counts.pixels
        if abs(counts.rows.total(column) - wanted[column]) > allowed:
            return True
    return False


if __name__ == "__main__":
    main()
