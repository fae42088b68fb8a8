"""The analysis of a dataset: the counts of every run are loaded once, measured once and resampled once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.intervals import FEW_GROUPS, NAN, interval
from pipeline_src.analysis.measurement import COMPARED, Measurement, write
from pipeline_src.analysis.resampling import (
    LEAVE_ONE_OUT,
    Resampled,
    key_of,
    resample,
    resample_counts,
)
from pipeline_src.counting.counts import Counts, image_rows
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.errors import UserError, listed
from pipeline_src.metrics.image_inputs import pixel_means
from pipeline_src.metrics.inputs import Binned
from pipeline_src.metrics.metric import FRACTION
from pipeline_src.metrics.protocol_counts import TOP, ProtocolCounts


def analyse(
    part: str,
    bins: int,
    statistics: Mapping[tuple[str, int], Path | MapCounts],
    out: Path,
    note: str = "",
    groups_of: Callable[[Sequence[str]], np.ndarray] | None = None,
) -> None:
    """Measure all methods on a dataset, and write the measurements to `out`.

    Args:
        part: name of the dataset, the key of its draws.
        statistics: (method, seed) -> counts, or their file; the result has the methods in this
            order.
        note: on the dataset, for readers of its numbers.
        groups_of: the group of each image by its id, where images are not independent.

    Raises:
        UserError: a file is missing or holds no counts, or methods were evaluated on different
            images.
    """
    measured: dict[tuple[str, str], Measurement] = {}
    expected: list[str] | None = None
    groups: np.ndarray | None = None
    for method in dict.fromkeys(method for method, _ in statistics):
        seeds = sorted(seed for name, seed in statistics if name == method)
        runs, resampled = [], []
        for seed in seeds:
            source = statistics[method, seed]
            run = MapCounts.load(source) if isinstance(source, Path) else source
            ids = image_rows(run.raw).ids
            if expected is None:
                expected, groups = ids, groups_of(ids) if groups_of else None
            if ids != expected:
                raise UserError(
                    f"{method} seed {seed} was not evaluated on the images of the other runs on {part}",
                    found=listed(sorted(set(expected) ^ set(ids))),
                    expected="the same images for all methods and seeds",
                )
            runs.append(run)
            resampled.append(resample(run, bins, key_of(part), groups=groups))
        for protocol in resampled[0]:
            counts = [run.protocols[protocol] for run in runs]
            measured[protocol, method] = _measurement(
                seeds, counts, [run[protocol] for run in resampled], groups, bins
            )
    order = sorted(measured, key=lambda key: key[0] != "raw")  # stable: methods stay in order
    write(out, {"part": part, "bins": bins, "note": note}, {key: measured[key] for key in order})


def _measurement(
    seeds: Sequence[int],
    counts: Sequence[Counts],
    resampled: Sequence[Resampled],
    groups: np.ndarray | None,
    bins: int,
) -> Measurement:
    first, *rest = (replace(run, rows=None) for run in counts)
    summed = sum(rest, first)
    arrays = summed.arrays("all") | {"top": np.array(summed.top)}
    rows = [image_rows(run) for run in counts]
    means = [[pixel_means(run, column) for run in rows] for column in ("confidence", "correct")]
    arrays["image_means"] = np.array(means, np.float32)
    if first.pixels:
        runs = [ProtocolCounts(None, run, groups) for run in counts]
        left_out = [resample_counts(run, bins, LEAVE_ONE_OUT, names=COMPARED) for run in runs]
        arrays["left_out"] = np.array([list(run.values.values()) for run in left_out])
    if groups is not None:
        arrays["groups"] = groups
    if (band := accuracy_band(resampled, bins)) is not None:
        arrays["accuracy_band"] = band
    images, pixels = len(image_rows(counts[0])), counts[0].pixels
    return Measurement.of_runs(seeds, resampled, images=images, pixels=pixels, arrays=arrays)


def accuracy_band(seeds: Sequence[Resampled], bins: int) -> np.ndarray | None:
    """Return `band_of_sums` of the runs of a method, one per seed; None where no pixel was counted."""
    family = Binned(TOP).family
    if family not in seeds[0].sums:
        return None
    totals = np.array([run.sums[family].total for run in seeds])
    resampled = np.sum([run.sums[family].resampled[:, : 2 * bins] for run in seeds], axis=0)
    return band_of_sums(
        totals[:, : 2 * bins], resampled, totals[:, 6 * bins : 7 * bins], seeds[0].units
    )


@np.errstate(invalid="ignore", divide="ignore")  # a resample may leave a bin empty
def band_of_sums(
    totals: np.ndarray, resampled: np.ndarray, filled: np.ndarray, units: int
) -> np.ndarray:
    """Return (bins + 1, 2) 95 % confidence limits of the accuracy in each bin and over all pixels,
    of all seeds pooled: the error bars of reliability diagrams.

    They cover images and, with several seeds, training (`Estimate`). They are NaN in a bin in which
    fewer than `FEW_GROUPS` units, or not all of fewer units, have pixels of one of the seeds.

    The accuracy of all seeds' pixels is the mean of the seeds' weighted by their shares w of the
    pixels. Its standard error of training is s sqrt(sum w^2), with s the standard deviation over
    seeds; s / sqrt(S) where shares are equal. `Estimate` divides by sqrt(S), so deviations of seeds
    are scaled up accordingly.

    Args:
        totals: (S, 2 bins) pixels in each bin, then the correct ones among them, of all images.
        resampled: (R, 2 bins) the same on resamples, of all seeds together.
        filled: (S, bins) units, images or groups of them, with pixels in each bin.
        units: how many are resampled.
    """
    enough = (
        filled.min(axis=0) > min(FEW_GROUPS, units) - 1e-6
    )  # shares of images add up to one but for rounding
    (pixels, hits), (drawn_pixels, drawn_hits) = (
        [
            np.append(half, half.sum(axis=1, keepdims=True), axis=1)
            for half in np.split(sums, 2, axis=1)
        ]
        for sums in (totals, resampled)
    )
    limits = np.full((len(enough) + 1, 2), np.nan)
    for k in np.flatnonzero([*enough, True]):
        value, accuracy = hits[:, k].sum() / pixels[:, k].sum(), hits[:, k] / pixels[:, k]
        shares = pixels[:, k] / pixels[:, k].sum()
        ends = interval(float(value), drawn_hits[:, k] / drawn_pixels[:, k], units, FRACTION) or NAN
        by_seed = value + np.sqrt(len(shares) * (shares**2).sum()) * (accuracy - accuracy.mean())
        estimate = Estimate(dict(enumerate(by_seed.tolist())), *ends, range=FRACTION)
        limits[k] = estimate.low, estimate.high
    return limits
