"""Post-hoc calibrators: functions that map the predictions of a trained network to better
calibrated probabilities.

Each is a `calibrator.Calibrator` in the file of its name. This module has the names, because it
does not import scipy.
"""

from __future__ import annotations

NAMES = (
    "temperature",
    "platt",
    "beta",
    "isotonic",
    "histogram_binning",
    "image_temperature",
    "vector",
    "dirichlet",
)
