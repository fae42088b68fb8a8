"""Post-hoc calibrators: functions that map the predictions of a trained network to better calibrated probabilities.

Each is one class in the file of its name, a `calibrator.Calibrator`. Names stand here, where they are known without
importing scipy.
"""

from __future__ import annotations

NAMES = ("temperature", "platt", "beta", "isotonic", "histogram_binning", "image_temperature")
