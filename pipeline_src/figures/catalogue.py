"""All figures of an experiment, by figure type. `write.py` draws and saves them."""

from __future__ import annotations

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import (
    alpha,
    classes,
    comparison,
    entropy,
    estimates,
    examples,
    extremes,
    joint,
    reliability,
    risk,
    severity,
    sweep,
    training,
)
from pipeline_src.figures.types import Picture

# In the order of the report. A new figure is a file here and a line in this list (docs/contributing/extending.md).
FIGURE_TYPES = (
    estimates.FIGURE,
    entropy.FIGURE,
    comparison.FIGURE,
    classes.FIGURE,
    reliability.FIGURE,
    joint.FIGURE,
    risk.FIGURE,
    examples.FIGURE,
    severity.FIGURE,
    sweep.FIGURE,
    alpha.FIGURE,
    extremes.FIGURE,
    training.FIGURE,
)


def pictures(facts: Facts) -> list[Picture]:
    """All figures of an experiment, in the order of the report."""
    return [picture for figure_type in FIGURE_TYPES for picture in figure_type.pictures(facts)]


def figure_files(facts: Facts) -> list[str]:
    """Names of all files that `write.write_figures` writes."""
    return sorted(file for picture in pictures(facts) for file in picture.files)
