"""Recompute numbers of published experiments from their counts, with nothing of the package.

`python benchmarks/recomputation.py [EXPERIMENT ...]` prints for each experiment how many numbers of
metrics.json and tables.zip it recomputed, how many are equal within a unit of the eighth digit or
1e-9, and those that differ; then the exit code is 1. It recomputes ECE (also equal-mass), OE and
MCE without limits, accuracy, scores and means over images with them, and no other metric.
"""

import csv
import fnmatch
import io
import json
import lzma
import math
import sys
import zlib
from pathlib import Path
from statistics import NormalDist
from zipfile import ZipFile

import numpy as np
from scipy.special import stdtrit

FOLDER = Path(__file__).parents[1] / "results/published"
# Levels of doubt up to 0.5, and units of: positions in a level, sums of scores, predicted scores.
HALF, POSITION, UNIT, SCALE = 33_150, 1 << 24, 1 << 30, 1 << 16
LEVELS, BINS = 2 * HALF, 10
COLUMNS = ("height", "width", "pixels", "correct", "constant")
COLUMNS += ("confidence", "mae", "brier", "nll", "entropy", "s_measure", "e_measure")
RANGES = {"nll": (0, math.inf), "entropy": (0, math.inf), "e_measure": (0, math.inf)}
RANGES |= {"gap": (-1, 1), "brier": (0, 2)}  # others are [0, 1]


