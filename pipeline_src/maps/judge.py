"""Evaluate a folder of saved prediction maps against masks, with the same numbers as the pipeline's own models."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src import __version__, outputs
from pipeline_src.analysis.accuracy_band import accuracy_band
from pipeline_src.analysis.intervals import FEW_GROUPS, few_in_words, groups_in_words, images_in_words
from pipeline_src.analysis.resampling import RESAMPLES, SEED, resample_counts
from pipeline_src.calibrators.files import read_for
from pipeline_src.counting.counts import Counts
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.score_histogram import check_bins
from pipeline_src.data.groups import find, number
from pipeline_src.errors import UserError
from pipeline_src.files import SUMS, sha256, write_sums, write_text
from pipeline_src.labels import IGNORED
from pipeline_src.maps.counts import FolderCounts, classes_of, count
from pipeline_src.maps.images_table import write_images
from pipeline_src.maps.pairs import Pairs, pair_files
from pipeline_src.maps.risk import bound_of, controlled
from pipeline_src.maps.whole_images import MISSING, WholeImages, whole_images
from pipeline_src.metrics.image_inputs import FilledBins
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.registry import METRICS
from pipeline_src.metrics.summary import bounds, summary

MOST_RESAMPLES = 100_000  # each takes time and disk space
INTERVALS = "Intervals: 95 % bootstrap over images, or over their groups; they leave out the variance of training."
NOTE = (
    "Fractions, not percent. Pixels of all images are pooled; bins are right-closed on confidence max(f, 1 - f). "
    "NLL and entropy clamp probabilities to [1e-7, 1 - 1e-7]. Metrics that sort pixels are exact for 8-bit and 16-bit "
    f"maps; for float maps pixels within 1.5e-5 or less count as tied, which `bounds` limits. {INTERVALS}"
)
NOTE_OF_CLASSES = (
    "Fractions, not percent. Confidence is the largest of the K probabilities; bins are right-closed on it. brier is "
    "the sum over classes, in [0, 2]. NLL and entropy clamp probabilities to [1e-7, 1 - 1e-7]. Metrics that sort "
    f"pixels count those within 1.5e-5 or less as tied, which `bounds` limits. {INTERVALS}"
)


@outputs.exclusive
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
    resamples: int = RESAMPLES,
    groups: str = "",
    calibrator: Path | None = None,
    risk: str = "",
    diagrams: bool = False,
) -> dict[str, Any]:
    """Evaluate the maps in `pred` against the masks in `mask` and write the results into `out`.

    Writes metrics.json, statistic.npz, images.csv (worst calibrated first) and metrics.sha256, the digests of these.
    Maps of K classes, (K, H, W), have one protocol, `raw`. Memory is that of one map and about 0.2 KB per image; other
    numbers of images are in temporary files (TMPDIR), about 6.5 KB per image with both protocols and 1,000 resamples.

    Args:
        mask: None if all pixels are background.
        name: of the model.
        bins: number of equal-width (and equal-mass) bins.
        protocols: which of `raw` and `stretched` (min-max normalized maps) to report.
        ignore: value of mask pixels that never count.
        border: width in pixels of the band around object borders, to report border, interior and background separately.
        whole: also compute S, E and weighted F.
        resamples: bootstrap resamples; 0 for no intervals.
        groups: which images are not independent (`data.groups`); they are resampled together.
        calibrator: a calibrator.json; the maps are evaluated as if it had been applied to them.
        risk: a bound such as "fnr=0.1", for which a threshold is given (`maps.risk`).
        diagrams: also draw the reliability diagram of each protocol of binary maps.

    Returns:
        The content of metrics.json.

    Raises:
        UserError: names all unusable files, or the option that does not fit, or says that no pixel counts; nothing is
            written then.
    """
    check_bins(bins)
    check_resamples(resamples)
    if border is not None and not 0 <= border < np.inf:
        raise UserError("--border cannot be used", found=border, expected="0 or more pixels", fix="--border 5")
    outputs.check(out, "judge", inputs=(pred, mask), model=name, others=_other_models(out, name))
    if mask is None and ignore is not None:
        raise UserError("--ignore applies to masks, and there are none", fix="leave out --ignore")
    pairs = pair_files(pred, mask)
    units = groups_of(pairs, groups)
    classes = classes_of(pairs)
    if calibrator:
        fitted, _ = read_for(calibrator, classes or 2, str(pred), "fit one to such maps: dense-calibration calibrate")
        pairs = pairs.calibrated(fitted)
    bound = bound_of(risk, pairs, classes)
    if classes:
        _check_options(pairs, classes, protocols, border)
    counted = count(pairs, classes, ignore, border)
    measured = whole and not classes
    images = whole_images(pairs, counted.meaning, counted.counts["raw"].pixels) if measured else {}
    counts = {protocol: counts for protocol, counts in counted.counts.items() if protocol in protocols}
    first = next(iter(counts.values()))
    _check_pixels(first, mask, ignore)
    numbers, few, bands = _numbers(counted, counts, images, bins, resamples, units)
    result = {
        "name": name,
        "n_images": len(pairs),
        "n_pixels": first.pixels,
        **({"n_classes": classes} if classes else {}),
        **({"calibrator": str(calibrator)} if calibrator else {}),
        "bins": bins,
        "note": NOTE_OF_CLASSES if classes else NOTE,
        **({"groups": groups_in_words(units)} if groups else {}),
        "warnings": [*counted.warnings(), *(counted.inverted() if mask else []), *few],
        **numbers,
    }
    if bound:
        runs = counted.runs(units)
        result["risk"] = {protocol: controlled(runs[protocol], bound, SEED, resamples) for protocol in counts}
    if regions := counted.statistic.regions:
        result["regions"] = {"border_pixels": border, **_regions(regions, protocols, bins, units)}

    provenance = {"name": name, "pred": str(pred), "mask": str(mask) if mask else None, "version": __version__}
    with outputs.staged(out, "metrics.json", [f"metrics{SUMS}", "reliability-*.*"]) as new:
        counted.statistic.save(new / "statistic.npz", provenance)
        write_images(new / "images.csv", counts, bins, images)
        if diagrams and not classes:
            _draw(result, counts, bands, (mask or pred).parts[-2:], new)
        complete(new, json.dumps(result, indent=2, allow_nan=False) + "\n")
    return result


def check_resamples(resamples: int) -> None:
    """UserError where there are too many."""
    if not 0 <= resamples <= MOST_RESAMPLES:
        raise UserError(
            "--resamples cannot be used",
            found=f"{resamples:,}",
            expected=f"0 to {MOST_RESAMPLES:,}",
            fix="--resamples 1000",
        )


def groups_of(pairs: Pairs, groups: str) -> np.ndarray | None:
    """(N,) the group of each image (`data.groups`); None without `groups`."""
    return number(pairs.stems, groups, find(groups, None)) if groups else None


def _check_options(pairs: Pairs, classes: int, protocols: tuple[str, ...], border: float | None) -> None:
    if pairs.masks is None:
        raise UserError(
            "maps of several classes need masks", found=f"{classes} classes in {pairs.maps}", fix="--mask DIR"
        )
    if border is not None:
        raise UserError("--border applies to maps of one object, not of several classes", fix="leave out --border")
    if "raw" not in protocols:
        raise UserError(
            "maps of several classes cannot be min-max normalized",
            found=f"--protocol {' '.join(protocols)}",
            fix="--protocol raw",
        )


def _check_pixels(counts: Counts, mask: Path | None, ignore: int | None) -> None:
    """UserError where no pixel counts."""
    if not counts.pixels:
        raise UserError(
            f"no pixel of the masks in {mask} counts; nothing was written",
            found=f"the value {IGNORED if ignore is None else ignore}, which is ignored, at every pixel",
            expected="pixels of other values",
            fix="name another value by --ignore",
        )


def _numbers(
    counted: FolderCounts,
    counts: Mapping[str, Counts],
    images: Mapping[str, WholeImages],
    bins: int,
    resamples: int,
    units: np.ndarray | None,
) -> tuple[dict[str, Any], list[str], dict[str, np.ndarray | None]]:
    """Values by protocol, with `intervals`, `undefined` (reasons) and `bounds` by protocol; warnings about few images,
    and about metrics that few images have; and the `accuracy_band` by protocol."""
    numbers: dict[str, Any] = {"intervals": {}, "undefined": {}, "bounds": {}}
    few: dict[str, int] = {}
    warnings: list[str] = []
    bands: dict[str, np.ndarray | None] = {}
    runs = counted.runs(units)
    for protocol in counts:
        run = runs[protocol]
        values, reasons = summary(run, bins)
        defined = [name for name, value in values.items() if value is not None]
        numbers["bounds"][protocol] = bounds(run, bins, defined) if "float" in counted.highest else {}
        resampled = resample_counts(run, bins, SEED, resamples, units, [FilledBins()]) if resamples else None
        bands[protocol] = accuracy_band([resampled], bins) if resampled else None
        intervals, present = (resampled.intervals(), dict(resampled.present)) if resampled else ({}, {})
        if images:
            means = images[protocol].means
            if resampled:
                intervals |= images[protocol].intervals(SEED, resamples, units)
                present |= images[protocol].present(units)
            reasons = {name: reason for name, reason in reasons.items() if name not in means}
            reasons |= {name: MISSING for name, value in means.items() if value is None}
            values |= means
        numbers[protocol], numbers["undefined"][protocol] = values, reasons
        if resampled:
            numbers["intervals"][protocol] = {name: intervals.get(name) for name in values}
            warnings = images_in_words(resampled.units) if units is None else []  # the same in all protocols
            if resampled.units >= FEW_GROUPS:  # below it a warning is about all metrics
                few |= {name: images for name, images in present.items() if values[name] is not None}
    return numbers, [*warnings, *few_in_words(few)], bands


def _regions(
    regions: Mapping[str, MapCounts], protocols: tuple[str, ...], bins: int, units: np.ndarray | None
) -> dict[str, dict[str, Any]]:
    """Values by protocol and region."""
    by_name = {region: ProtocolCounts.by_protocol(statistic, units) for region, statistic in regions.items()}
    return {
        p: {name: {"n_pixels": runs[p].counts.pixels, **summary(runs[p], bins)[0]} for name, runs in by_name.items()}
        for p in protocols
    }


def _draw(
    result: Mapping[str, Any],
    counts: Mapping[str, Counts],
    bands: Mapping[str, np.ndarray | None],
    source: tuple[str, ...],
    folder: Path,
) -> None:
    """Draw the reliability diagram of each protocol, with what it shows and its errors."""
    from pipeline_src.figures import style  # matplotlib and pandas, which `calibrate` does without
    from pipeline_src.figures.reliability import draw_counts

    size = f"{result['n_images']:,} images · {style.count(result['n_pixels'])} pixels"
    for protocol, of_protocol in counts.items():
        values, ends = result[protocol], result["intervals"].get(protocol, {})
        over = f" · 95 % intervals over {'groups of images' if 'groups' in result else 'images'}" * any(ends.values())
        low_high = {name: ends.get(name) or (math.nan, math.nan) for name in ("ece", "oe")}
        errors = " · ".join(
            f"{METRICS[name].title} {METRICS[name].text(values[name], mark=' %', low=low, high=high)}"
            for name, (low, high) in low_high.items()
        )
        lines = [f"images of {'/'.join(source)}", size, f"{protocol} protocol · {result['bins']} bins{over}", errors]
        stem = folder / f"reliability-{protocol}"
        draw_counts(of_protocol, result["bins"], result["name"], lines, stem, bands[protocol])


def _other_models(out: Path, name: str) -> Iterator[str]:
    """The model whose results a folder holds, if it is another one than `name`."""
    if (out / "metrics.json").exists():
        try:
            other = json.loads((out / "metrics.json").read_text(encoding="utf-8"))["name"]
        except (OSError, ValueError, KeyError, TypeError):
            other = "a metrics.json that judge did not write"
        if other != name:
            yield other


def complete(out: Path, metrics: str) -> None:
    """Write metrics.json, the last of the results, and before it the digests of all of them."""
    files = [out / "statistic.npz", out / "images.csv", *sorted(out.glob("reliability-*.*"))]
    sums = {file.name: sha256(file) for file in files}
    sums["metrics.json"] = hashlib.sha256(metrics.encode()).hexdigest()
    write_sums(out / f"metrics{SUMS}", sums)
    write_text(out / "metrics.json", metrics)
