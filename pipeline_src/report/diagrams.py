"""What the interactive reliability diagrams show: the pixels by bin of confidence. The page only draws it."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline_src.analysis.estimate import or_none
from pipeline_src.analysis.measurement import Measurement, bin_choices
from pipeline_src.analysis.results import Results
from pipeline_src.counting.score_histogram import ScoreHistogram, top_label

DIGITS = 3  # of a bin's summed confidence minus hits: in pixels: no error can be seen


def diagrams(results: Results) -> dict[str, Any]:
    """For JSON: what there is to choose from, and `cells`: protocol -> part -> method -> number of bins -> numbers.

    These are `ece` and `oe`, the means over seeds that the tables have, and `rows`, one per bin with pixels: its place
    (0-based, of equally wide right-closed bins on [0, 1]), and of all seeds' pixels together their number, how many are
    right, and summed confidence minus that (`DIGITS` digits); in the experiment's own number of bins also the ends of
    the accuracy's 95 % interval over images and seeds, where it is known.
    """
    facts = results.facts
    return {
        "bins": facts.bins,
        "choices": bin_choices(facts.bins),
        "floor": 1 / facts.classes,
        "methods": list(facts.methods),
        "cells": {
            protocol: {
                part: {m: _by_bins(run, facts.bins) for m, run in results.measured(protocol, part).items()}
                for part in facts.parts
            }
            for protocol in facts.protocols
        },
    }


def _by_bins(measurement: Measurement, bins: int) -> dict[str, dict[str, Any]]:
    """The numbers of a method's diagrams by number of bins."""
    pixels, errors = top_label(measurement.counts), measurement.arrays["errors_by_bins"].tolist()
    bands = {bins: measurement.arrays.get("accuracy_band")}
    return {
        str(number): {"ece": or_none(ece), "oe": or_none(oe), "rows": _rows(pixels.binned(number), bands.get(number))}
        for number, (ece, oe) in zip(bin_choices(bins), errors, strict=True)
    }


def _rows(bins: ScoreHistogram, band: np.ndarray | None) -> list[list[float]]:
    filled = np.flatnonzero(bins.count)
    columns = (filled, bins.count[filled], bins.hits[filled], bins.excess[filled].round(DIGITS))
    rows = zip(*(numbers.tolist() for numbers in columns), strict=True)
    ends = np.full((len(filled), 2), np.nan) if band is None else band[filled].round(5)
    return [[*row, *pair[~np.isnan(pair)].tolist()] for row, pair in zip(rows, ends, strict=True)]
