"""Judge any folder of saved prediction maps against masks, with the same numbers as the pipeline's own models."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline_src import __version__
from pipeline_src.analysis.bootstrap import image_means, percentiles, resample
from pipeline_src.counting.counts import Counts
from pipeline_src.counting.regions import RegionStatistics
from pipeline_src.counting.rows import parts
from pipeline_src.counting.statistic import PROTOCOLS, Statistic
from pipeline_src.counting.views import check_bins
from pipeline_src.counting.whole_maps import NAMES, whole_map_measures
from pipeline_src.errors import UserError
from pipeline_src.files import write_text
from pipeline_src.judging import out as results
from pipeline_src.judging.arrays import matched, read_map
from pipeline_src.judging.classes import SEED, classes_of, judge_classes, write_images
from pipeline_src.judging.files import Pair, Pairs, Unusable, pairs, refuse
from pipeline_src.judging.masks import USUAL, Meaning, read_mask, survey
from pipeline_src.metrics.calibration import equal_mass_bound, sweep_bound
from pipeline_src.metrics.images import per_image
from pipeline_src.metrics.metrics import summary
from pipeline_src.metrics.ranking import ap_bound, auc_bound

NOTE = (
    "Fractions, not percent. Pixels of all images are pooled; bins are right-closed on confidence max(f, 1 - f). "
    "NLL and entropy clamp probabilities to [1e-7, 1 - 1e-7]. Metrics that sort pixels are exact for 8-bit and 16-bit "
    "maps; for float maps pixels within 1.5e-5 count as tied, which `bounds` limits. "
    "Intervals: 95 % percentile bootstrap over images; they leave out the variance of training."
)


@dataclass
class Warnings:
    """What was put right on the way, counted."""

    resized: list[str] = field(default_factory=list)
    grey_pixels: int = 0
    constant: int = 0
    notes: list[str] = field(default_factory=list)  # of the masks
    highest: dict[str, int] = field(default_factory=dict)  # by type of the maps; "float" sorts on a grid: see `bounds`

    def lines(self) -> list[str]:
        """One line per kind of warning that occurred."""
        rows = []
        if self.resized:
            some = ", ".join(self.resized[:3]) + (", ..." if len(self.resized) > 3 else "")
            rows.append(f"{len(self.resized)} map(s) had another size than their mask and were resized ({some})")
        if self.grey_pixels:
            rows.append(f"{self.grey_pixels} mask pixel(s) were neither 0 nor 255 and were cut at > 127")
        rows += self.notes
        if set(self.highest.values()) == {0}:
            rows.append("every map is 0 everywhere")
        if self.constant:
            rows.append(f"{self.constant} map(s) hold one value only; stretched, they become 0")
        return rows


def read(pair: Pair, meaning: Meaning = USUAL) -> tuple[np.ndarray, np.ndarray, bool, int]:
    """Map and mask of a pair in one size: probability, truth, whether the map was resized, grey mask pixels.

    Raises:
        Unusable: with the name of the file.
    """
    path = pair.mask
    try:
        truth, grey = (None, 0) if path is None else read_mask(path, meaning)
        path = pair.map
        probability = read_map(path, None if truth is None else truth.shape)
        if probability.ndim != 2:
            raise Unusable(f"an array of shape {probability.shape}; expected (height, width) as of the other maps")
        if truth is None:
            return probability, np.zeros(probability.shape, np.uint8), False, 0
        probability, resized = matched(probability, truth.shape)
    except Unusable as reason:
        raise Unusable(f"{path.name}: {reason}") from reason
    return probability, truth, resized, grey


def count(
    found: Pairs, ignore: int | None = None, border: float | None = None
) -> tuple[Statistic, RegionStatistics | None, Warnings, Meaning]:
    """One pass over all pairs: the statistic, that of the regions where `border` gives a width, the warnings, and how
    masks were read.

    Raises:
        UserError: files that have no partner or cannot be used, all of them.
    """
    statistic, warnings, problems = Statistic.empty(), Warnings(), []
    meaning, doubt = USUAL, []
    regions = None if border is None else RegionStatistics(border)
    if found.masks is not None:
        try:
            meaning = survey(found, ignore)
        except Unusable as reason:
            doubt = [f"masks in {found.masks}: {reason}"]
    for pair in found:
        try:
            probability, truth, resized, grey = read(pair, meaning)
        except Unusable as reason:
            problems.append(str(reason))
            continue
        statistic.add(probability, truth, pair.stem)
        if regions is not None:
            regions.add(probability, truth, pair.stem)
        warnings.grey_pixels += grey
        kind = str(probability.dtype) if probability.dtype.kind == "u" else "float"
        warnings.highest[kind] = max(warnings.highest.get(kind, 0), probability.max())
        if resized:
            warnings.resized.append(pair.stem)
    # Where no map can be used, they may be of several classes, and so the masks.
    refuse(found, problems + (doubt if len(problems) < len(found) else []))
    _check_range(found.maps, warnings.highest)
    warnings.constant, warnings.notes = statistic.stretched.rows.total("constant"), meaning.notes
    return statistic, regions, warnings, meaning


def _check_range(maps: Path, highest: dict[str, int]) -> None:
    """Raise `UserError` where all integer maps of a type stay so low that they mean something else."""
    for kind, low, why in (("uint8", 1, "decisions 0 and 1"), ("uint16", 255, "8-bit values")):
        if 0 < highest.get(kind, 0) <= low:
            raise UserError(
                f"the {kind} maps in {maps} look like {why}: read as probabilities, all would be nearly 0",
                found=f"no value above {highest[kind]}",
                expected=f"0 to {np.iinfo(kind).max} for probabilities from 0 to 1",
                do=f"save round({np.iinfo(kind).max} * probability); should they be that small, save floats as .npy",
            )


def _whole(job: tuple[Pair, Meaning]) -> list[list[float]]:
    pair, meaning = job
    probability, truth, _, _ = read(pair, meaning)
    values = whole_map_measures(probability, truth)
    return [[values[p][name] for name in NAMES] for p in PROTOCOLS]


def whole_maps(found: Pairs, meaning: Meaning, workers: int) -> dict[str, np.ndarray]:
    """S, E and weighted F of every image on all cores: (N, len(NAMES)) by protocol, in the order of the stems."""
    values = np.empty((len(PROTOCOLS), len(found), len(NAMES)))
    # Not a multiprocessing.Pool, which waits for ever where a worker was killed.
    several = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) if workers > 1 else nullcontext()
    with several as pool:
        for part in parts(len(found), 1024):  # `map` takes all that it is given at once
            jobs = [(found[k], meaning) for k in range(part.start, part.stop)]
            done = pool.map(_whole, jobs, chunksize=8) if pool else map(_whole, jobs)
            values[:, part] = np.swapaxes(list(done), 0, 1)
    return dict(zip(PROTOCOLS, values, strict=True))


def judge_folder(
    pred: Path,
    mask: Path | None,
    name: str,
    out: Path,
    *,
    bins: int = 10,
    protocols: tuple[str, ...] = PROTOCOLS,
    ignore: int | None = None,
    border: float | None = None,
    whole: bool = True,
    resamples: int = 1000,
    workers: int | None = None,
) -> dict:
    """Judge the maps in `pred` against the masks in `mask` (None: all background) and write everything into `out`.

    Maps of K classes, (K, H, W), are judged by `judge_classes`: the same files, one protocol, no diagram.
    Writes metrics.json, statistic.npz, images.csv (worst calibrated first) and a reliability diagram per protocol;
    returns what metrics.json holds. Memory is that of one map and about 0.2 KB per image (its name and a few numbers);
    what else is kept per image lies in temporary files (TMPDIR), about 6.5 KB per image with both protocols and 1,000
    resamples.

    Args:
        bins: number of equal-width (and equal-mass) bins.
        protocols: which of `raw` and `stretched` to report.
        ignore: value of mask pixels that never count.
        border: width in pixels of the band around object borders, to report border, interior and background apart.
        whole: also compute S, E and weighted F.
        resamples: bootstrap resamples; 0 for no intervals.
        workers: processes for the whole-map metrics; default all cores.

    Raises:
        UserError: whatever is wrong with the files, named all at once; nothing is written then.
    """
    check_bins(bins)
    results.check(out, name, (pred, mask))
    if mask is None and ignore is not None:
        raise UserError("--ignore is of masks, and there are none", do="leave out --ignore")
    found = pairs(pred, mask)
    if classes := classes_of(found):
        if mask is None:
            raise UserError("maps of several classes need masks", found=f"{classes} classes in {pred}", do="--mask DIR")
        if border is not None:
            raise UserError("--border is of the one object of two classes", do="leave out --border")
        if "raw" not in protocols:
            raise UserError("maps of several classes are judged as they are", found=protocols, do="--protocol raw")
        return judge_classes(found, classes, name, out, bins=bins, ignore=ignore, resamples=resamples)
    statistic, regions, warnings, meaning = count(found, ignore, border)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    extra = whole_maps(found, meaning, workers or min(cores, max(1, len(found) // 16))) if whole else None

    result = {
        "name": name,
        "n_images": len(found),
        "n_pixels": statistic.raw.pixels,
        "bins": bins,
        "note": NOTE,
        "warnings": warnings.lines(),
        "intervals": {},
        "undefined": {},
        "bounds": {},
    }
    for protocol in protocols:
        counts = getattr(statistic, protocol)
        values, reasons = summary(counts, bins)
        ends = resample(counts, bins, resamples, SEED).intervals() if resamples else {}
        if extra:
            more, intervals = means_of_images(extra[protocol], resamples)
            values, ends = values | more, ends | intervals
            missing = "no image has it: it needs masks without ignored pixels, weighted F also foreground"
            known = {key: reason for key, reason in reasons.items() if key not in more}
            reasons = known | {key: missing for key, value in more.items() if value is None}
        result[protocol], result["undefined"][protocol] = values, reasons
        result["bounds"][protocol] = bounds(counts, bins, values) if "float" in warnings.highest else {}
        if resamples:
            result["intervals"][protocol] = {key: ends.get(key) for key in values}
        if regions is not None:
            by_name = {region: getattr(s, protocol) for region, s in regions.by_name.items()}
            result.setdefault("regions", {"border_pixels": border})[protocol] = {
                region: {"n_pixels": c.pixels, **summary(c, bins)[0]} for region, c in by_name.items()
            }

    provenance = {"name": name, "pred": str(pred), "mask": str(mask) if mask else None, "version": __version__}
    results.clear(out)
    statistic.save(out / "statistic.npz", provenance)
    measured = protocols if statistic.raw.pixels else ()
    tables = {p: with_whole(per_image(getattr(statistic, p), bins), extra and extra[p]) for p in measured}
    write_images(out / "images.csv", statistic.raw.rows, tables)
    for protocol in measured:
        _diagram(statistic, protocol, bins, name, result[protocol], out)
    write_text(out / "metrics.json", json.dumps(result, indent=2, allow_nan=False) + "\n")
    return result


def bounds(counts: Counts, bins: int, values: dict[str, float | None]) -> dict[str, float]:
    """How far metrics that sort pixels can be off for float maps, by name; 8-bit and 16-bit maps need no bound."""
    known = {
        "ece_equal_mass": lambda: equal_mass_bound(counts, bins),
        "ece_sweep": lambda: sweep_bound(counts),
        "ap": lambda: ap_bound(counts),
        "auc": lambda: auc_bound(counts),
    }
    return {name: bound() for name, bound in known.items() if values[name] is not None}


def means_of_images(measures: np.ndarray, resamples: int) -> tuple[dict, dict]:
    """Means of whole-map metrics (N, len(NAMES)) over the images that have them, and their bootstrap intervals on the
    same draws as all others; by name, None where no image has one."""
    there = ~np.isnan(measures)
    values = {
        name: float(of[met].mean()) if met.any() else None
        for name, of, met in zip(NAMES, measures.T, there.T, strict=True)
    }
    if not resamples:
        return values, {}
    resampled = image_means(measures, resamples, SEED)
    return values, {name: percentiles(of) for name, of in zip(NAMES, resampled.T, strict=True)}


def with_whole(tables: Iterator[tuple[slice, dict]], measures: np.ndarray | None) -> Iterator[tuple[slice, dict]]:
    """The parts of `per_image` with the whole-map metrics (N, len(NAMES)), if any, in them."""
    for part, values in tables:
        yield part, values if measures is None else values | dict(zip(NAMES, measures[part].T, strict=True))


def _diagram(statistic: Statistic, protocol: str, bins: int, name: str, values: dict, out: Path) -> None:
    from pipeline_src.figures import numbers, reliability, style  # imports matplotlib: slow

    table = numbers.reliability_table(getattr(statistic, protocol), bins)
    lines = [f"{protocol} protocol, {bins} bins; ECE {values['ece']:.2%}, OE {values['oe']:.2%}"]
    with style.house():
        figure = reliability.draw(table, name, lines, reliability.floor_of([table]))
        style.save(figure, out / f"reliability-{protocol}")
