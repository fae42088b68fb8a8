"""Judge a folder of saved prediction maps against masks, with the same numbers as the pipeline's own models."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src import __version__, outputs
from pipeline_src.analysis.accuracy_band import accuracy_band
from pipeline_src.analysis.intervals import FEW_GROUPS, few_in_words, groups_in_words, images_in_words
from pipeline_src.analysis.resampling import RESAMPLES, SEED, resample_counts
from pipeline_src.calibrators.files import read_for
from pipeline_src.counting.counts import Counts, image_rows
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.counting.loading import by_protocol
from pipeline_src.counting.regions import RegionStatistics
from pipeline_src.counting.score_histogram import check_bins
from pipeline_src.data.groups import find, number
from pipeline_src.data.image_io import PIXELS
from pipeline_src.errors import UserError
from pipeline_src.figures import style
from pipeline_src.figures.reliability import draw_counts
from pipeline_src.files import SUMS
from pipeline_src.judging import output_folder, several_classes, two_classes
from pipeline_src.judging import risk as risks
from pipeline_src.judging.files import Pairs, pair_files
from pipeline_src.judging.folder_counts import FolderCounts
from pipeline_src.judging.whole_images import MISSING, WholeImages, whole_images
from pipeline_src.labels import IGNORED
from pipeline_src.metrics.image_inputs import FilledBins
from pipeline_src.metrics.per_image import per_image
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.registry import METRICS
from pipeline_src.metrics.summary import bounds, summary

MOST_RESAMPLES = 100_000  # each takes time and space on the disk


@outputs.exclusive()
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
    max_pixels: int = PIXELS,
    calibrator: Path | None = None,
    risk: str = "",
    diagrams: bool = False,
) -> dict:
    """Judge the maps in `pred` against the masks in `mask` (None: all background) and write everything into `out`.

    Writes metrics.json, statistic.npz and images.csv (worst calibrated first), and metrics.sha256, their digests;
    returns the content of metrics.json.
    Maps of K classes, (K, H, W), have one protocol, `raw`. Memory is that of one map, or of 32 small ones, and about
    0.2 KB per image (its name and a few numbers); other numbers of images are in temporary files (TMPDIR), about 6.5 KB
    per image with both protocols and 1,000 resamples.

    Args:
        bins: number of equal-width (and equal-mass) bins.
        protocols: which of `raw` and `stretched` to report.
        ignore: value of mask pixels that never count.
        border: width in pixels of the band around object borders, to report border, interior and background apart.
        whole: also compute S, E and weighted F.
        resamples: bootstrap resamples; 0 for no intervals.
        groups: which images are not independent (`data.groups`); they are resampled together.
        max_pixels: that a map (times its classes) or a mask may have; larger ones are not decoded.
        calibrator: a calibrator.json; the maps are judged as if it had been applied to them.
        risk: a bound such as "fnr=0.1", for which a threshold is given (`judging.risk`).
        diagrams: also draw the reliability diagram of each protocol of one object.

    Raises:
        UserError: names all files that cannot be used, or the option that does not fit, or no pixel counts; nothing is
            written then.
    """
    check_bins(bins)
    check_resamples(resamples)
    if border is not None and not 0 <= border < np.inf:
        raise UserError("--border cannot be used", found=border, expected="0 or more pixels", do="--border 5")
    outputs.check(out, "judge", inputs=(pred, mask), model=name, others=output_folder.others(out, name))
    if mask is None and ignore is not None:
        raise UserError("--ignore applies to masks, and there are none", do="leave out --ignore")
    pairs = pair_files(pred, mask, max_pixels)
    of_images = groups_of(pairs, groups)
    images: dict[str, WholeImages] = {}
    classes = several_classes.classes_of(pairs)
    if calibrator:
        of_file, _ = read_for(calibrator, classes or 2, str(pred), "fit one to such maps: dense-calibration calibrate")
        pairs = pairs.calibrated(of_file)
    bound = risks.check(risk, pairs, classes)
    if classes:
        _check_options(pairs, classes, protocols, border)
        counted = several_classes.count(pairs, classes, ignore)
    else:
        counted = two_classes.count(pairs, ignore, border)
        images = whole_images(pairs, counted.meaning, by_protocol(counted.statistic)["raw"].pixels) if whole else {}
    counts = _counts(counted, protocols, mask, ignore)
    first = next(iter(counts.values()))
    numbers, few, bands = _numbers(counted, counts, images, bins, resamples, of_images)
    result = {
        "name": name,
        "n_images": len(pairs),
        "n_pixels": first.pixels,
        **({"n_classes": classes} if classes else {}),
        **({"calibrator": str(calibrator)} if calibrator else {}),
        "bins": bins,
        "note": (several_classes if classes else two_classes).NOTE,
        **({"groups": groups_in_words(of_images)} if groups else {}),
        "warnings": [*counted.warnings(), *few],
        **numbers,
    }
    if bound:
        runs = ProtocolCounts.by_protocol(counted.statistic, of_images)
        result["risk"] = {p: risks.controlled(runs[p], bound, SEED, resamples) for p in counts}
    if counted.regions is not None:
        result["regions"] = {"border_pixels": border, **_regions(counted.regions, protocols, bins, of_images)}

    provenance = {"name": name, "pred": str(pred), "mask": str(mask) if mask else None, "version": __version__}
    tables = {p: _per_image(of_protocol, bins, images.get(p)) for p, of_protocol in counts.items()}
    with outputs.staged(out, "metrics.json", [f"metrics{SUMS}", "reliability-*.*"]) as new:
        counted.statistic.save(new / "statistic.npz", provenance)
        output_folder.write_images(new / "images.csv", image_rows(first), tables)
        for protocol, of_protocol in counts.items() if diagrams and not classes else ():
            lines = [f"images of {'/'.join((mask or pred).parts[-2:])}", *_lines(result, protocol)]
            draw_counts(of_protocol, bins, name, lines, new / f"reliability-{protocol}", bands[protocol])
        output_folder.complete(new, json.dumps(result, indent=2, allow_nan=False) + "\n")
    return result


def _lines(result: dict, protocol: str) -> list[str]:
    """What a diagram is of, and its errors with their intervals."""
    size = f"{result['n_images']:,} images · {style.count(result['n_pixels'])} pixels"
    values, ends = result[protocol], result["intervals"].get(protocol, {})
    over = f" · 95 % intervals over {'groups of images' if 'groups' in result else 'images'}" * any(ends.values())
    low_high = {name: ends.get(name) or (math.nan, math.nan) for name in ("ece", "oe")}
    errors = [
        f"{METRICS[name].title} {METRICS[name].text(values[name], mark=' %', low=low, high=high)}"
        for name, (low, high) in low_high.items()
    ]
    return [size, f"{protocol} protocol · {result['bins']} bins{over}", " · ".join(errors)]


def check_resamples(resamples: int) -> None:
    """UserError where there are too many."""
    if not 0 <= resamples <= MOST_RESAMPLES:
        raise UserError(
            "--resamples cannot be used",
            found=f"{resamples:,}",
            expected=f"0 to {MOST_RESAMPLES:,}",
            do="--resamples 1000",
        )


def groups_of(pairs: Pairs, groups: str) -> np.ndarray | None:
    """(N,) the group of each image (`data.groups`); None without `groups`."""
    return number(pairs.stems, groups, find(groups, None)) if groups else None


def _check_options(pairs: Pairs, classes: int, protocols: tuple[str, ...], border: float | None) -> None:
    if pairs.masks is None:
        raise UserError(
            "maps of several classes need masks", found=f"{classes} classes in {pairs.maps}", do="--mask DIR"
        )
    if border is not None:
        raise UserError("--border applies to maps of one object, not of several classes", do="leave out --border")
    if "raw" not in protocols:
        raise UserError(
            "maps of several classes cannot be stretched",
            found=f"--protocol {' '.join(protocols)}",
            do="--protocol raw",
        )


def _counts(
    counted: FolderCounts, protocols: tuple[str, ...], mask: Path | None, ignore: int | None
) -> dict[str, Counts]:
    """By protocol; UserError where there is nothing to judge."""
    counts = {p: of_protocol for p, of_protocol in by_protocol(counted.statistic).items() if p in protocols}
    if not all(of_protocol.pixels for of_protocol in counts.values()):
        raise UserError(
            f"no pixel of the masks in {mask} counts; nothing was written",
            found=f"the value {IGNORED if ignore is None else ignore}, which is ignored, at every pixel",
            expected="pixels of other values",
            do="name another value by --ignore",
        )
    return counts


def _numbers(
    counted: FolderCounts,
    counts: dict[str, Counts],
    images: dict[str, WholeImages],
    bins: int,
    resamples: int,
    groups: np.ndarray | None,
) -> tuple[dict[str, Any], list[str], dict[str, np.ndarray | None]]:
    """Values by protocol, with `intervals`, `undefined` (reasons) and `bounds` by protocol; warnings of few images, and
    of metrics that few have; and the `accuracy_band` by protocol."""
    numbers: dict[str, Any] = {"intervals": {}, "undefined": {}, "bounds": {}}
    few: dict[str, int] = {}
    warnings: list[str] = []
    bands: dict[str, np.ndarray | None] = {}
    runs = ProtocolCounts.by_protocol(counted.statistic, groups)
    for protocol in counts:
        run = runs[protocol]
        values, reasons = summary(run, bins)
        defined = [name for name, value in values.items() if value is not None]
        numbers["bounds"][protocol] = bounds(run, bins, defined) if "float" in counted.highest else {}
        resampled = resample_counts(run, bins, SEED, resamples, groups, [FilledBins()]) if resamples else None
        bands[protocol] = accuracy_band([resampled], bins) if resampled else None
        intervals, present = (resampled.intervals(), dict(resampled.present)) if resampled else ({}, {})
        if images:
            means = images[protocol].means
            if resampled:
                intervals |= images[protocol].intervals(SEED, resamples, groups)
                present |= images[protocol].present(groups)
            reasons = {name: reason for name, reason in reasons.items() if name not in means}
            reasons |= {name: MISSING for name, value in means.items() if value is None}
            values |= means
        numbers[protocol], numbers["undefined"][protocol] = values, reasons
        if resampled:
            numbers["intervals"][protocol] = {name: intervals.get(name) for name in values}
            warnings = images_in_words(resampled.units) if groups is None else []  # the same in all protocols
            if resampled.units >= FEW_GROUPS:  # or else it is said of all metrics
                few |= {name: of for name, of in present.items() if values[name] is not None}
    return numbers, [*warnings, *few_in_words(few)], bands


def _regions(
    regions: RegionStatistics, protocols: tuple[str, ...], bins: int, groups: np.ndarray | None
) -> dict[str, dict]:
    """Values by protocol and region."""
    by_name = {region: ProtocolCounts.by_protocol(statistic, groups) for region, statistic in regions.by_name.items()}
    return {
        p: {name: {"n_pixels": runs[p].counts.pixels, **summary(runs[p], bins)[0]} for name, runs in by_name.items()}
        for p in protocols
    }


def _per_image(counts: Counts, bins: int, images: WholeImages | None) -> output_folder.Parts:
    for part, values in per_image(counts, bins):
        yield part, values if images is None else values | images.part(part)
