"""docs/metrics.md, made from the registry of metrics: one row each."""

from __future__ import annotations

import math
from pathlib import Path

from pipeline_src.metrics.metric import HIGH, LOW, NEITHER, Metric
from pipeline_src.metrics.registry import METRICS

FILE = Path("docs/metrics.md")
COVERAGE = Path("benchmarks/intervals")  # what benchmarks/interval_coverage.py and metric_coverage.py wrote
GROUPS = {
    "any": "For one object and for several classes",
    "two": "For one object",
    "several": "For several classes",
}
BETTER = {LOW: "lower", HIGH: "higher", NEITHER: "–"}
HEAD = """# Metrics

Made by `dense-calibration docs` from `pipeline_src/metrics/registry.py`; a test keeps the two in step.
[How exact they are](exactness.md); [how to add one](guides/metric.md).

All metrics are functions of one statistic per run and data set, gathered in a single pass over all pixels. Ignored and
void pixels never count. Values lie in the range of their row, where their intervals end, too, and csv and json files
have them so. What is printed to be read (tables, captions, claims, the report, the terminal) is in percent where the
heading here says %, with the same digits everywhere.

- $f$ is the probability of the object and $y$ its label, 0 or 1; $p_k$ is the probability of class $k$ of $K$.
- *Confidence* is the probability of the predicted class: $\\max(f, 1-f)$, where the object is predicted if
  $f \\geq 0.5$, or the largest $p_k$.
- *Bin* $k$ of $B$ holds the pixels with $(k-1)/B <$ confidence (or probability) $\\leq k/B$; $B$ is 10 by default
  (`bins` in `params.yaml`). n_k is its number of pixels, N that of all, conf_k its mean confidence, acc_k its accuracy.
- *From*: what a metric is computed from.

Undefined metrics are null with a reason, never 0: F without foreground, for example. `judge` also reports
`weighted_f`, the mean weighted F of the images (Margolin et al., CVPR 2014).

Numbers of two data sets, or of a threshold fitted on another set, are no functions of one statistic and have no row
here. Detection of what is out of distribution (table T10): AUROC, AUPR and the false positive rate at 95 % true
positives, where what is in distribution is the positive class and ranked by confidence or by minus its entropy,
pixels or images. Ties count in part, so that a false positive rate lies between those of the thresholds beside them.
Risks of masks with a promised bound (table T13): [conformal.md](conformal.md).
"""


TAIL = """
## How far intervals can be trusted

Measured by `python benchmarks/interval_coverage.py` on simulated data sets whose true errors are known: images of
10,000 pixels in five bins of confidence, whose accuracy varies from image to image as that of networks does.
*Percentiles* are those over resampled images of the mean over seeds, the usual interval; those of intervals in use are
further out, as Student's t is ([protocol.md, section 6](protocol.md#6-the-claims)). *ECE* and *OE* are the
intervals that tables print. A difference of either needs two: *ΔECE, percentiles* is about the one, *Δ squared* about
the other, and *found* how often both call a difference one. Columns of accuracy and Brier are of the intervals in use.
In all cells of the first table the network is over-confident in every bin, or calibrated.

An error near 0 can only grow when images are resampled, so that its percentiles lie above the true value. Intervals
of errors that are not means over images therefore go down to the mirror image of their upper end, and to 0 where the
interval of the debiased square holds 0. A difference of such errors is called one where its own interval and that of
the square exclude 0 on the same side: the own one alone errs near 0, and the square alone tells apart two methods of
equal error that lies in more bins in one of them (the table of other bins). Errors in bins
of f (positive ECE, MCB, the reliability term) have the square of these bins, class-wise ECE that of each class, all
others that of the confidence: it is 0 where over-confidence on predicted foreground cancels under-confidence on
predicted background (*biased* in the table of all metrics).

The table of all metrics is made by the program's own `calibration_report`. With 50 images, those that few hard images
decide hold the true value less often (DSC, AP, coverage at 1 % risk, the spread over images). `ece_debiased_authors`
takes pixels for independent. MCB fits its blocks to the noise as well, so that its interval lies above a small true
value in one of six data sets (biased). The noise floor is too low for a handful of images or groups.
"""


def page() -> str:
    """The whole page as Markdown."""
    parts = [HEAD.strip()]
    for classes, title in GROUPS.items():
        rows = [_row(name, metric) for name, metric in METRICS.items() if metric.classes == classes]
        head = ["| name | heading | from | definition | range | better | reference |", "|---|---|---|---|---|---|---|"]
        parts += [f"## {title}", "\n".join(head + rows)]
    parts += [TAIL.strip(), *(file.read_text(encoding="utf-8").strip() for file in sorted(COVERAGE.glob("*.md")))]
    return "\n\n".join(parts) + "\n"


def _row(name: str, metric: Metric) -> str:
    better = BETTER[metric.better]
    cells = [f"`{name}`", metric.column, metric.of.description, metric.definition, _range(metric)]
    return f"| {' | '.join([*cells, better, metric.reference or '–'])} |"


def _range(metric: Metric) -> str:
    low, high = metric.range
    if math.isinf(high):
        return "–" if math.isinf(low) else f"≥ {low:g}"
    return f"{low:g} to {high:g}"
