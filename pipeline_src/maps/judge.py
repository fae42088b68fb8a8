"""Evaluate a folder of saved prediction maps against masks, with the same numbers as the pipeline's own models."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src import __version__, outputs
from pipeline_src.analysis.analyse import accuracy_band
from pipeline_src.analysis.intervals import groups_in_words, images_in_words, interval
from pipeline_src.analysis.resampling import RESAMPLES, SEED, image_means, resample_counts
from pipeline_src.calibrators.calibrator import read_for
from pipeline_src.counting.counts import Counts, image_rows
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.counting.score_histogram import check_bins
from pipeline_src.counting.whole_maps import MEASURES
from pipeline_src.data.groups import find, number
from pipeline_src.errors import UserError
from pipeline_src.files import SUMS, atomic, sha256, write_sums, write_text
from pipeline_src.maps.counts import FolderCounts, classes_of, count
from pipeline_src.maps.pairs import Pairs, pair_files
from pipeline_src.maps.risk import bound_of, controlled, exceeded
from pipeline_src.metrics.image_inputs import per_image
from pipeline_src.metrics.metric import FRACTION, with_ends
from pipeline_src.metrics.registry import METRICS
from pipeline_src.metrics.summary import summary

MISSING = "no image has it: it needs masks without ignored pixels, weighted F also foreground"
NOTE = (
    "Fractions, not percent, defined in docs/reference/metrics.md. Intervals: 95 % bootstrap over images, or their "
    "groups, without the variance of training."
)


def judge_folder(
    pred: Path,
    mask: Path | None,
    name: str,
    out: Path,
    *,
    bins: int = 10,
    protocols: tuple[str, ...] = PROTOCOLS,
    ignore: int | None = None,
    whole_maps: bool = True,
    resamples: int = RESAMPLES,
    groups: str = "",
    calibrator: Path | None = None,
    risk: str = "",
    diagrams: bool = False,
) -> dict[str, Any]:
    """Evaluate the maps in `pred` against the masks in `mask` and write the results into `out`.

    Writes metrics.json, statistic.npz, images.csv (worst calibrated first) and metrics.sha256, the digests of these.
    Maps of K classes, (K, H, W), have one protocol, `raw`. Memory holds one map, and about 2 KB per image and protocol,
    or class.

    Args:
        mask: None if all pixels are background.
        protocols: which of `raw` and `stretched` (min-max normalized maps) to report.
        whole_maps: also compute S, E and weighted F.
        resamples: bootstrap resamples; 0 for no intervals.
        diagrams: also draw the reliability diagram of each protocol of binary maps.
        name, bins, ignore, groups, calibrator, risk: the options of the command `judge`.

    Returns:
        The content of metrics.json.

    Raises:
        UserError: names all unusable files, or the option that does not fit; nothing is written then.
    """
    check_bins(bins)
    outputs.check(out, "judge", inputs=(pred, mask))
    pairs = pair_files(pred, mask)
    units = groups_of(pairs, groups)
    classes = classes_of(pairs)
    if calibrator:
        fitted, _ = read_for(calibrator, classes or 2, str(pred), "fit one to such maps: dense-calibration calibrate")
        pairs = pairs.calibrated(fitted)
    bound = bound_of(risk, pairs, classes)
    if pairs.masks is None and (classes or ignore is not None):
        raise UserError("--ignore and maps of several classes need masks", found="no --mask", fix="--mask DIR")
    if classes and "raw" not in protocols:
        raise UserError("maps of several classes have the protocol raw only", fix="--protocol raw")
    counted = count(pairs, classes, ignore, whole_maps)
    counts = {protocol: counts for protocol, counts in counted.counts.items() if protocol in protocols}
    first = next(iter(counts.values()))
    if not first.pixels:
        raise UserError(
            f"no pixel of the masks in {mask} counts; nothing was written",
            found=f"the value {counted.meaning.ignore}, which is ignored, at every pixel",
            fix="name another value by --ignore",
        )
    numbers, bands = _numbers(counted, counts, bins, resamples, units)
    number_of_images = int(np.count_nonzero(image_rows(first).column("pixels")))
    few = images_in_words(number_of_images) if resamples and not groups else []
    result = {
        "name": name,
        "n_images": len(pairs),
        "n_pixels": first.pixels,
        **({"n_classes": classes} if classes else {}),
        **({"calibrator": str(calibrator)} if calibrator else {}),
        "bins": bins,
        "note": NOTE,
        **({"groups": groups_in_words(units)} if groups else {}),
        "warnings": [*counted.warnings, *few],
        **numbers,
    }
    if bound:
        runs = counted.runs(units)
        result["risk"] = {protocol: controlled(runs[protocol], bound, resamples) for protocol in counts}
        for protocol, controlled_risk in result["risk"].items():
            result["warnings"] += exceeded(controlled_risk, f"{protocol}, held-out folds")

    provenance = {"name": name, "pred": str(pred), "mask": str(mask) if mask else None, "version": __version__}
    with outputs.staged(out, "metrics.json", [f"metrics{SUMS}", "reliability-*.*"]) as new:
        counted.statistic.save(new / "statistic.npz", provenance)
        _write_images(new / "images.csv", counts, bins, counted.measures)
        if diagrams and not classes:
            _draw(result, counts, bands, (mask or pred).parts[-2:], new)
        complete(new, json.dumps(result, indent=2, allow_nan=False) + "\n")
    return result


def groups_of(pairs: Pairs, groups: str) -> np.ndarray | None:
    """(N,) the group of each image (`data.groups`); None without `groups`."""
    return number(pairs.stems, groups, find(groups, None)) if groups else None


def _numbers(
    counted: FolderCounts, protocols: Collection[str], bins: int, resamples: int, units: np.ndarray | None
) -> tuple[dict[str, Any], dict[str, np.ndarray | None]]:
    """Values by protocol, with `intervals` and `undefined` (reasons) by protocol; and the `accuracy_band` by
    protocol."""
    numbers: dict[str, Any] = {"intervals": {}, "undefined": {}}
    bands: dict[str, np.ndarray | None] = {}
    runs = counted.runs(units)
    for protocol in protocols:
        run = runs[protocol]
        values, reasons = summary(run, bins)
        resampled = resample_counts(run, bins, SEED, resamples) if resamples else None
        bands[protocol] = accuracy_band([resampled], bins) if resampled else None
        intervals = resampled.intervals() if resampled else {}
        if counted.measures:
            means, ends = _measured(counted.measures[protocol], resamples, units)
            values, intervals = values | means, intervals | ends
            reasons = {name: reason for name, reason in reasons.items() if name not in means}
            reasons |= {name: MISSING for name, value in means.items() if value is None}
        numbers[protocol], numbers["undefined"][protocol] = values, reasons
        if resampled:
            numbers["intervals"][protocol] = {name: intervals.get(name) for name in values}
    return numbers, bands


def _measured(
    table: np.ndarray, resamples: int, units: np.ndarray | None
) -> tuple[dict[str, float | None], dict[str, tuple[float, float] | None]]:
    """Means of measures of whole maps (N, len(MEASURES)), and their intervals on the draws of all other intervals."""
    groups = np.arange(len(table)) if units is None else units
    resampled = image_means(table, SEED, resamples, units) if resamples else None
    means: dict[str, float | None] = {}
    ends: dict[str, tuple[float, float] | None] = {}
    for k, name in enumerate(MEASURES):
        defined = ~np.isnan(table[:, k])
        mean = means[name] = float(table[defined, k].mean()) if defined.any() else None
        if mean is not None and resampled is not None:
            ends[name] = interval(mean, resampled[:, k], len(np.unique(groups[defined])), FRACTION)
    return means, ends


def _write_images(path: Path, counts: Mapping[str, Counts], bins: int, measures: Mapping[str, np.ndarray]) -> None:
    """Write the metrics of each image and protocol, sorted by the ECE of the first protocol, largest first."""
    rows = image_rows(next(iter(counts.values())))
    columns = {name: rows.column(name) for name in ("height", "width", "pixels")}
    for protocol, of_protocol in counts.items():
        metrics = per_image(of_protocol, bins)
        if protocol in measures:
            metrics |= dict(zip(MEASURES, measures[protocol].T, strict=True))
        columns |= {f"{protocol}_{name}": values for name, values in metrics.items()}
    order = np.argsort(-columns[f"{next(iter(counts))}_ece"], kind="stable")
    cells = {"id": rows.ids} | {name: [_cell(value) for value in values] for name, values in columns.items()}
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(cells)
        writer.writerows([values[k] for values in cells.values()] for k in order)


def _cell(value: np.number) -> str:
    """A number as text; empty for NaN."""
    if isinstance(value, np.integer):
        return str(value)
    return "" if np.isnan(value) else f"{value:.6g}"


def _draw(
    result: Mapping[str, Any],
    counts: Mapping[str, Counts],
    bands: Mapping[str, np.ndarray | None],
    source: tuple[str, ...],
    folder: Path,
) -> None:
    """Draw the reliability diagram of each protocol, with what it shows and its errors."""
    from pipeline_src.figures import style  # matplotlib
    from pipeline_src.figures.reliability import draw_counts

    over = f" · 95 % intervals over {'groups of images' if 'groups' in result else 'images'}"
    for protocol, of_protocol in counts.items():
        values, ends = result[protocol], result["intervals"].get(protocol, {})
        errors = [
            f"{METRICS[name].title} % {with_ends(METRICS[name], values[name], ends.get(name))}"
            for name in ("ece", "oe")
        ]
        lines = [
            f"images of {'/'.join(source)}",
            f"{result['n_images']:,} images · {style.count(result['n_pixels'])} pixels",
            f"{protocol} protocol · {result['bins']} bins{over if ends else ''}",
            " · ".join(errors),
        ]
        stem = folder / f"reliability-{protocol}"
        draw_counts(of_protocol, result["bins"], result["name"], lines, stem, bands[protocol])


def complete(out: Path, metrics: str) -> None:
    """Write metrics.json, the last of the results, and before it the digests of all of them."""
    files = [out / "statistic.npz", out / "images.csv", *sorted(out.glob("reliability-*.*"))]
    sums = {file.name: sha256(file) for file in files}
    sums["metrics.json"] = hashlib.sha256(metrics.encode()).hexdigest()
    write_sums(out / f"metrics{SUMS}", sums)
    write_text(out / "metrics.json", metrics)