def member(archive, name):
    """Return the arrays of a member; their numbers are 0, -1, 1, -2 ..., byte by byte."""
    arrays = {}
    for key, planes in np.load(io.BytesIO(lzma.decompress(archive.read(f"{name}.npz.xz")))).items():
        number = np.tensordot(256 ** np.arange(len(planes)), planes.astype(np.int64), 1)
        arrays[key] = np.where(number % 2, -(number + 1) // 2, number // 2)
    return arrays


def in_order(columns):
    """Return columns (..., N), each of which was sorted by the one before."""
    flat = columns.reshape(-1, columns.shape[-1]).copy()
    for k in range(1, len(flat)):
        flat[k, np.argsort(flat[k - 1], kind="stable")] = flat[k].copy()
    return flat.reshape(columns.shape)


def exact_groups(groups, pixels, pooled):
    """Return groups (G, N) with the sums `pixels` (N,) by image and `pooled` (G,) by group."""
    more, images = pixels - groups.sum(axis=0), np.arange(len(pixels))
    for group in np.argsort(-groups, axis=0, kind="stable"):
        taken = np.maximum(more, -groups[group, images])
        groups[group, images] += taken
        more = more - taken
    lack = pooled - groups.sum(axis=1)
    while lack.any():
        ends = [lack.argmax(), lack.argmin()]
        amount = abs(lack[ends]).min()
        moved = np.diff(amount * groups[ends[1]].cumsum() // groups[ends[1]].sum(), prepend=0)
        groups[ends] += [moved, -moved]
        lack[ends] += [-amount, amount]
    return groups


def middle_scores():
    """Return the columns of a pixel in the middle of its 8-bit level and label, (256, 2, C)."""
    f = np.minimum((np.arange(256) + 0.5) / 255, 1)
    q = np.clip(np.stack([1 - f, f], axis=1), 1e-7, 1 - 1e-7)
    entropy = -q * np.log(q) - (1 - q) * np.log(1 - q)
    scores = [1 + 0 * q, q > 0.5, 0 * q, np.maximum(q, 1 - q), 1 - q, (1 - q) ** 2, -np.log(q)]
    scores = np.pad(np.stack([*scores, entropy], axis=2), ((0, 0), (0, 0), (2, 2)))
    return np.rint(SCALE * scores).astype(np.int64)


def decoded(run, shared):
    """Return name -> (columns of the images, histogram) of all counts of a run; `shared` holds what
    its dataset's runs share. pipeline_src/publishing/counts_file.py describes the stored arrays.
    """
    found, starts, unit, raw = {}, run["starts"], run["unit"], (0, 0)
    for name in [key for key in ("raw", "stretched", "top") if f"{key}_units" in run]:
        part = {key[len(name) + 1 :]: run[key] for key in run if key.startswith(f"{name}_")}
        pixels, pooled = part["pixels"] + shared[f"{name}_pixels"], part["pooled"]
        units, table = in_order(part["units"]), in_order(part["table"])
        ends = units[[0, 1], [0, -1]] + pixels // unit
        if name == "stretched":
            units, table = units + raw[0], table + raw[1]
        units[[0, 1], [0, -1]] = 0
        units[[0, 1], [0, -1]] = ends - units.sum(axis=1)
        raw = units, table
        step = np.ones((len(COLUMNS), 1), np.int64)
        step[5:] = UNIT >> int(run["bits"])
        step[5:10] <<= max(1, int(pixels.sum()) // pixels.shape[1]).bit_length() - 1
        if name != "top":
            of_groups = np.add.reduceat(pooled, starts)
            groups = [exact_groups(units[y] * unit, pixels[y], of_groups[:, y]) for y in (0, 1)]
            scores = np.add.reduceat(pooled[..., None] * middle_scores(), starts)
            scores //= np.maximum(1, of_groups)[..., None]
            sums = np.einsum("gyc,ygn->cn", scores, np.stack(groups))
            table = table + np.where(step == 1, sums // SCALE, sums * (UNIT // SCALE) // step)
            table[:2] = raw[1][:2] + shared["size"]
        measured = table != -1
        table = np.where(measured, table * step, -1)
        for column in np.flatnonzero(measured.any(axis=1)):
            table[column, np.flatnonzero(measured[column])[-1]] += part["rest"][column]
        grid = np.zeros((2, (HALF + 1) * 4), np.int64)
        for row, key in zip(grid, ("count", "position"), strict=True):
            row[np.cumsum(part[f"{key}_at"])] = part[key]
        found[name] = dict(zip(COLUMNS, table, strict=True)), grid
    return found


def bin_metrics(grid, top):
    """Return the errors in bins of a histogram, whose scores are those of the `top` class or f."""
    count, position = grid.reshape(2, HALF + 1, 2, 2)
    level = np.arange(HALF + 1)
    doubt = (count * level[:, None, None] + position / POSITION) / LEVELS
    right = count[..., 1] if top else count[:, [0, 1], [0, 1]]
    sums = np.stack([count.sum(axis=2), right, (count - doubt).sum(axis=2)])
    levels = np.stack([LEVELS - 1 - level] * 2)
    if top:  # below 0.5 no score lies on the edge of a bin
        sums[2, :, 0] = doubt[:, 0].sum(axis=1)
        levels[0] = np.minimum(level, HALF - 1)
    by_level = np.array([np.bincount(levels.ravel(), of.T.ravel(), LEVELS) for of in sums])
    pixels, hits, score = by_level.reshape(3, BINS, -1).sum(axis=2)
    rank, ascending_hits, ascending_score = np.pad(by_level.cumsum(axis=1), ((0, 0), (1, 0)))
    cuts = np.linspace(0, rank[-1], BINS + 1)
    errors = np.diff(np.interp(cuts, rank, ascending_score - ascending_hits))
    excess, divisor = score - hits, np.maximum(pixels, 1)
    over = (score / divisor * np.maximum(excess, 0)).sum()
    found = {"ece": abs(excess).sum() / pixels.sum(), "oe": over / pixels.sum()}
    found["mce"] = (abs(excess) / divisor).max()
    found["ece_equal_mass"] = abs(errors).sum() / pixels.sum()
    return {name: np.array([value]) for name, value in found.items()}


def means(table, groups, weights):
    """Return metric -> its value, then its values with weights (R, U) of the independent units."""
    terms = {name: table[name] / UNIT for name in COLUMNS[5:10]}
    terms |= {"accuracy": table["correct"], "gap": terms["confidence"] - table["correct"]}
    number = dict.fromkeys([*terms, "image_mae"], table["pixels"])
    terms["image_mae"] = terms["mae"] / np.maximum(1, table["pixels"])
    number["image_mae"] = table["pixels"] > 0
    for name in COLUMNS[10:]:  # -1 where it is not measured
        number[name] = table[name] >= 0
        terms[name] = np.maximum(table[name], 0) / UNIT
    found = {}
    for name in terms:
        if number[name].any():
            units = [np.bincount(groups, of[name], weights.shape[1]) for of in (terms, number)]
            found[name] = weights @ units[0] / (weights @ units[1])
    return found


def estimate(name, by_seed, is_difference, units):
    """Return mean, standard deviation, and confidence limits of numbers by seed (S, 1 + R)."""
    points, resampled = by_seed[:, 0], by_seed[:, 1:].mean(axis=0)
    value, seeds = points.mean(), len(points)
    sd = points.std(ddof=1) if seeds > 1 else math.nan
    if not len(resampled) or units < 2:
        return value, sd, math.nan, math.nan
    distance, spread = math.sqrt(units / (units - 1)) * stdtrit(units - 1, 0.975), resampled.std()
    tail, farther = NormalDist().cdf(-distance), 0
    low, high = np.quantile(resampled, [tail, 1 - tail])
    if units < 10:
        low, high = resampled.mean() + distance * spread * np.array([-1, 1])
    elif spread > 0:
        skewness = (((resampled - resampled.mean()) / spread) ** 3).mean()
        farther = spread * np.clip(skewness, -1, 1) * (distance**2 + 2) / 6
    training = stdtrit(seeds - 1, 0.975) * sd / math.sqrt(seeds) if seeds > 1 else 0
    below = math.hypot(value - min(low, value) - min(0, farther), training)
    above = math.hypot(max(high, value) + max(0, farther) - value, training)
    lowest, highest = RANGES.get(name, (0, 1))
    if is_difference:
        lowest, highest = lowest - highest, highest - lowest
    return value, sd, max(value - below, lowest), min(value + above, highest)


def printed_rows(folder, split):
    """Yield the rows on a dataset of metrics.json and of the tables as CSV."""
    for protocol, methods in json.loads((folder / "metrics.json").read_text())["metrics"].items():
        for method, sets in methods.items():
            for metric, numbers in sets.get(split, {}).items():
                yield {"protocol": protocol, "method": method, "metric": metric} | numbers
    with ZipFile(folder / "tables.zip") as archive:
        for table in archive.namelist():
            for row in csv.DictReader(io.StringIO(archive.read(table).decode())):
                if row["part"] == split and table != "main.csv":
                    yield row
                elif row["part"] == split:
                    for name in list(row)[7:]:
                        yield row | {"metric": name, "mean": row[name]}


def measured(experiment, name, split):
    """Return (protocol, method) -> seed -> metric -> numbers, and how many units are resampled."""
    found, groups = {}, experiment["groups"].get(split)
    for method in experiment["facts"]["methods"]:
        home = experiment["counts_in"].get(method, name)
        with ZipFile(FOLDER / home / "counts.zip") as archive:
            shared = member(archive, f"{split}/images")
            groups = groups or range(shared["size"].shape[1])
            units = max(groups) + 1
            draw = np.random.Generator(np.random.PCG64(zlib.crc32(split.encode()))).integers
            drawn = [np.bincount(draw(0, units, units), minlength=units) for _ in range(1000)]
            weights = np.array([np.ones(units), *drawn])
            for run in fnmatch.filter(archive.namelist(), f"{split}/{method}/*"):
                for key, (table, grid) in decoded(member(archive, run[:-7]), shared).items():
                    of_seed = found.setdefault((key.replace("top", "raw"), method), {})
                    numbers = means(table, groups, weights) | bin_metrics(grid, key == "top")
                    of_seed[Path(run[:-7]).name] = numbers
    return found, units


def compared(name, split):
    """Yield name, printed and recomputed value (NaN: it is not) of each number of a dataset."""
    experiment = json.loads((FOLDER / name / "experiment.json").read_text())
    found, units = measured(experiment, name, split)
    for row in printed_rows(FOLDER / name, split):
        metric, place = row["metric"], f"{split} {row['protocol']} {row['method']}"
        first = found[row["protocol"], row["method"]]
        second = found.get((row["protocol"], row.get("reference")))
        seeds = (row.get("seeds") or row.get("seed") or " ".join(first)).split()
        numbers = [math.nan] * 4
        if metric in first[min(first)]:
            # An ensemble of all seeds is under the first one.
            by_seed = np.array([first.get(seed, first[min(first)])[metric] for seed in seeds])
            if second:
                by_seed = by_seed - [second[seed][metric] for seed in seeds]
            numbers = estimate(metric, by_seed, bool(second), units)
        for field, number in zip(("mean", "sd", "low", "high"), numbers, strict=True):
            if row.get(field) not in (None, ""):
                yield f"{place} {metric} {field}", float(row[field]), number


if __name__ == "__main__":
    wrong = False
    for name in sys.argv[1:] or sorted(file.parent.name for file in FOLDER.glob("*/metrics.json")):
        splits = json.loads((FOLDER / name / "metrics.json").read_text())["sets"]
        rows = [row for split in splits for row in compared(name, split)]
        known, texts = [row for row in rows if not math.isnan(row[2])], []
        for place, printed, number in known:
            if not math.isclose(printed, number, rel_tol=1.01e-7, abs_tol=1e-9):
                texts.append(f"{place}: {printed}, not {number:.8g}")
        counts = f"{len(known)} numbers recomputed, {len(known) - len(texts)} equal"
        print(f"{name}: {counts}; {len(rows) - len(known)} not recomputed", *texts, sep="\n  ")
        wrong = wrong or bool(texts)
    sys.exit(wrong)
