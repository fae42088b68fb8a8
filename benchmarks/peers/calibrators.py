"""Fiducio's calibrators and ours, by `python benchmarks/peers/calibrators.py GROUPS MAPS MASKS MAPS
MASKS ...`.

All are fitted to the same 200,000 pixels of the first set, and tested on the others: of a set that
is given twice every other image is fitted, and the rest is tested. GROUPS is as of `judge`, or ''.
Of K classes the label K is void.
Bold: the best of ours in its column and set. Others: differences from it, with 95 % intervals. The
    arguments:
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from fiducio import get_calibrator_class, registered_ids

from pipeline_src.analysis.estimate import estimate
from pipeline_src.analysis.resampling import SEED, measure
from pipeline_src.calibrators.calibrator import fitted
from pipeline_src.calibrators.pixels import Pixels, log_odds
from pipeline_src.calibrators.registry import CALIBRATORS, calibrator_class
from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.counts import grouped
from pipeline_src.counting.sample import checked
from pipeline_src.maps.calibrate import counts_and_pixels
from pipeline_src.maps.files import form_of, pairs_and_warnings, read_pair
from pipeline_src.maps.judge import groups_of
from pipeline_src.metrics.metric import Difference, with_ends
from pipeline_src.metrics.registry import METRICS

SHOWN = ["ece", "classwise_ece", "nll", "brier"]
DECIDING = ["squared_error", "classwise_squared_error"]


def fiducio(name):
    """Return a fitted calibrator of Fiducio; of two classes it gets 0 and the log odds."""
    planes = np.eye(K) if K else np.array([[0.0, 1.0]])
    model = get_calibrator_class(name)(optimizer="lbfgs", max_iter=400).fit(
        pixels.z @ planes, pixels.labels
    )
    return lambda z: model.transform(np.tensordot(planes.T, z, 1)[None])[0].numpy()


def measured(apply):
    """Return the metrics of the tested maps after a calibrator, also on resamples."""
    accumulator = Accumulator(K or 2)
    for pair in tested:
        sample = read_pair(pair, FORM).sample
        f = apply(log_odds(sample.probability)).astype(np.float32)
        p = f if f.ndim == 3 else np.stack([1 - f, f])
        accumulator.add(checked(p, sample.target, pair.stem, ignore=K))
    counts = grouped(accumulator.counts(), groups_of(tested, sys.argv[1]))
    return measure(counts["raw"], 10, SEED, names=SHOWN + DECIDING)


def cell(run, metric):
    """Return a metric; with its difference from the best of our calibrators, which is bold."""
    best = min(
        (runs[name] for name in CALIBRATORS if name in runs), key=lambda own: own.points[metric][0]
    )
    text = METRICS[metric].number(run.points[metric][0])
    effect = estimate(metric, (run, 1.0), (best, -1.0))
    assert effect is not None  # both have the metric
    ends = with_ends(Difference.of(METRICS[metric]), effect.value, effect.interval())
    return f"**{text}**" if run is best else f"{text}: {ends} {effect.direction}".rstrip()


fit, *tests = zip(map(Path, sys.argv[2::2]), map(Path, sys.argv[3::2]), strict=True)
pairs = pairs_and_warnings(*fit)[0][:: 2 if fit in tests else 1]
FORM = form_of(pairs)
K = FORM.classes  # None of two classes
FORM = replace(FORM, ignore=K)
_, every = counts_and_pixels(pairs, FORM)
rows = np.random.default_rng(0).choice(len(every.z), 200_000, p=every.weights / every.weights.sum())
pixels = Pixels(
    every.z[rows], every.labels[rows], np.ones(len(rows)), every.images[rows], every.entropy
)
fits = {
    kind.name: fitted(kind, pixels).apply
    for kind in map(calibrator_class, CALIBRATORS)
    if not (K and kind.two_classes)
}
fits |= {f"Fiducio, {name}": fiducio(name) for name in registered_ids()}
print(f"{__doc__}\n{sys.argv[1:]}\n")
print(f"| set | calibrator | ECE % | class-wise ECE % | NLL | Brier |\n|{' --- |' * 6}")
for maps, masks in tests:
    tested = [pair for pair in pairs_and_warnings(maps, masks)[0] if pair not in pairs]
    runs = {name: measured(apply) for name, apply in fits.items()}
    for name, run in runs.items():
        print(
            f"| {maps.name} | {name} | {' | '.join(cell(run, metric) for metric in SHOWN)} |",
            flush=True,
        )
