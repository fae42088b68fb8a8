"""The analysis of a dataset: the counts of every run are loaded once, measured once and resampled
once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.facts import Run
from pipeline_src.analysis.intervals import FEW_GROUPS, NAN, Groups, interval
from pipeline_src.analysis.measurement import Measured, Measurement, write
from pipeline_src.analysis.resampling import RESAMPLES, ByProtocol, key_of, leave_one_out, measure
from pipeline_src.counting.counts import Counts, Histogram, grouped
from pipeline_src.counting.storage import histogram_arrays, load
from pipeline_src.errors import UserError, listed
from pipeline_src.metrics.image_inputs import pixel_means
from pipeline_src.metrics.metric import FRACTION

# (method, seed) -> a file of counts, or a function that returns counts by protocol.
Runs = Mapping[Run, Path | Callable[[], ByProtocol]]


def analyse(
    split: str,
    bins: int,
    runs: Runs,
    out: Path,
    note: str = "",
    groups_of: Callable[[Sequence[str]], np.ndarray] | None = None,
    *,
    resamples: int = RESAMPLES,
) -> None:
    """Measure all methods on a dataset, and write the measurements to `out`.

    Args:
        split: name of the dataset, from which the seed of its resamples follows.
        bins: number of equal-width bins of ECE and OE.
        runs: (method, seed) -> a file of counts, or a function that returns counts by protocol;
            the result has the methods in this order.
        out: the file to write.
        note: a remark on the dataset for readers of its numbers.
        groups_of: a function that returns the group of each image from the ids of the images, where
            images are not independent.
        resamples: number of resamples of the images.

    Raises:
        UserError: a file is missing or holds no counts, or methods were evaluated on different
            images.
    """
    measured: Measured = {}
    expected: Sequence[str] | None = None
    groups: Groups = None
    for method in dict.fromkeys(method for method, _ in runs):
        seeds = sorted(seed for name, seed in runs if name == method)
        counts_by_seed = []
        for seed in seeds:
            source = runs[method, seed]
            counts = load(source) if isinstance(source, Path) else source()
            ids = counts["raw"].images.ids
            if expected is None:
                expected = ids
                groups = groups_of(ids) if groups_of else None
            if ids != expected:  # differences between runs are paired by image
                raise UserError(
                    f"{method} seed {seed} was not evaluated on the images of the other runs on "
                    f"{split}",
                    found=listed(sorted(set(expected) ^ set(ids))),
                    expected="the same images for all methods and seeds",
                )
            counts_by_seed.append(grouped(counts, groups))
        for protocol in counts_by_seed[0]:
            of_protocol = [counts[protocol] for counts in counts_by_seed]
            measured[protocol, method] = _measurement(
                seeds, of_protocol, bins=bins, key=key_of(split), resamples=resamples
            )
    write(out, {"split": split, "bins": bins, "note": note}, measured)


def _measurement(
    seeds: Sequence[int], runs: Sequence[Counts], *, bins: int, key: int, resamples: int
) -> Measurement:
    """Return the measurement of a method in one protocol, with the arrays that figures and tests of
    differences need (`Measurement.arrays`).

    Args:
        runs: the counts of each of `seeds`.
        key: seed of the resamples, the same for all methods on the dataset.
    """
    summed = Histogram.empty(top=runs[0].histogram.top)
    for run in runs:
        summed = summed + run.histogram
    confidences = [pixel_means(run.images, "confidence") for run in runs]
    accuracies = [pixel_means(run.images, "correct") for run in runs]
    arrays = histogram_arrays(summed, "all")
    arrays["top"] = np.array(summed.top)
    arrays["image_means"] = np.array([confidences, accuracies], np.float32)
    if runs[0].pixels:
        arrays["left_out"] = np.array([leave_one_out(run, bins) for run in runs])
    if runs[0].images.groups is not None:
        arrays["groups"] = runs[0].images.groups
    measured = [measure(run, bins, key=key, resamples=resamples) for run in runs]
    band = accuracy_band(measured, bins)
    if band is not None:
        arrays["accuracy_band"] = band
    return Measurement.of_runs(seeds, measured, arrays)


def accuracy_band(runs: Sequence[Measurement], bins: int) -> np.ndarray | None:
    """Return the error bars of a method's reliability diagram, (bins + 1, 2) confidence limits of
    the accuracy (`band_of_sums`); None without a pixel or without resamples.

    Args:
        runs: the measurement of each seed, with its sums by bin.
    """
    if "bin_sums" not in runs[0].arrays:
        return None
    # (S, 7 bins + 1) sums of `Binned.terms`: pixels, hits and scores by bin, three squares by bin,
    # the units with pixels in a bin, and those with pixels at all.
    totals = np.array([run.arrays["bin_sums"] for run in runs])
    resampled = sum(run.arrays["resampled_bin_sums"][:, : 2 * bins] for run in runs)
    filled = totals[:, 6 * bins : 7 * bins]
    return band_of_sums(totals[:, : 2 * bins], np.asarray(resampled), filled, runs[0].units)


@np.errstate(invalid="ignore", divide="ignore")  # a resample may leave a bin empty
def band_of_sums(
    totals: np.ndarray, resampled: np.ndarray, filled: np.ndarray, units: int
) -> np.ndarray:
    """Return the error bars of a reliability diagram, (bins + 1, 2).

    These are 95 % confidence limits of the accuracy in each bin and, in the last row, over all
    pixels, of all seeds pooled. The limits cover the sampling of images and, with several seeds,
    the variance of training (`Estimate`). The limits of a bin are NaN if, for one of the seeds,
    fewer than `FEW_GROUPS` units have pixels in it, or a resample leaves it empty; with fewer units
    than that, all must have some.

    The accuracy of all seeds' pixels is the mean of the seeds' weighted by their shares w of the
    pixels. Its standard error of training is s sqrt(sum w^2), with s the standard deviation over
    seeds; s / sqrt(S) where shares are equal. `Estimate` divides by sqrt(S), so deviations of seeds
    are scaled up accordingly.

    Args:
        totals: (S, 2 bins) pixels in each bin, then the correct ones among them, of all images.
        resampled: (R, 2 bins) the same sums on resamples, summed over seeds.
        filled: (S, bins) units, images or groups of them, with pixels in each bin.
        units: number of units that are resampled.
    """
    # In a bin, units can count as fractions (`Binned.terms`), whose sums are rounded.
    enough = filled.min(axis=0) > min(FEW_GROUPS, units) - 1e-6
    # (S, bins + 1) and (R, bins + 1): the last column is over all pixels.
    pixels, hits = (_with_sum(half) for half in np.split(totals, 2, axis=1))
    drawn_pixels, drawn_hits = (_with_sum(half) for half in np.split(resampled, 2, axis=1))
    limits = np.full((len(enough) + 1, 2), np.nan)
    for k in np.flatnonzero([*enough, True]):
        value = float(hits[:, k].sum() / pixels[:, k].sum())
        accuracy = hits[:, k] / pixels[:, k]
        shares = pixels[:, k] / pixels[:, k].sum()
        # Over images, then with the variance of training.
        resampled_accuracy = drawn_hits[:, k] / drawn_pixels[:, k]
        ends = interval(value, resampled_accuracy, units, limits=FRACTION)
        low, high = ends or NAN
        # Deviations of seeds, scaled as the docstring says, about the pooled accuracy.
        by_seed = value + np.sqrt(len(shares) * (shares**2).sum()) * (accuracy - accuracy.mean())
        estimate = Estimate(dict(enumerate(by_seed.tolist())), low, high, range=FRACTION)
        limits[k] = estimate.low, estimate.high
    return limits


def _with_sum(by_bin: np.ndarray) -> np.ndarray:
    """Return numbers (n, bins) with their sum over bins as a further column, (n, bins + 1)."""
    return np.append(by_bin, by_bin.sum(axis=1, keepdims=True), axis=1)
